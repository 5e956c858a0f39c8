package counting

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrBadWindow is wrapped by every error of ParseLength and WindowLength.Parse.
var ErrBadWindow = errors.New("bad window")

// ErrBadName is the error of ParseName.
var ErrBadName = errors.New("want 1 to 32 of the characters a-z, 0-9 and -")

// DefaultName is the name of a deployment whose operator chose none.
const DefaultName = "footfall"

// nameLayout is a window's name, but for the suffix, by its start in UTC.
const nameLayout = DefaultName + "_20060102T150405Z"

// Window numbers the windows of one length from the Unix epoch on: window w
// covers the times from w*L up to, not including, (w+1)*L.
type Window int64

// WindowLength is the length of a window: whole seconds, at least one.
type WindowLength time.Duration

// ParseLength checks a duration that is to be the length of a window.
func ParseLength(d time.Duration) (WindowLength, error) {
	if d < time.Second || d%time.Second != 0 || d > 24*time.Hour {
		return 0, fmt.Errorf("%w: its length is %v, want whole seconds, 1s to 24h", ErrBadWindow, d)
	}
	return WindowLength(d), nil
}

// ParseName checks the name of a deployment, which begins the ids of its windows.
func ParseName(text string) (string, error) {
	strange := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' }
	if text == "" || len(text) > 32 || strings.ContainsFunc(text, strange) {
		return "", ErrBadName
	}
	return text, nil
}

// At is the window that covers t.
func (l WindowLength) At(t time.Time) Window {
	ms, length := t.UnixMilli(), time.Duration(l).Milliseconds()
	w := ms / length
	if ms%length < 0 {
		w--
	}
	return Window(w)
}

// Start is the first moment of w, in UTC.
func (l WindowLength) Start(w Window) time.Time {
	return time.UnixMilli(int64(w) * time.Duration(l).Milliseconds()).UTC()
}

// End is the first moment after w, in UTC.
func (l WindowLength) End(w Window) time.Time { return l.Start(w + 1) }

// Name is the id of w in a deployment of the default name: footfall_20261122T100500Z. A
// suffix such as _2s gives the length in seconds, unless it is a minute.
func (l WindowLength) Name(w Window) string {
	return l.Start(w).Format(nameLayout) + l.suffix()
}

// ID is the id under which a deployment publishes w: its name in place of the default.
func (l WindowLength) ID(deployment string, w Window) string {
	return deployment + strings.TrimPrefix(l.Name(w), DefaultName)
}

// Parse reads what ID has made. It is an error if the id is of another deployment or
// length, or of a time at which no window starts.
func (l WindowLength) Parse(deployment, id string) (Window, error) {
	rest, found := strings.CutPrefix(id, deployment+"_")
	start, err := time.Parse(nameLayout, DefaultName+"_"+strings.TrimSuffix(rest, l.suffix()))
	if w := l.At(start); found && err == nil && l.ID(deployment, w) == id {
		return w, nil
	}
	return 0, fmt.Errorf("%w: %q is no window of %s of %v", ErrBadWindow, id, deployment, time.Duration(l))
}

func (l WindowLength) suffix() string {
	if time.Duration(l) == time.Minute {
		return ""
	}
	return "_" + strconv.Itoa(int(time.Duration(l)/time.Second)) + "s"
}
