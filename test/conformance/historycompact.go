package conformance

import (
	"math/rand/v2"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func compactCases() []testCase {
	return []testCase{
		{"closed buckets are packed, as often as it is asked for, and nothing changes", keepingByClock, func(f *fixture) {
			var want []counting.Bucket
			for n := range int64(30) {
				at := f.place(f.batch(f.visit("home", n+1), f.visit("about", 1)))
				want = append(want, counting.Bucket{Unit: hour(at), Visits: n + 1})
				f.elapse(time.Hour)
				if n%7 == 0 {
					f.compact(AnyTime())
				}
			}
			for range 3 {
				f.page("home", 30*31/2, want...)
				f.compact(AnyTime())
			}
			equal(f, "buckets of another page", len(f.bucketsOf(f.at("about"))), 30)
		}},
		{"old buckets are added up to days, and days expire", keepingByClock, func(f *fixture) {
			first := counting.DayUnit(f.now().Add(day)) // and the visits of the day after
			f.elapse(first.Start().Add(time.Hour).Sub(f.now()))
			f.place(f.batch(f.visit("home", 1)))
			f.elapse(2 * time.Hour)
			f.place(f.batch(f.visit("home", 2)))
			f.elapse(first.End().Add(time.Hour).Sub(f.now()))
			later := f.place(f.batch(f.visit("home", 4)))
			for n := 1; n < 10; n++ {
				f.elapse(first.Start().Add(time.Duration(n)*day + 5*time.Hour).Sub(f.now()))
				for range 2 {
					f.compact(AnyTime())
				}
				got, sum := f.bucketsOf(f.at("home")), int64(0)
				for _, b := range got {
					sum += b.Visits
				}
				f.visits("home", 7)
				want := []int64{7, 7, 7, 7, 7, 7, 7, 4, 0, 0}[n]
				equal(f, "sum of the buckets", sum, want)
				if n == 4 && (len(got) != 2 || got[0].Unit != first || got[0].Visits != 3 || got[1].Unit != hour(later)) {
					f.Fatalf("got the buckets %v, want a day of 3 and an hour of 4", got)
				}
			}
		}},
		{"nothing is packed, added up or dropped if the clocks disagree", keepingByClock, func(f *fixture) {
			at := f.place(f.batch(f.visit("home", 1)))
			f.elapse(3 * time.Hour)
			f.compact(AnyTime())
			later := f.place(f.batch(f.visit("home", 2)))
			c := f.off(0)
			f.elapse(1000 * day) // the clock of the node alone
			f.compact(c)
			f.drop(c)
			f.elapse(-1000 * day)
			f.page("home", 3, counting.Bucket{Unit: hour(at), Visits: 1}, counting.Bucket{Unit: hour(later), Visits: 2})
			c.Now = c.Now.Add(1000 * day) // the clock of the caller alone
			f.compact(c)
			f.drop(c)
			f.page("home", 3, counting.Bucket{Unit: hour(at), Visits: 1}, counting.Bucket{Unit: hour(later), Visits: 2})
		}},
		{"compaction never changes what is kept, whatever the clock does", keepingByClock, func(f *fixture) {
			a := newAccount(f)
			r := rand.New(rand.NewPCG(1, 2))
			pages := []counting.Page{"home", "about", "page/3"}
			for range 300 {
				switch r.IntN(8) {
				case 0:
					f.elapse(time.Duration(r.IntN(300)) * time.Minute)
				case 1:
					f.elapse(-min(time.Duration(r.IntN(300))*time.Minute, f.now().Sub(f.state().Since)))
				case 2, 3:
					a.compact()
				default:
					a.visit(pages[r.IntN(len(pages))], int64(r.IntN(9)+1))
				}
			}
			a.check()
			a.compact()
			a.check()
		}},
		{"a clock that steps back reopens units that were packed", keepingByClock, func(f *fixture) {
			a := newAccount(f)
			for range 3 {
				a.visit("home", 1)
				f.elapse(4 * time.Hour)
				a.compact()
				f.elapse(-4 * time.Hour)
			}
			f.elapse(4 * time.Hour)
			a.compact()
			a.check()
			equal(f, "buckets", len(f.bucketsOf(f.at("home"))), 1)
		}},
		{"compaction and batches at the same time lose and double nothing", keepingByClock, func(f *fixture) {
			a := newAccount(f)
			for range 5 {
				var all sync.WaitGroup
				for range 2 {
					all.Go(func() {
						for cursor, more := "", true; more; more = cursor != "" {
							next, err := f.histories().Compact(f.Context(), AnyTime(), cursor)
							if err != nil {
								f.Error(err)
							}
							cursor = next
						}
					})
				}
				for range 20 {
					a.visit("home", 1)
					a.visit("about", 2)
				}
				all.Wait()
				a.compact()
				a.check()
				f.elapse(5 * time.Hour)
			}
		}},
		{"dropping forgets the oldest buckets, and says since when it keeps all", keepingByClock, func(f *fixture) {
			a := newAccount(f)
			for range 40 {
				a.visit("home", 1)
				a.visit("about", 2)
				f.elapse(3 * time.Hour)
				if a.visits["home"]%9 == 0 {
					a.compact()
				}
			}
			for range 20 {
				before := f.state()
				f.drop(AnyTime())
				a.since = f.state().Since
				if current := hour(f.now()).Start(); a.since.After(current) || !a.since.After(before.Since) && before.Since.Before(current) {
					f.Fatalf("history since %v, before %v", a.since, before.Since)
				}
				a.check()
				h := check.Value(f.histories().ReadHistory(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, f.at("home")))(f)
				for _, b := range check.Value(h.History.Buckets())(f) {
					if !b.Unit.End().After(a.since) {
						f.Fatalf("bucket %v is still there, want none before %v", b.Unit.Start(), a.since)
					}
				}
			}
			equal(f, "begin of what is left", f.state().Since, hour(f.now()).Start())
			a.visit("home", 1)
			a.check()
		}},
		{"dropping drops some of the days that are kept, however long ago history began", unkept, func(f *fixture) {
			f.keep(hours(), f.now().Add(-100*day), false)
			f.drop(AnyTime())
			if since, oldest := f.state().Since, f.state().FirstFloor(f.now()); !since.After(oldest) || since.After(f.now().Add(-2*day)) {
				f.Fatalf("history since %v, want about the middle of the days from %v on", since, oldest)
			}
		}},
	}
}

// compact compacts the whole node.
func (f *fixture) compact(c counting.Clock) {
	f.Helper()
	follow(f, func(cursor string) (struct{}, string, error) {
		next, err := f.histories().Compact(f.Context(), c, cursor)
		return struct{}{}, next, err
	}, func(struct{}) {})
}

// drop drops the oldest buckets of the whole node.
func (f *fixture) drop(c counting.Clock) {
	f.Helper()
	follow(f, func(cursor string) (struct{}, string, error) {
		next, err := f.histories().DropHistory(f.Context(), c, cursor)
		return struct{}{}, next, err
	}, func(struct{}) {})
}

// account is what batches have added, by their receipts. It knows nothing of what is stored.
type account struct {
	*fixture
	visits map[counting.Page]int64
	placed map[counting.Page]map[counting.Unit]int64
	since  time.Time // when the history that is kept begins
	latest time.Time // the latest time at which the node was compacted
}

func newAccount(f *fixture) *account {
	return &account{fixture: f, visits: map[counting.Page]int64{}, placed: map[counting.Page]map[counting.Unit]int64{}, since: f.state().Since}
}

func (a *account) visit(page counting.Page, n int64) {
	a.Helper()
	at := a.place(a.batch(a.fixture.visit(page, n)))
	equal(a.fixture, "placed", at.IsZero(), false)
	if a.placed[page] == nil {
		a.placed[page] = make(map[counting.Unit]int64)
	}
	a.visits[page] += n
	a.placed[page][hour(at)] += n
}

func (a *account) compact() {
	a.Helper()
	a.fixture.compact(AnyTime())
	if now := a.now(); now.After(a.latest) {
		a.latest = now
	}
}

// check compares what is stored with the account: each unit that is not yet added up, and each day that is
// not yet dropped.
func (a *account) check() {
	a.Helper()
	today := a.latest.UTC().Truncate(day)
	small, oldest := today.AddDate(0, 0, -hours().SmallDays), today.AddDate(0, 0, -hours().Days)
	sums := func(units map[counting.Unit]int64) map[counting.Unit]int64 {
		sum := make(map[counting.Unit]int64)
		for u, n := range units {
			switch start := u.Start(); {
			case start.Before(oldest), !u.End().After(a.since):
			case start.Before(small):
				sum[counting.DayUnit(start)] += n
			default:
				sum[u] += n
			}
		}
		return sum
	}
	for page, placed := range a.placed {
		a.fixture.visits(page, a.visits[page])
		stored := make(map[counting.Unit]int64)
		for _, b := range a.bucketsOf(a.at(page)) {
			stored[b.Unit] += b.Visits
		}
		want, got := sums(placed), sums(stored)
		for u, n := range want {
			equal(a.fixture, "visits of "+string(page)+" at "+u.Start().String(), got[u], n)
		}
		equal(a.fixture, "buckets of "+string(page), len(got), len(want))
	}
}
