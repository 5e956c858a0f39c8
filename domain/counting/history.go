package counting

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HistorySetting says which buckets a store keeps. The zero setting keeps none.
type HistorySetting struct {
	// Unit is the length of the small buckets: 15 minutes or an hour.
	Unit time.Duration
	// SmallDays is for how many whole UTC days they are kept, and Days for how many the
	// sums of whole UTC days are, in all.
	SmallDays, Days int
}

// The bounds of a setting.
const (
	// maxDays keeps a page's history within one value.
	maxDays = 4000
	// maxSmall bounds the small buckets of a page.
	maxSmall = 10_000
)

// ParseHistory reads a setting: off, or the small buckets and the days, each with for how
// long they are kept, such as 1h:32d,1d:400d. The days may be missing.
func ParseHistory(s string) (h HistorySetting, err error) {
	if s == "off" {
		return HistorySetting{}, nil
	}
	bad := func(why string) (HistorySetting, error) {
		return HistorySetting{}, fmt.Errorf("history %q: %s, want off or such as 1h:32d,1d:400d", s, why)
	}
	small, whole, both := strings.Cut(s, ",")
	unit, kept, _ := strings.Cut(small, ":")
	switch unit {
	case "15m":
		h.Unit = 15 * time.Minute
	case "1h":
		h.Unit = time.Hour
	default:
		return bad("the unit is neither 15m nor 1h")
	}
	if h.SmallDays, err = parseDays(kept); err != nil {
		return bad(err.Error())
	}
	h.Days = h.SmallDays
	if unit, kept, _ := strings.Cut(whole, ":"); both {
		if unit != "1d" {
			return bad("the second unit is not 1d")
		}
		if h.Days, err = parseDays(kept); err != nil {
			return bad(err.Error())
		}
	}
	switch {
	case h.Days < h.SmallDays:
		return bad("days are kept for a shorter time than small buckets")
	case h.SmallDays*int(24*time.Hour/h.Unit) > maxSmall:
		return bad(fmt.Sprintf("it keeps more than %d small buckets of a page", maxSmall))
	}
	return h, nil
}

func parseDays(s string) (int, error) {
	n, isDays := strings.CutSuffix(s, "d")
	days, err := strconv.ParseUint(n, 10, 16)
	if !isDays || err != nil || days < 2 || days > maxDays {
		return 0, fmt.Errorf("%q is not 2d to %dd", s, maxDays)
	}
	return int(days), nil
}

// String is the setting as ParseHistory reads it.
func (h HistorySetting) String() string {
	if h.Unit == 0 {
		return "off"
	}
	unit := "1h"
	if h.Unit < time.Hour {
		unit = "15m"
	}
	return fmt.Sprintf("%s:%dd,1d:%dd", unit, h.SmallDays, h.Days)
}

// HistoryState is what a node keeps. Since is when it began, to the second; zero while it
// keeps none. Off says that it was turned off, and not only that it has not begun.
type HistoryState struct {
	Setting HistorySetting
	Since   time.Time
	Off     bool
	// Floor is zero until a page is restored (SetCount.History). From then on no page has buckets that ended
	// before it, to the second: restored ones may begin before Since.
	Floor time.Time
}

// IsSet tells whether a node has a setting: the configured ones do not matter to it.
func (s HistoryState) IsSet() bool { return s.Off || !s.Since.IsZero() }

// Oldest is when the oldest history that the node may have begins.
func (s HistoryState) Oldest() time.Time {
	if s.Floor.IsZero() {
		return s.Since
	}
	return s.Floor
}

// CanDrop tells whether DropHistory finds something at a time: the unit of that time stays.
func (s HistoryState) CanDrop(now time.Time) bool {
	return !s.Since.IsZero() && s.Setting.UnitAt(now).Start().After(s.Oldest())
}

// from is when the history of a page begins. restored is when that begins which it was restored with, zero if it was not.
func (s HistoryState) from(restored time.Time) time.Time {
	switch {
	case restored.IsZero():
		return s.Since
	case restored.Before(s.Floor):
		return s.Floor
	}
	return restored
}

// FirstFloor is the Floor when the first page is restored at some time: the beginning of the oldest day that is kept.
func (s HistoryState) FirstFloor(now time.Time) time.Time {
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -s.Setting.Days)
}

// Changed is the state after the setting is changed at some time. What the setting before did not keep by then is dropped,
// however long the next one keeps days: so the history begins after it.
func (s HistoryState) Changed(to HistorySetting, now time.Time) HistoryState {
	if to.Days > s.Setting.Days {
		oldest := s.FirstFloor(now)
		s.Since = later(s.Since, oldest)
		if !s.Floor.IsZero() {
			s.Floor = later(s.Floor, oldest)
		}
	}
	s.Setting = to
	return s
}

// PageHistory is what one node has of a page, at one moment.
type PageHistory struct {
	// Part has the count. Of a node that is not the source of a moving arc, Stage is Live. Err is Corrupt
	// or Missing.
	Part
	// History has the buckets: of the frozen arc where Stage is Frozen. It may have some that
	// ended before the history of the page begins.
	History Packed
	State   HistoryState
}

// Kept are the buckets of the History that do not end before the history of the page begins, in the order of
// their starts (Packed.Buckets), and when it begins: with that of the node, with that which the page was restored
// with, or at the start of the unit in which it was given a count.
func (h PageHistory) Kept() (buckets []Bucket, since time.Time, err error) {
	p, err := h.History.parse()
	from := h.State.from(p.restored)
	buckets = slices.DeleteFunc(p.sums(), func(b Bucket) bool { return !b.Unit.End().After(from) })
	return buckets, later(from, p.begin()), err
}

// Buckets are the first part of Kept.
func (h PageHistory) Buckets() ([]Bucket, error) {
	buckets, _, err := h.Kept()
	return buckets, err
}

// Since is the second part of Kept.
func (h PageHistory) Since() time.Time {
	_, since, _ := h.Kept()
	return since
}

// HistoryList are pages with their histories. Those of one page are of one moment.
type HistoryList struct {
	// Pages have the count -1 where that is Corrupt.
	Pages []Visit
	// Histories are those of the pages, in their order, as in a PageHistory. One that can't be read
	// is no packed history.
	Histories []Packed
	State     HistoryState
}

// Keep is the list without the pages that are not to be kept. It uses the memory of the list.
func (l HistoryList) Keep(keep func(Visit) bool) HistoryList {
	kept := HistoryList{Pages: l.Pages[:0], Histories: l.Histories[:0], State: l.State}
	for i, p := range l.Pages {
		if keep(p) {
			kept.Pages, kept.Histories = append(kept.Pages, p), append(kept.Histories, l.Histories[i])
		}
	}
	return kept
}

// Of is the history of a page of the list.
func (l HistoryList) Of(i int) PageHistory {
	h := PageHistory{Part: Part{Visits: l.Pages[i].Count, Closed: true}, History: l.Histories[i], State: l.State}
	if h.Visits < 0 {
		h.Visits, h.Err = 0, Corrupt
	}
	return h
}

// Histories is the part of a node that keeps when its visits came (design: history). Its
// methods are safe for concurrent use, may be repeated, and end when their context does.
// Errors are those of Counts, and what is said here.
type Histories interface {
	// KeepHistory begins the history of a node that has no setting, unless an instance of a version
	// without history has sent it a batch within the last 10 minutes, or the clocks
	// disagree. Since is then since, or the node's time if that is zero. The zero setting begins nothing. It returns
	// what the node keeps now. A Movable that is fenced for its first ring, and has not opened it, begins as well: so
	// it places all its visits.
	//
	// If change is true, it changes the setting of any node. To the zero setting: the buckets are forgotten, if not
	// immediately, then by Compact, and
	// nothing begins before another change. That is stored so that versions without history read the store. From
	// it: a history begins, where it can. To one that keeps days for longer: the history begins with the oldest day that
	// was kept, or later; if the clocks disagree, nothing changes.
	KeepHistory(ctx context.Context, h HistorySetting, since time.Time, change bool, c Clock) (HistoryState, error)

	// ReadHistory returns the count and the buckets of a page. What is expected is checked as by
	// Counts.Read.
	ReadHistory(ctx context.Context, e Expected, page Located) (PageHistory, error)

	// ListHistories is Counts.List with the histories of the pages, by which a caller learns the visits of a
	// time. It returns fewer pages at a time than List. Its cursors are its own.
	ListHistories(ctx context.Context, e Expected, cursor string) (l HistoryList, next string, err error)

	// Compact packs closed buckets, adds old ones up and drops expired ones, in a part of
	// the store, from cursor on, which is empty at first; next is empty after the last
	// part. Of a history that was turned off it deletes what is left. It does nothing if the clocks disagree. A call takes a few milliseconds, and reads and
	// deletes 1,000 keys at most. A page whose buckets are Corrupt is left as it is.
	Compact(ctx context.Context, c Clock, cursor string) (next string, err error)

	// DropHistory forgets the oldest buckets, as a node needs it that is full. With an empty cursor it moves
	// State.Since on to the start of a later unit, unless that is the current one: to the middle of the time
	// that the node has kept, or less. Of a node with a State.Floor that is moved on so, and Since only if it is
	// before it. Then it deletes what ended before that, in a part of the store. Cursor and
	// next are those of Compact. It does nothing if the clocks disagree. It needs little room or
	// none: what finds too little is ErrNoRoom.
	DropHistory(ctx context.Context, c Clock, cursor string) (next string, err error)
}
