package counting

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Unit is the time that a bucket covers. Its first two bits of 24 are the kind, the others a
// number since 1970 (design: history). It is stored.
type Unit uint32

// The kinds of units.
const (
	quarters Unit = iota << kindBits
	hours
	days
	resets
)

const (
	kindBits  = 22
	numbers   = 1<<kindBits - 1
	kinds     = ^Unit(numbers)
	unitBytes = 3
	// maxExact is the greatest sum that every store can make.
	maxExact = 1 << 53
)

// UnitAt is the small bucket of a setting in which a time lies. The setting is not zero.
func (h HistorySetting) UnitAt(t time.Time) Unit {
	if h.Unit < time.Hour {
		return quarters | Unit(t.Unix()/900)
	}
	return hours | Unit(t.Unix()/3600)
}

// DayUnit is the bucket of the UTC day in which a time lies.
func DayUnit(t time.Time) Unit { return days | Unit(t.Unix()/86400) }

// ResetAt is the entry of a page that is set at some time: its entries of earlier units are
// ignored.
func ResetAt(u Unit) Unit { return resets | Unit(u.Start().Unix()/900) }

// Length is 0 for a reset.
func (u Unit) Length() time.Duration {
	switch u & kinds {
	case quarters:
		return 15 * time.Minute
	case hours:
		return time.Hour
	case days:
		return 24 * time.Hour
	}
	return 0
}

// Start is the first moment of a unit.
func (u Unit) Start() time.Time {
	seconds := int64(900)
	if l := u.Length(); l > 0 {
		seconds = int64(l / time.Second)
	}
	return time.Unix(int64(u&numbers)*seconds, 0).UTC()
}

// End is the first moment after a unit.
func (u Unit) End() time.Time { return u.Start().Add(u.Length()) }

// Bucket is a number of visits, at least 1.
type Bucket struct {
	Unit   Unit
	Visits int64
}

// Packed is a history in its stored form: a sequence of entries, in any order, of which several may
// be of one unit. The zero value is empty.
type Packed string

// Append adds buckets, or resets with any number of visits. It copies the history once.
func (p Packed) Append(buckets ...Bucket) Packed {
	out := append(make([]byte, 0, len(p)+8*len(buckets)), p...)
	for _, b := range buckets {
		out = append(out, byte(b.Unit>>16), byte(b.Unit>>8), byte(b.Unit), 0)
		if at := len(out); b.Unit&kinds != resets {
			out = strconv.AppendInt(out, b.Visits, 10)
			out[at-1] = byte(len(out) - at)
		}
	}
	return Packed(out)
}

// Restored is the history of a page that is set with its buckets, which follow: it has all visits of the page
// from some time on, to the second, also those before the history of its node began.
func Restored(since time.Time) Packed {
	head := Packed("").Append(Bucket{Unit: resets | Unit(since.Unix()/900)})
	digits := strconv.FormatInt(since.Unix(), 10)
	return head[:unitBytes] + Packed(byte(len(digits))) + Packed(digits)
}

// parsed is what is in a packed history.
type parsed struct {
	// buckets are those that count.
	buckets []Bucket
	// reset is the last one, zero if there is none.
	reset Unit
	// restored is the last time of Restored, zero if there is none.
	restored time.Time
}

func (p Packed) parse() (h parsed, err error) {
	for rest := string(p); rest != ""; {
		if len(rest) <= unitBytes || len(rest) <= unitBytes+int(rest[unitBytes]) {
			return parsed{}, fmt.Errorf("history of %d bytes: %w", len(p), Corrupt)
		}
		u, digits := Unit(rest[0])<<16|Unit(rest[1])<<8|Unit(rest[2]), rest[unitBytes+1:unitBytes+1+int(rest[unitBytes])]
		rest = rest[unitBytes+1+len(digits):]
		if u&kinds == resets && digits == "" {
			h.reset = max(h.reset, u)
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 1 {
			return parsed{}, fmt.Errorf("history with the number %q: %w", digits, Corrupt)
		}
		if u&kinds != resets {
			h.buckets = append(h.buckets, Bucket{u, n})
		} else if at := time.Unix(n, 0).UTC(); at.After(h.restored) {
			h.restored = at
		}
	}
	if h.reset != 0 {
		h.buckets = slices.DeleteFunc(h.buckets, func(b Bucket) bool { return h.reset.ignores(b.Unit) })
	}
	return h, nil
}

// ignores tells whether a unit is earlier than that of a reset. A day of which a part is later is not: it is the sum
// of small buckets that were not earlier.
func (u Unit) ignores(earlier Unit) bool {
	if earlier&kinds == days {
		return !earlier.End().After(u.Start())
	}
	return earlier.Start().Before(u.Start())
}

// Buckets are the buckets that count, in the order of their starts, those of one unit added up. Of a unit
// whose sum passes 2^63-1 it is that number. Corrupt: it is no packed history.
func (p Packed) Buckets() ([]Bucket, error) {
	h, err := p.parse()
	return h.sums(), err
}

// sums are the buckets as Packed.Buckets has them. It uses the memory of those.
func (h parsed) sums() []Bucket {
	all := h.buckets
	slices.SortFunc(all, func(a, b Bucket) int {
		return cmp.Or(a.Unit.Start().Compare(b.Unit.Start()), cmp.Compare(a.Unit, b.Unit))
	})
	sums := all[:0]
	for _, b := range all {
		if n := len(sums); n > 0 && sums[n-1].Unit == b.Unit {
			sums[n-1].Visits, _ = AddSaturated(sums[n-1].Visits, b.Visits)
			continue
		}
		sums = append(sums, b)
	}
	return sums
}

// begin is the start of the unit in which the page was given a count, after which the buckets that count begin; zero
// if it was not, or nothing before is kept.
func (h parsed) begin() time.Time {
	if h.reset == 0 {
		return time.Time{}
	}
	return h.reset.Start()
}

// Compact adds up the small buckets of the days for which a setting does not keep them at
// some time. It drops the days that it does not keep, and what ended before the history of the page began. What stands apart
// because its sum would pass 2^53 stays apart. A reset is dropped with its day, and a Restored when the history would
// begin with the oldest day without it. Corrupt: it is no packed history.
func (p Packed) Compact(s HistoryState, now time.Time) (Packed, error) {
	h, err := p.parse()
	if err != nil {
		return p, err
	}
	today := now.UTC().Truncate(24 * time.Hour)
	small, oldest := today.AddDate(0, 0, -s.Setting.SmallDays), today.AddDate(0, 0, -s.Setting.Days)
	var head Packed
	var sums, kept []Bucket
	if !h.restored.IsZero() && (h.restored.After(oldest) || s.Since.After(oldest)) {
		head = Restored(h.restored)
	}
	if h.reset != 0 && !DayUnit(h.reset.Start()).Start().Before(oldest) {
		sums = append(sums, Bucket{Unit: h.reset})
	}
	from := s.from(h.restored)
	of := make(map[Unit]int64)
	for _, b := range h.buckets {
		switch {
		case b.Unit.Start().Before(oldest), !b.Unit.End().After(from):
		case b.Unit.Start().Before(small):
			day := DayUnit(b.Unit.Start())
			if of[day] > 0 && of[day] > maxExact-b.Visits {
				sums = append(sums, Bucket{day, of[day]})
				of[day] = 0
			}
			of[day] += b.Visits
		default:
			kept = append(kept, b)
		}
	}
	for _, day := range slices.Sorted(maps.Keys(of)) {
		sums = append(sums, Bucket{day, of[day]})
	}
	return head.Append(sums...).Append(kept...), nil
}

// JoinHistory is Join for a page with its history. The source must have been read before the
// destination. A source that keeps no history has visits in no bucket, so that nothing is kept of its page before that
// is imported.
func JoinHistory(source, destination PageHistory) PageHistory {
	joined := destination
	t := Join(source.Part, destination.Part)
	joined.Part = Part{Visits: t.Visits, Err: t.Err, Closed: true}
	if !destination.Marked && !destination.Closed && source.Stage != Released {
		if source.State.Since.IsZero() {
			joined.State = source.State
			return joined
		}
		joined.History = source.History + destination.History
		joined.State.Since = later(source.State.Since, joined.State.Since)
		joined.State.Floor = later(source.State.Floor, joined.State.Floor)
	}
	return joined
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
