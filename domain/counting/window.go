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

// nameLayout is a window's name, but for the suffix, by its start in UTC.
const nameLayout = "footfall_20060102T150405Z"

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

// Name is the id under which w is published: footfall_20261122T100500Z. A suffix such
// as _2s gives the length in seconds, unless it is a minute.
func (l WindowLength) Name(w Window) string {
	return l.Start(w).Format(nameLayout) + l.suffix()
}

// Parse reads what Name has made. It is an error if the name is of another length, or
// of a time at which no window starts.
func (l WindowLength) Parse(name string) (Window, error) {
	start, err := time.Parse(nameLayout, strings.TrimSuffix(name, l.suffix()))
	if w := l.At(start); err == nil && l.Name(w) == name {
		return w, nil
	}
	return 0, fmt.Errorf("%w: %q is no window of %v", ErrBadWindow, name, time.Duration(l))
}

func (l WindowLength) suffix() string {
	if time.Duration(l) == time.Minute {
		return ""
	}
	return "_" + strconv.Itoa(int(time.Duration(l)/time.Second)) + "s"
}
