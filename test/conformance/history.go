package conformance

import (
	"math"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func historyCases() []testCase {
	return []testCase{
		{"visits are placed in the unit of the node's clock, with the count", keeping, func(f *fixture) {
			before := f.now()
			at := f.place(f.batch(f.visit("home", 2), f.visit("about", 1), f.visit("home", 3)))
			if at.Before(before.Truncate(time.Second)) || at.After(f.now()) || at.Nanosecond() != 0 {
				f.Errorf("visits are placed at %v, want a second since %v", at, before)
			}
			f.page("home", 5, counting.Bucket{Unit: hour(at), Visits: 5})
			f.page("about", 1, counting.Bucket{Unit: hour(at), Visits: 1})
			f.page("none", 0)
		}},
		{"each unit has its visits", keepingByClock, func(f *fixture) {
			f.elapse(0)
			first := f.place(f.batch(f.visit("home", 2)))
			f.elapse(time.Hour)
			second := f.place(f.batch(f.visit("home", 3)))
			f.elapse(-time.Hour)
			equal(f, "time of visits when the clock has stepped back", f.place(f.batch(f.visit("home", 4))), first)
			f.page("home", 9, counting.Bucket{Unit: hour(first), Visits: 6}, counting.Bucket{Unit: hour(second), Visits: 3})
		}},
		{"a duplicate is not placed, and has the first time", keepingByClock, func(f *fixture) {
			b := f.batch(f.visit("home", 2))
			at := f.place(b)
			f.elapse(2 * time.Hour)
			for range 2 {
				got := check.Value(f.node.Apply(f.Context(), b))(f)
				equal(f, "duplicate", got.Duplicate, true)
				equal(f, "time of a duplicate", got.At, at)
			}
			f.page("home", 2, counting.Bucket{Unit: hour(at), Visits: 2})
		}},
		{"a repetition is placed by its time, whatever the clocks say", keepingByClock, func(f *fixture) {
			first := f.now().UTC().Truncate(time.Second)
			f.elapse(3 * time.Hour)
			b := f.batch(f.visit("home", 2))
			b.At, b.Repeated, b.Clock = first, true, f.off(time.Hour)
			equal(f, "time of a repetition", f.place(b), first)
			got := check.Value(f.node.Apply(f.Context(), b))(f)
			equal(f, "time of its duplicate", got.At, first)
			f.page("home", 2, counting.Bucket{Unit: hour(first), Visits: 2})
		}},
		{"a repetition of a time before history began is not placed", keeping, func(f *fixture) {
			b := f.batch(f.visit("home", 2))
			b.At, b.Repeated = f.now().Add(-25*time.Hour), true
			equal(f, "placed", f.place(b).IsZero(), true)
			f.page("home", 2)
		}},
		{"visits count and are not placed if the clocks disagree", keeping, func(f *fixture) {
			for _, d := range []time.Duration{time.Hour, -time.Hour} {
				b := f.batch(f.visit("home", 2))
				b.Clock = f.off(d)
				for range 2 {
					equal(f, "placed", f.place(b).IsZero(), true)
				}
			}
			f.page("home", 4)
			b := f.batch(f.visit("home", 1))
			b.Clock = f.off(time.Second)
			at := f.place(b)
			f.page("home", 5, counting.Bucket{Unit: hour(at), Visits: 1})
		}},
		{"a keyed item is placed once", keepingByClock, func(f *fixture) {
			at := f.place(f.keyBatch(f.keyed("a", "home", 2), f.keyed("b", "home", 3), f.keyed("request", "home", 0)))
			f.elapse(time.Hour)
			f.place(f.keyBatch(f.keyed("a", "home", 2), f.keyed("b", "home", 3), f.keyed("request", "home", 0)))
			f.page("home", 5, counting.Bucket{Unit: hour(at), Visits: 5})
		}},
		{"an item that is refused is not placed", keeping, func(f *fixture) {
			f.apply(f.setBatch(f.setCount("full", math.MaxInt64)))
			b := f.keyBatch(f.keyed("a", "full", 1))
			b.Visits = []counting.Visit{f.visit("full", 1), f.visit("home", 1)}
			at := f.place(b)
			f.page("full", math.MaxInt64)
			f.page("home", 1, counting.Bucket{Unit: hour(at), Visits: 1})
		}},
		{"a page that is set or deleted starts again", keepingByClock, func(f *fixture) {
			for _, page := range []counting.Page{"set", "deleted", "set after delete", "other"} {
				for range 3 { // in packed, closed and open buckets
					f.place(f.batch(f.visit(page, 5)))
					f.elapse(3 * time.Hour)
					f.compact(AnyTime())
				}
			}
			f.place(f.batch(f.visit("set", 5), f.visit("deleted", 5), f.visit("set after delete", 5)))
			b := f.setBatch(f.setCount("set", 40), f.deleteCount("deleted"), f.deleteCount("set after delete"))
			b.Visits = []counting.Visit{f.visit("set", 1), f.visit("deleted", 1)}
			f.place(b)
			f.place(f.setBatch(f.setCount("set after delete", 7)))
			f.page("set", 40)
			f.page("deleted", 0)
			f.page("set after delete", 7)
			at := f.place(f.batch(f.visit("set", 2), f.visit("deleted", 2), f.visit("set after delete", 2)))
			f.page("set", 42, counting.Bucket{Unit: hour(at), Visits: 2})
			f.page("deleted", 2, counting.Bucket{Unit: hour(at), Visits: 2})
			f.page("set after delete", 9, counting.Bucket{Unit: hour(at), Visits: 2})
			f.elapse(3 * time.Hour)
			f.compact(AnyTime())
			f.page("set", 42, counting.Bucket{Unit: hour(at), Visits: 2})
			equal(f, "buckets of another page", len(f.bucketsOf(f.at("other"))), 3)
		}},
		{"a page that was set begins with that, for as long as days are kept", keepingByClock, func(f *fixture) {
			f.place(f.batch(f.visit("home", 5)))
			f.elapse(5 * time.Hour)
			set := hour(f.now()).Start()
			f.place(f.setBatch(f.setCount("home", 40)))
			f.place(f.batch(f.visit("home", 1)))
			for range hours().Days - 1 {
				f.elapse(day)
				f.compact(AnyTime())
				h := check.Value(f.histories().ReadHistory(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, f.at("home")))(f)
				equal(f, "begin of the history of the page", h.Since().UTC(), set)
				equal(f, "visits", h.Visits, 41)
				sum := int64(0)
				for _, b := range check.Value(h.Buckets())(f) {
					sum += b.Visits
				}
				equal(f, "visits in buckets", sum, 1)
			}
		}},
		{"a repetition begins the page that it sets at its time, whatever the clocks say", keepingByClock, func(f *fixture) {
			f.place(f.batch(f.visit("home", 5)))
			first := f.now().UTC().Truncate(time.Second)
			for range 2 { // in packed and open buckets of later units
				f.elapse(3 * time.Hour)
				f.place(f.batch(f.visit("home", 3), f.visit("about", 3)))
				f.compact(AnyTime())
			}
			f.elapse(3 * time.Hour)
			repeat := func(at time.Time, b *counting.Batch) {
				b.At, b.Repeated, b.Clock = at, true, f.off(time.Hour)
				f.place(b)
			}
			repeat(first, f.setBatch(f.setCount("home", 40)))
			f.page("home", 40)
			repeat(first, f.batch(f.visit("home", 2)))
			f.page("home", 42, counting.Bucket{Unit: hour(first), Visits: 2})
			equal(f, "begin of the history of the page", f.read("home").Since(), hour(first).Start())

			repeat(counting.Unplaced(), f.setBatch(f.setCount("about", 7)))
			f.page("about", 7)
			equal(f, "begin of the history of a page that was not placed", f.read("about").Since(), hour(f.now()).Start())
		}},
		{"corrupt buckets of a page are refused alone, and can be set", keepingByClock, func(f *fixture) {
			f.needs(f.CorruptHistory != nil, "nothing can be planted under a history")
			at := f.place(f.batch(f.visit("bad", 2), f.visit("home", 2)))
			f.CorruptHistory(f.T, f.node, f.at("bad"))
			f.elapse(3 * time.Hour)
			f.compact(AnyTime())
			h := check.Value(f.histories().ReadHistory(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, f.at("bad")))(f)
			if h.Err == nil {
				_, h.Err = h.Buckets()
			}
			mustBe(f, h.Err, counting.Corrupt)
			f.apply(f.batch(f.visit("bad", 1)))
			f.visits("bad", 3)
			f.page("home", 2, counting.Bucket{Unit: hour(at), Visits: 2})
			f.apply(f.setBatch(f.setCount("bad", 9)))
			f.page("bad", 9)
		}},
		{"the count of a history that is none is corrupt", keeping, func(f *fixture) {
			f.corruptPage(f.at("bad"))
			h := check.Value(f.histories().ReadHistory(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, f.at("bad")))(f)
			mustBe(f, h.Err, counting.Corrupt)
		}},
		{"history is read by the open ring", keeping, func(f *fixture) {
			read := func(epoch counting.Epoch) error {
				return check.Err(f.histories().ReadHistory(f.Context(), counting.Expected{Epoch: epoch}, f.at("home")))
			}
			mustBe(f, read(0), counting.ErrStale)
			mustBe(f, read(2), counting.ErrAhead)
		}},
		{"history survives a restart", keepingByClock, func(f *fixture) {
			old := f.place(f.batch(f.visit("home", 2)))
			f.elapse(3 * time.Hour)
			f.compact(AnyTime())
			last := f.batch(f.visit("home", 3))
			at := f.place(last)
			state := f.state()
			f.reopen()
			equal(f, "time of a duplicate", f.place(last), at)
			equal(f, "what is kept", f.state(), state)
			f.page("home", 5, counting.Bucket{Unit: hour(old), Visits: 2}, counting.Bucket{Unit: hour(at), Visits: 3})
		}},
	}
}

// hours is the setting of the cases.
func hours() counting.HistorySetting {
	return counting.HistorySetting{Unit: time.Hour, SmallDays: 3, Days: 6}
}

func hour(at time.Time) counting.Unit { return hours().UnitAt(at) }

// keeping gives a case a node that is all of a ring of epoch 1 and keeps hours.
func keeping(f *fixture) {
	f.needsHistory()
	f.open()
	f.keepHistory()
}

// keepingByClock is as keeping, for a case that moves the clock.
func keepingByClock(f *fixture) {
	f.needsClock()
	keeping(f)
}

func (f *fixture) needsHistory() {
	f.Helper()
	_, ok := f.Open(f.T).(counting.Histories)
	f.needs(ok, "it keeps no history")
}

func (f *fixture) histories() counting.Histories { return f.node.(counting.Histories) }

// keepHistory begins the history of hours, a day ago.
func (f *fixture) keepHistory() {
	f.Helper()
	since := f.now().Add(-day).Truncate(time.Second)
	got := check.Value(f.histories().KeepHistory(f.Context(), hours(), since, false, AnyTime()))(f)
	equal(f, "what is kept", utc(got), counting.HistoryState{Setting: hours(), Since: since.UTC()})
}

// state is what the node keeps.
func (f *fixture) state() counting.HistoryState {
	f.Helper()
	return utc(check.Value(f.histories().KeepHistory(f.Context(), counting.HistorySetting{}, time.Time{}, false, AnyTime()))(f))
}

func utc(s counting.HistoryState) counting.HistoryState {
	s.Since, s.Floor = s.Since.UTC(), s.Floor.UTC()
	return s
}

// now is the node's time.
func (f *fixture) now() time.Time {
	f.Helper()
	return check.Value(f.node.Heartbeat(f.Context(), counting.Clock{}))(f).Now
}

// place sends a batch and returns when its visits were placed.
func (f *fixture) place(b *counting.Batch) time.Time {
	f.Helper()
	at := check.Value(f.node.Apply(f.Context(), b))(f).At
	if at.IsZero() {
		return time.Time{}
	}
	return at.UTC()
}

// page checks the count of a page and its buckets.
func (f *fixture) page(page counting.Page, visits int64, want ...counting.Bucket) {
	f.Helper()
	f.pageAt(f.at(page), counting.Part{Visits: visits, Closed: true}, want...)
}

func (f *fixture) pageAt(at counting.Located, part counting.Part, want ...counting.Bucket) {
	f.Helper()
	h := check.Value(f.histories().ReadHistory(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, at))(f)
	equal(f, "part of "+string(at.Page), h.Part, part)
	equalSlices(f, "buckets of "+string(at.Page), check.Value(h.Buckets())(f), want)
}

func (f *fixture) bucketsOf(at counting.Located) []counting.Bucket {
	f.Helper()
	h := check.Value(f.histories().ReadHistory(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, at))(f)
	check.Must(f, h.Err)
	return check.Value(h.Buckets())(f)
}
