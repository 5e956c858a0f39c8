package conformance

import (
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func restoreCases() []testCase {
	return []testCase{
		{"a page is set with buckets, also of the time before the history of the node", keeping, func(f *fixture) {
			since, buckets := f.saved(3, 30, 60)
			f.apply(f.setBatch(f.restored("home", 100, since, buckets...), f.setCount("about", 5)))
			f.restoredPage("home", 100, since, buckets...)
			f.page("about", 5)
			at := f.place(f.batch(f.visit("home", 2), f.visit("about", 1)))
			buckets = append(buckets, counting.Bucket{Unit: hour(at), Visits: 2})
			f.restoredPage("home", 102, since, buckets...)
			f.page("about", 6, counting.Bucket{Unit: hour(at), Visits: 1})
			equal(f, "begin of the history of another page", f.read("about").Since().After(since), true)
			equal(f, "floor", f.state().Floor, f.state().FirstFloor(f.now()))
			equal(f, "begin of the history of the node", f.state().Since.After(since), true)
		}},
		{"no other bucket of a page that is set with buckets is left", keepingByClock, func(f *fixture) {
			for range 3 { // in packed, closed and open buckets
				f.place(f.batch(f.visit("home", 5), f.visit("other", 5)))
				f.elapse(3 * time.Hour)
				f.compact(AnyTime())
			}
			for range 3 {
				f.place(f.batch(f.visit("home", 5)))
				f.elapse(time.Hour)
			}
			other := f.bucketsOf(f.at("other"))
			since, buckets := f.saved(2, 1, 4)
			for range 2 {
				f.place(f.batch(f.visit("home", 5)))
				b := f.setBatch(f.restored("home", 20, since, buckets...))
				b.Visits = []counting.Visit{f.visit("home", 1)}
				f.place(b)
				f.restoredPage("home", 20, since, buckets...)
				f.elapse(3 * time.Hour)
				f.compact(AnyTime())
				f.restoredPage("home", 20, since, buckets...)
			}
			equalSlices(f, "buckets of another page", f.bucketsOf(f.at("other")), other)
			f.apply(f.setBatch(f.setCount("home", 3)))
			f.page("home", 3)
			f.elapse(3 * time.Hour)
			f.compact(AnyTime())
			f.page("home", 3)
			equal(f, "begin of the history of a page that was set again", f.read("home").Since().After(since), true)
		}},
		{"a duplicate restores nothing", keeping, func(f *fixture) {
			since, buckets := f.saved(1, 3)
			b := f.setBatch(f.restored("home", 2, since, buckets...))
			f.apply(b)
			at := f.place(f.batch(f.visit("home", 1)))
			f.duplicate(b)
			f.restoredPage("home", 3, since, append(buckets, counting.Bucket{Unit: hour(at), Visits: 1})...)
		}},
		{"a node that keeps no history refuses a page with buckets", unkept, func(f *fixture) {
			since, buckets := f.saved(1, 3)
			f.apply(f.setBatch(f.setCount("home", 1)))
			f.apply(f.setBatch(f.restored("home", 2, since, buckets...), f.setCount("about", 5)), refusal(0, counting.NoHistory))
			f.visits("home", 1)
			f.visits("about", 5)
		}},
		{"restored buckets are added up and expire as others do", keepingByClock, func(f *fixture) {
			f.elapse(f.now().UTC().Truncate(day).Add(day + 12*time.Hour).Sub(f.now()))
			today := f.now().UTC().Truncate(day)
			since := f.state().FirstFloor(today)
			var buckets []counting.Bucket
			for d := range 7 {
				for _, h := range []int{3, 4} {
					buckets = append(buckets, counting.Bucket{Unit: hour(today.AddDate(0, 0, d-6).Add(time.Duration(h) * time.Hour)), Visits: 1 << d})
				}
			}
			f.apply(f.setBatch(f.restored("home", 1000, since, buckets...)))
			f.restoredPage("home", 1000, since, buckets...)
			for d := range 9 {
				var want []counting.Bucket
				for i := max(0, d); i < 7; i++ {
					if i < d+hours().Days-hours().SmallDays {
						want = append(want, counting.Bucket{Unit: counting.DayUnit(today.AddDate(0, 0, i-6)), Visits: 2 << i})
					} else {
						want = append(want, buckets[2*i:2*i+2]...)
					}
				}
				for range 2 {
					f.compact(AnyTime())
					f.page("home", 1000, want...)
				}
				f.elapse(day)
			}
		}},
		{"dropping forgets restored buckets, and says since when a page has all", keepingByClock, func(f *fixture) {
			since, buckets := f.saved(5, 1, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110)
			f.apply(f.setBatch(f.restored("home", 100, since, buckets...)))
			for floor := f.state().Floor; ; floor = f.state().Floor {
				f.drop(AnyTime())
				state := f.state()
				if current := hour(f.now()).Start(); !state.Floor.After(floor) {
					equal(f, "floor in the end", state.Floor, current)
					equal(f, "begin of the history in the end", state.Since, current)
					break
				}
				var want []counting.Bucket
				for _, b := range buckets {
					if b.Unit.End().After(state.Floor) {
						want = append(want, b)
					}
				}
				begin := since
				if state.Floor.After(since) {
					begin = state.Floor
				}
				f.restoredPage("home", 100, begin, want...)
				equalSlices(f, "what is stored", check.Value(f.read("home").History.Buckets())(f), want)
			}
			f.apply(f.setBatch(f.restored("home", 100, since, buckets...)))
			f.restoredPage("home", 100, f.state().Floor, buckets[len(buckets):]...)
		}},
		{"restored pages survive a restart", keeping, func(f *fixture) {
			since, buckets := f.saved(3, 30, 60)
			f.apply(f.setBatch(f.restored("home", 100, since, buckets...)))
			state := f.state()
			f.reopen()
			f.restoredPage("home", 100, since, buckets...)
			equal(f, "what is kept", f.state(), state)
		}},
		{"history that is turned off forgets restored buckets", keeping, func(f *fixture) {
			since, buckets := f.saved(3, 30, 60)
			f.apply(f.setBatch(f.restored("home", 100, since, buckets...)))
			equal(f, "floor after a change", f.keep(counting.HistorySetting{Unit: time.Hour, SmallDays: 2, Days: 5}, time.Time{}, true).Floor, f.state().Floor)
			f.keep(counting.HistorySetting{}, time.Time{}, true)
			equal(f, "floor of another history", f.keep(hours(), time.Time{}, true).Floor, time.Time{})
			f.page("home", 100)
		}},
		{"dropping keeps what a restored page has from the floor on, also before the history of the node", movingHistory, func(f *fixture) {
			arc, c := f.historyDestination()
			own := f.incoming()[1]
			check.Must(f, f.closeArc(own, 0))
			since, buckets := f.saved(5, 30)
			f.apply(f.setBatch(counting.SetCount{Arc: own, Page: "restored", Count: 9, History: packed(since, buckets...)}))
			page := counting.Located{Arc: own, Page: "restored"}
			for range 3 { // in buckets that are not packed
				at := f.place(f.batch(counting.Visit{Arc: own, Page: page.Page, Count: 2}))
				buckets = append(buckets, counting.Bucket{Unit: hour(at), Visits: 2})
				f.elapse(2 * time.Hour)
			}
			c.Since = f.now()
			check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, c))(f)
			before := f.state()
			f.drop(AnyTime())
			equal(f, "has the floor moved", f.state().Floor.After(before.Floor), true)
			f.pageAt(page, counting.Part{Visits: 15, Closed: true}, buckets...)
			f.elapse(26 * time.Hour)
			f.compact(AnyTime())
			f.pageAt(page, counting.Part{Visits: 15, Closed: true}, buckets...)
		}},
		{"a restored page is fetched and imported with all that it has", movingHistory, func(f *fixture) {
			arc, _, _ := f.historySource()
			since, buckets := f.saved(3, 30, 60)
			// The arc is of the other node by now, so the page is set by the former ring.
			f.open()
			f.keepHistory()
			next := f.next("second")
			f.apply(f.setBatch(counting.SetCount{Arc: arc, Page: "page/1", Count: 9, History: packed(since, buckets...)}))
			f.openRing(next)
			f.claimArc(arc, frozen(1))
			var fetched counting.Chunk
			f.fetch(arc, func(c counting.Chunk) {
				if len(c.Pages) > 0 {
					fetched = c
				}
			})
			equal(f, "floor of the source", fetched.Floor.UTC(), f.state().Floor)

			arc, _ = f.historyDestination()
			at := f.place(f.batch(counting.Visit{Arc: arc, Page: "page/1", Count: 8}))
			began := f.state().Since
			fetched.Since = began.Add(2 * time.Hour)
			for range 2 {
				check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, fetched))(f)
			}
			equal(f, "begin of the history", f.state().Since, began.Add(2*time.Hour))
			equal(f, "floor", f.state().Floor, fetched.Floor.UTC())
			page := counting.Located{Arc: arc, Page: "page/1"}
			f.pageAt(page, counting.Part{Visits: 25, Marked: true}, append(buckets, counting.Bucket{Unit: hour(at), Visits: 16})...)
			equal(f, "begin of the history of the page", f.readAt(page).Since(), since)
		}},
	}
}

// saved are the begin of a history, some days ago, and buckets of 1, 2, 3, ... visits that are some hours ago, those that are the longest
// ago first.
func (f *fixture) saved(days int, ago ...int) (since time.Time, buckets []counting.Bucket) {
	f.Helper()
	now := f.now()
	for i := len(ago) - 1; i >= 0; i-- {
		buckets = append(buckets, counting.Bucket{Unit: hour(now.Add(-time.Duration(ago[i]) * time.Hour)), Visits: int64(len(ago) - i)})
	}
	return now.Add(-time.Duration(days) * day).UTC().Truncate(time.Second), buckets
}

// packed is the history of a page that is restored.
func packed(since time.Time, buckets ...counting.Bucket) counting.Packed {
	return counting.Restored(since).Append(buckets...)
}

func (f *fixture) restored(page counting.Page, count int64, since time.Time, buckets ...counting.Bucket) counting.SetCount {
	s := f.setCount(page, count)
	s.History = packed(since, buckets...)
	return s
}

// restoredPage checks the count of a page, its buckets, and when its history begins.
func (f *fixture) restoredPage(page counting.Page, visits int64, since time.Time, want ...counting.Bucket) {
	f.Helper()
	f.page(page, visits, want...)
	equal(f, "begin of the history of "+string(page), f.read(page).Since(), since)
}

func (f *fixture) read(page counting.Page) counting.PageHistory {
	f.Helper()
	return f.readAt(f.at(page))
}

func (f *fixture) readAt(at counting.Located) counting.PageHistory {
	f.Helper()
	h := check.Value(f.histories().ReadHistory(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, at))(f)
	h.State = utc(h.State)
	return h
}
