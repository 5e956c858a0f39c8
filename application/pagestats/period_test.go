package pagestats_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/application/pagestats"
	"footfall/domain/counting"
	"footfall/domain/timeline"
	"footfall/test/check"
)

const day = 24 * time.Hour

// keepHistory has all nodes keep hours.
func (w *world) keepHistory(setting string) {
	w.t.Helper()
	s := check.Value(counting.ParseHistory(setting))(w.t)
	for _, m := range w.cluster.View().Present() {
		check.Value(m.KeepHistory(w.t.Context(), s, time.Time{}, true))(w.t)
	}
}

// ranking is what a naive count of raw visits ranks: those since a time.
func ranking(raw []rawVisit, prefix string, since time.Time) (all []counting.Visit) {
	sums := make(map[counting.Page]int64)
	for _, v := range raw {
		if strings.HasPrefix(string(v.Page), prefix) && !v.at.Before(since) {
			sums[v.Page] += v.Count
		}
	}
	for page, n := range sums {
		all = append(all, counting.Visit{Page: page, Count: n})
	}
	slices.SortFunc(all, func(a, b counting.Visit) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Page, b.Page))
	})
	return all
}

// rawVisit is a visit and its time.
type rawVisit struct {
	counting.Visit
	at time.Time
}

// Pages have visits in the periods, before them and both. Histories are packed and open, and some arcs
// move to another node.
func TestTheTopOfAPeriodEqualsANaiveCount(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		const hours = 9 * 24
		w.set(func() { w.behind = hours * time.Hour })
		w.keepHistory("1h:32d,1d:400d")
		random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
		var raw []rawVisit
		for hour := range hours {
			var batch []counting.Visit
			for range 6 {
				v := counting.Visit{Page: counting.Page(fmt.Sprint([]string{"blog/", "shop/"}[random.IntN(2)], random.IntN(400))), Count: 1 + random.Int64N(3)}
				batch = append(batch, v)
				raw = append(raw, rawVisit{v, w.now()})
			}
			for _, err := range w.visits.RecordAll(t.Context(), batch) {
				check.Must(t, err)
			}
			switch hour {
			case 3 * 24, 8*24 + 5:
				w.compactAll()
			case 5 * 24:
				check.Value(w.ring.Add(t.Context(), "n4:1", 1, false))(t)
			}
			w.set(func() { w.behind -= time.Hour })
		}
		for _, prefix := range []string{"", "blog/", "blog/1"} {
			for _, period := range []time.Duration{day, 7 * day, 30 * day} {
				got := w.awaitFor(counting.PageQuery{Prefix: prefix, Period: period})
				want := ranking(raw, prefix, got.AsOf.Truncate(time.Hour).Add(time.Hour-period))
				check.Equal(t, got.Pages, int64(len(want)), "pages of %q in %v", prefix, period)
				for i, v := range got.Top {
					check.Equal(t, fmt.Sprint(v.Page, v.Count), fmt.Sprint(want[i].Page, want[i].Count), "place %d of %q in %v", i, prefix, period)
				}
			}
			total := ranking(raw, prefix, time.Time{})
			check.Equal(t, w.await(prefix).Pages, int64(len(total)), "pages of all time")
		}
		if n := len(ranking(raw, "", time.Now().Add(-day))); n == 0 || n == len(ranking(raw, "", time.Time{})) {
			t.Errorf("%d pages have visits of the last day", n)
		}
	})
}

// compactAll compacts all nodes.
func (w *world) compactAll() {
	w.t.Helper()
	for _, m := range w.cluster.View().Present() {
		for cursor, more := "", true; more; more = cursor != "" {
			cursor = check.Value(m.Compact(w.t.Context(), cursor))(w.t)
		}
	}
}

// Histories are read only while a caller wants a period, and never in more than 5 % of the time of a node.
func TestHistoriesAreReadOnlyForPeriods(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.keepHistory("1h:32d")
		w.count("blog/", 2000)
		w.takes = 10 * time.Millisecond
		w.want(w.await(""), "")
		check.Equal(t, w.histories(), 0, "calls that read histories for a caller of all visits")
		q := counting.PageQuery{Period: day}
		w.want(w.awaitFor(q), "") // all visits are of today
		w.want(w.await(""), "")
		read := w.histories()
		if read == 0 {
			t.Error("no history was read for a period")
		}
		w.wantGentle()
		time.Sleep(pagestats.Fresh)
		w.want(w.await(""), "")
		check.Equal(t, w.histories(), read, "calls that read histories when no caller wants them")
		calls := w.calls()
		_, err := w.askFor(q)
		check.OK(t, err, "a period of a few minutes ago")
		time.Sleep(30 * time.Second)
		if w.histories() == read || w.calls() == calls {
			t.Error("no history was read again")
		}
	})
}

// P3: a node that is away makes the top of a period unknown, not smaller.
func TestTheTopOfAPeriodIsNotSmallerWhileANodeIsAway(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.keepHistory("1h:32d")
		w.count("blog/", 300)
		w.fault = func(id counting.NodeID) error {
			if id == "n2" {
				return counting.ErrNotApplied
			}
			return nil
		}
		_, err := w.askFor(counting.PageQuery{Period: day})
		check.Is(t, err, counting.ErrUnavailable, "n2 is away")
		w.set(func() { w.fault = nil })
		w.want(w.awaitFor(counting.PageQuery{Period: day}), "")
	})
}

func TestAPeriodThatCanNotBeKnownSaysWhyAndConcernsNoOther(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		ask := func(period time.Duration) error { return check.Err(w.askFor(counting.PageQuery{Period: period})) }
		check.Is(t, ask(day), timeline.ErrNoHistory, "no history, no pages")
		w.count("blog/", 300)
		time.Sleep(pagestats.Fresh)
		check.Is(t, ask(day), timeline.ErrNoHistory, "no history")
		w.want(w.await(""), "")
		w.keepHistory("1h:3d")
		time.Sleep(pagestats.Fresh)
		check.OK(t, ask(day), "a period that is kept")
		check.Is(t, ask(7*day), timeline.ErrResolution, "a period that is not kept")
		w.set(func() {
			w.alterHistory = func(l counting.HistoryList) {
				for i, p := range l.Pages {
					if p.Page == "blog/7" {
						l.Histories[i] = "?"
					}
				}
			}
		})
		time.Sleep(pagestats.Fresh)
		check.Is(t, ask(day), counting.Corrupt, "a history that can't be read")
		w.want(w.await(""), "")
		check.OK(t, check.Err(w.askFor(counting.PageQuery{Prefix: "blog/8", Period: day})), "another prefix")
		if !strings.Contains(w.log.String(), "first=blog/7") {
			t.Errorf("the log does not name the page: %s", w.log.String())
		}
	})
}

// The numbers of a node whose history is younger than the period may be too small: they say since when they are right.
func TestTheTopOfAPeriodSaysThatHistoryIsYounger(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		since := func() time.Time { return w.awaitFor(counting.PageQuery{Period: day}).Since }
		w.keepHistory("1h:32d")
		first := time.Now()
		check.Equal(t, since(), first.UTC().Truncate(time.Second), "since when, of the first day")
		time.Sleep(2 * day)
		check.Equal(t, since(), time.Time{}, "since when, of a later day")
		dropped := time.Now().Truncate(time.Hour).Add(-12 * time.Hour)
		w.set(func() { w.began = map[counting.NodeID]time.Time{"n2": dropped} })
		time.Sleep(pagestats.Fresh)
		check.Equal(t, since(), dropped.UTC(), "since when, of a node that has dropped history")
	})
}

// P3: where clocks disagree, it is not known which visits are of the period. Counts are.
func TestAWrongClockGivesNoWrongTopOfAPeriod(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.keepHistory("1h:32d")
		w.count("blog/", 300)
		clocks := func(behind time.Duration) {
			w.set(func() { w.behind = behind })
			for _, m := range w.cluster.View().Present() {
				check.Value(m.Heartbeat(t.Context()))(t)
			}
			time.Sleep(pagestats.Fresh)
		}
		clocks(1001 * time.Hour)
		check.Is(t, check.Err(w.askFor(counting.PageQuery{Period: day})), counting.ErrUnavailable)
		w.want(w.await(""), "")
		clocks(0)
		w.want(w.awaitFor(counting.PageQuery{Period: day}), "")
	})
}

// Where callers of counts and of periods take turns, the scans take turns to be short and long. No caller gets an error
// instead of older numbers.
func TestLongScansOfPeriodsHideNoCounts(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.keepHistory("1h:32d")
		w.count("blog/", 2000)
		w.set(func() { w.takes, w.historyTakes = time.Millisecond, 30*time.Millisecond })
		all, period := counting.PageQuery{}, counting.PageQuery{Period: day}
		w.awaitFor(all)
		w.awaitFor(period)
		for range 3 {
			time.Sleep(pagestats.Fresh)
			for _, q := range []counting.PageQuery{all, period, all} {
				began := time.Now()
				check.OK(t, check.Err(w.askFor(q)), "a caller of %v", q.Period)
				if took := time.Since(began); took > time.Second {
					t.Errorf("a caller of %v waited for %v", q.Period, took)
				}
				time.Sleep(time.Second) // as long as a scan of counts takes, at most
			}
			calls := w.histories()
			time.Sleep(5 * time.Second)
			if w.histories() == calls {
				t.Error("the scan of the period has ended: the test is of none that is long")
			}
			time.Sleep(15 * time.Second)
		}
	})
}
