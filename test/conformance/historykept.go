package conformance

import (
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func keepHistoryCases() []testCase {
	return []testCase{
		{"a node that keeps no history places nothing", unkept, func(f *fixture) {
			b := f.batch(f.visit("home", 2))
			for range 2 {
				equal(f, "placed", f.place(b).IsZero(), true)
			}
			b = f.batch(f.visit("home", 1))
			b.At, b.Repeated = f.now(), true
			equal(f, "placed by its time", f.place(b).IsZero(), true)
			f.page("home", 3)
			f.compact(AnyTime())
			f.drop(AnyTime())
			equal(f, "what is kept", f.state(), counting.HistoryState{})
		}},
		{"history begins, and visits before it are in the count alone", unkept, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 2)))
			before := f.now().Truncate(time.Second)
			began := f.keep(hours(), time.Time{}, false)
			if began.Setting != hours() || began.Since.Before(before) || began.Since.After(f.now().Add(time.Second)) || began.Since.Nanosecond() != 0 {
				f.Fatalf("it keeps %+v, want it to begin at %v", began, before)
			}
			at := f.place(f.batch(f.visit("home", 3)))
			f.page("home", 5, counting.Bucket{Unit: hour(at), Visits: 3})
			equal(f, "what is kept", f.state(), began)
		}},
		{"history that has begun stays as it is until it is changed", keeping, func(f *fixture) {
			state := f.state()
			quarters := counting.HistorySetting{Unit: 15 * time.Minute, SmallDays: 5, Days: 9}
			at := f.place(f.batch(f.visit("home", 1)))
			equal(f, "what is kept", f.keep(quarters, f.now(), false), state)
			f.page("home", 1, counting.Bucket{Unit: hour(at), Visits: 1})
			equal(f, "what is kept after a change", f.keep(quarters, f.now(), true), counting.HistoryState{Setting: quarters, Since: state.Since})
			later := f.place(f.batch(f.visit("home", 2)))
			want := []counting.Bucket{{Unit: hour(at), Visits: 1}, {Unit: quarters.UnitAt(later), Visits: 2}}
			got := f.bucketsOf(f.at("home"))
			if len(got) == 2 && got[0].Unit == want[1].Unit { // its quarter begins with the hour, and is before it
				got[0], got[1] = got[1], got[0]
			}
			equalSlices(f, "buckets", got, want)
		}},
		{"a longer history begins with the oldest day that was kept", keepingByClock, func(f *fixture) {
			since, buckets := f.saved(5, 30)
			f.apply(f.setBatch(f.restored("restored", 5, since, buckets...)))
			f.place(f.batch(f.visit("home", 1)))
			f.elapse(9 * day)
			at := f.place(f.batch(f.visit("home", 2)))
			f.compact(AnyTime())
			state, longer := f.state(), hours()
			longer.Days = 20
			got := check.Value(f.histories().KeepHistory(f.Context(), longer, time.Time{}, true, f.off(time.Hour)))(f)
			equal(f, "what is kept if the clocks disagree", utc(got), state)

			oldest := f.now().UTC().Truncate(day).AddDate(0, 0, -hours().Days)
			want := counting.HistoryState{Setting: longer, Since: oldest, Floor: oldest}
			equal(f, "what is kept for longer", f.keep(longer, time.Time{}, true), want)
			f.page("home", 3, counting.Bucket{Unit: hour(at), Visits: 2})
			f.page("restored", 5)
			equal(f, "begin of the history of a page", f.read("home").Since(), oldest)
			equal(f, "begin of the history of a restored page", f.read("restored").Since(), oldest)
			f.elapse(day)
			quarters := counting.HistorySetting{Unit: 15 * time.Minute, SmallDays: 10, Days: 20}
			want.Setting = quarters
			equal(f, "what is kept with other small buckets", f.keep(quarters, time.Time{}, true), want)
			want.Setting = hours()
			equal(f, "what is kept for a shorter time", f.keep(hours(), time.Time{}, true), want)
		}},
		{"history that is turned off is forgotten", keeping, func(f *fixture) {
			last := f.batch(f.visit("home", 1))
			f.place(last)
			for range 2 {
				equal(f, "what is kept", f.keep(counting.HistorySetting{}, time.Time{}, true), turnedOff())
			}
			f.duplicate(last)
			equal(f, "placed", f.place(f.batch(f.visit("home", 1))).IsZero(), true)
			f.page("home", 2)
			f.keep(hours(), f.now().Add(-day), true)
			f.page("home", 2)
			at := f.place(f.batch(f.visit("home", 1)))
			f.page("home", 3, counting.Bucket{Unit: hour(at), Visits: 1})
		}},
		{"history that was turned off begins by a change alone", unkept, func(f *fixture) {
			equal(f, "what is kept", f.keep(counting.HistorySetting{}, time.Time{}, false), counting.HistoryState{})
			equal(f, "what is kept without a setting", f.keep(counting.HistorySetting{}, time.Time{}, true), turnedOff())
			f.staysOff()
			equal(f, "setting after a change", f.keep(hours(), time.Time{}, true).Setting, hours())
			f.place(f.batch(f.visit("home", 1)))
			equal(f, "what is kept after another", f.keep(counting.HistorySetting{}, time.Time{}, true), turnedOff())
			f.staysOff()
			since := f.now().Truncate(time.Second)
			equal(f, "what is kept at last", f.keep(hours(), since, true), counting.HistoryState{Setting: hours(), Since: since.UTC()})
			at := f.place(f.batch(f.visit("home", 1)))
			f.page("home", 4, counting.Bucket{Unit: hour(at), Visits: 1})
		}},
		{"history that was turned off is off after a restart", keeping, func(f *fixture) {
			f.keep(counting.HistorySetting{}, time.Time{}, true)
			f.reopen()
			f.staysOff()
		}},
		{"history is turned off whatever the clocks say, and begins only if they agree", keeping, func(f *fixture) {
			keep := func(h counting.HistorySetting) counting.HistoryState {
				return check.Value(f.histories().KeepHistory(f.Context(), h, time.Time{}, true, f.off(time.Hour)))(f)
			}
			equal(f, "what is kept", keep(counting.HistorySetting{}), turnedOff())
			equal(f, "what begins", keep(hours()), turnedOff())
		}},
		{"a node that is turned off before its first ring is off in it", unopened, func(f *fixture) {
			r := f.firstRing("first", f.member())
			f.fence(r)
			equal(f, "what is kept", f.keep(counting.HistorySetting{}, time.Time{}, true), turnedOff())
			f.openRing(r)
			f.staysOff()
		}},
		{"history begins on a node that is fenced for its first ring", unopened, func(f *fixture) {
			r := f.firstRing("first", f.member())
			f.fence(r)
			since := f.now().Add(-day).Truncate(time.Second)
			equal(f, "what is kept", f.keep(hours(), since, false), counting.HistoryState{Setting: hours(), Since: since.UTC()})
			f.openRing(r)
			at := f.place(f.batch(f.visit("home", 2)))
			f.page("home", 2, counting.Bucket{Unit: hour(at), Visits: 2})
		}},
		{"history does not begin if the clocks disagree", unkept, func(f *fixture) {
			got := check.Value(f.histories().KeepHistory(f.Context(), hours(), time.Time{}, false, f.off(time.Hour)))(f)
			equal(f, "what is kept", got, counting.HistoryState{})
			equal(f, "placed", f.place(f.batch(f.visit("home", 1))).IsZero(), true)
		}},
		{"histories that are begun concurrently are one", unkept, func(f *fixture) {
			times := make([]counting.HistoryState, 8)
			since := f.now().Truncate(time.Second)
			f.oneWins(func(i int) bool {
				got, err := f.histories().KeepHistory(f.Context(), hours(), since.Add(-time.Duration(i)*time.Minute), false, AnyTime())
				if err != nil {
					f.Error(err)
				}
				times[i] = utc(got)
				return times[i].Since.Equal(since.Add(-time.Duration(i) * time.Minute))
			})
			for _, got := range times {
				equal(f, "what is kept", got, f.state())
			}
		}},
	}
}

// unkept gives a case a node that is all of a ring of epoch 1 and keeps no history.
func unkept(f *fixture) {
	f.needsHistory()
	f.open()
}

// unopened gives a case a node without a ring, which a ring can add.
func unopened(f *fixture) {
	f.needsHistory()
	f.needs(f.Immovable == "", f.Immovable)
	f.empty()
}

func turnedOff() counting.HistoryState { return counting.HistoryState{Off: true} }

// staysOff tells that nothing but a change begins the history, and places no visit.
func (f *fixture) staysOff() {
	f.Helper()
	equal(f, "what is kept when it is off", f.keep(hours(), f.now(), false), turnedOff())
	equal(f, "placed when it is off", f.place(f.batch(f.visit("home", 1))).IsZero(), true)
	f.compact(AnyTime())
	f.drop(AnyTime())
	equal(f, "what is kept when it is off", f.state(), turnedOff())
}

func (f *fixture) keep(h counting.HistorySetting, since time.Time, change bool) counting.HistoryState {
	f.Helper()
	return utc(check.Value(f.histories().KeepHistory(f.Context(), h, since, change, AnyTime()))(f))
}
