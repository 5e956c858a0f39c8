package counting

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxSpans bounds the spans of SealedWindows, and so what a node reads with every
	// id.
	maxSpans = 32
	// noWindow is below every window. It is a whole number in Lua as well.
	noWindow Window = -1 << 53
)

// SealedWindows are the windows of a node that take no ids any more. They are marked one
// by one: what a clock has sealed that was ahead for a while closes no window in between.
// The zero value has none. Values are immutable, so they may be shared.
type SealedWindows struct {
	// spans are disjoint, not adjacent, and in ascending order.
	spans []span
}

// span is the windows from first to last, inclusive.
type span struct{ first, last Window }

// at is the index of the first span that ends at w or later.
func (s SealedWindows) at(w Window) int {
	i, _ := slices.BinarySearchFunc(s.spans, w, func(x span, w Window) int { return cmp.Compare(x.last, w) })
	return i
}

// Has tells whether w is sealed.
func (s SealedWindows) Has(w Window) bool {
	i := s.at(w)
	return i < len(s.spans) && s.spans[i].first <= w
}

// Open is the first window from w on that is not sealed: the one to which a node adds an
// id when its clock says w (design: windows, "invariants").
func (s SealedWindows) Open(w Window) Window {
	if i := s.at(w); i < len(s.spans) && s.spans[i].first <= w {
		return s.spans[i].last + 1
	}
	return w
}

// Seal returns the windows with w. If they are more than 32 spans, the two lowest are
// joined, which seals the windows between them: they are the oldest, and an id that finds
// its window sealed goes to a later one.
func (s SealedWindows) Seal(w Window) SealedWindows { return s.with(span{w, w}) }

func (s SealedWindows) with(x span) SealedWindows {
	if s.Has(x.last) && s.Open(x.first) > x.last {
		return s
	}
	var spans []span
	for _, other := range s.spans {
		if other.last+1 < x.first || other.first > x.last+1 {
			spans = append(spans, other)
			continue
		}
		x = span{min(x.first, other.first), max(x.last, other.last)}
	}
	i, _ := slices.BinarySearchFunc(spans, x, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	spans = slices.Insert(spans, i, x)
	if len(spans) > maxSpans {
		spans[1].first = spans[0].first
		spans = spans[1:]
	}
	return SealedWindows{spans}
}

// Encode returns the two stored forms. upTo is what versions without marks read: they add
// ids to no window up to it. It is the end of the highest span that begins at the present
// window or before. That is right until the clock has come to the next span. marks is upTo
// and the spans, such as "205 100..105 200..205".
func (s SealedWindows) Encode(present Window) (upTo Window, marks string) {
	upTo = noWindow
	var b strings.Builder
	for _, x := range s.spans {
		if x.first <= present+1 {
			upTo = x.last
		}
		fmt.Fprintf(&b, " %d..%d", x.first, x.last)
	}
	return upTo, strconv.FormatInt(int64(upTo), 10) + b.String()
}

// DecodeSealed reads the stored forms, each of which may be missing: known says whether
// upTo is there. If upTo is not the one of the marks, a version without marks has sealed
// all windows up to it. The error is Corrupt.
func DecodeSealed(upTo Window, known bool, marks string) (s SealedWindows, err error) {
	broken := func() (SealedWindows, error) {
		return SealedWindows{}, fmt.Errorf("%w: the sealed windows are %q", Corrupt, marks)
	}
	fields := strings.Fields(marks)
	of := noWindow
	for i, field := range fields {
		if i == 0 {
			if of, err = parseWindow(field); err != nil {
				return broken()
			}
			continue
		}
		first, last, ok := strings.Cut(field, "..")
		x := span{}
		if x.first, err = parseWindow(first); err != nil || !ok {
			return broken()
		}
		if x.last, err = parseWindow(last); err != nil || x.first > x.last {
			return broken()
		}
		s = s.with(x)
	}
	if known && (len(fields) == 0 || of != upTo) {
		s = s.with(span{noWindow, upTo})
	}
	return s, nil
}

func parseWindow(text string) (Window, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return Window(n), err
}
