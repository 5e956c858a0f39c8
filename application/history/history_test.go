package history_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"footfall/application/cluster"
	"footfall/application/history"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/domain/timeline"
	"footfall/test/check"
)

// lastDay is the last 24 hours.
func lastDay(t *testing.T) timeline.Range {
	return check.Value(timeline.ParseRange(timeline.Hour, time.UTC, "", "", time.Now()))(t)
}

func wantSum(t *testing.T, r *rig, page counting.Page, sum, total int64) {
	t.Helper()
	got := r.history.Timelines(t.Context(), []counting.Page{page}, lastDay(t))[0]
	check.Must(t, got.Err, "read %s", page)
	check.Equal(t, got.Sum, sum, "the sum of %s", page)
	check.Equal(t, got.Total, total, "the total of %s", page)
	rolled := r.history.Rolling(t.Context(), []counting.Page{page}, 24*time.Hour)[0]
	check.Must(t, rolled.Err)
	check.Equal(t, rolled.Period.Visits, sum, "the visits of the last day of %s", page)
	check.Equal(t, rolled.Visits, total, "the visits of %s", page)
}

func TestHistoryIsReadWhereThePageIs(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		v := r.cluster.View()
		for i := range 20 {
			page := counting.Page(fmt.Sprint(i))
			check.Must(t, r.visits.Record(t.Context(), page, 2))
			owner := r.nodes[v.Owner(v.Arc(page))]
			owner.place(t, page, time.Now())
			wantSum(t, r, page, 1, 2)
			check.Equal(t, r.history.Rolling(t.Context(), []counting.Page{page}, time.Hour)[0].Via, owner.ID(), "what has the page")
		}
	})
}

// moving is a page whose arc moves from the second node to the first one, with one visit at the source.
func moving(t *testing.T, r *rig) (page counting.Page, arc counting.Arc) {
	t.Helper()
	v := r.cluster.View()
	next, err := v.Reweight(sharding.Change{ID: "next"}, "n1", 2)
	check.Must(t, err)
	for i := 0; page == ""; i++ {
		if p := counting.Page(fmt.Sprint("page/", i)); next.From(next.Arc(p)) == 1 && next.Owner(next.Arc(p)) == 0 {
			page = p
		}
	}
	check.Must(t, r.visits.Record(t.Context(), page, 1))
	r.nodes[1].place(t, page, time.Now())
	r.change(t, next, nil)
	for _, n := range r.nodes {
		check.Must(t, n.Open(t.Context(), next))
	}
	return page, next.Arc(page)
}

// P4, P11: while a page moves, each part of its history is read from the node that has it; the source
// first, or what moves meanwhile would be missed.
func TestHistoryIsJoinedWhileItsPageMoves(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		page, arc := moving(t, r)
		wantSum(t, r, page, 1, 1)
		check.Must(t, r.visits.Record(t.Context(), page, 1))
		r.nodes[0].place(t, page, time.Now())
		r.reads.take()
		wantSum(t, r, page, 2, 2)
		if read, want := r.reads.take(), []counting.NodeID{"n2", "n1"}; len(read) < 2 || !slices.Equal(read[:2], want) {
			t.Errorf("the nodes were read in the order %v, want %v", read, want)
		}
		check.Value(r.nodes[1].ClaimArcs(t.Context(), 2, []counting.Arc{arc}))(t)
		wantSum(t, r, page, 2, 2)
		check.Value(r.nodes[0].Import(t.Context(), 2, arc, counting.Chunk{Pages: []counting.Visit{{Arc: arc, Page: page, Count: 1}}}))(t)
		r.nodes[0].place(t, page, time.Now()) // as an import does
		wantSum(t, r, page, 2, 2)
		check.Must(t, r.nodes[0].CloseArc(t.Context(), 2, arc, 1))
		wantSum(t, r, page, 2, 2)
		r.nodes[1].away = true // is not asked any more
		wantSum(t, r, page, 2, 2)
	})
}

func TestReadsOfHistoryWaitForAChangeOfTheRing(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		next, err := r.cluster.View().Reweight(sharding.Change{ID: "next"}, "n1", 2)
		next = r.change(t, next, err)
		var opening sync.WaitGroup
		opening.Go(func() {
			time.Sleep(200 * time.Millisecond)
			for _, n := range r.nodes {
				check.OK(t, n.Open(t.Context(), next))
				time.Sleep(20 * time.Millisecond)
			}
		})
		wantSum(t, r, "home", 0, 0)
		check.Equal(t, r.cluster.View().Epoch(), 2, "the epoch of the view")
		opening.Wait()
	})
}

func TestAHistoryThatCannotBeReadIsNoZero(t *testing.T) {
	scenario(t, history.Options{}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		want := func(want error) {
			t.Helper()
			check.Is(t, r.history.Timelines(t.Context(), []counting.Page{"home"}, lastDay(t))[0].Err, want)
			check.Is(t, r.history.Rolling(t.Context(), []counting.Page{"home"}, time.Hour)[0].Err, want)
		}
		want(timeline.ErrNoHistory)
		check.Value(r.history.Set(t.Context(), hourly(t)))(t)
		wantSum(t, r, "home", 0, 0)
		for _, n := range r.nodes {
			n.histories["home"] = "xyz"
		}
		want(counting.Corrupt)
		for _, n := range r.nodes {
			n.away = true
		}
		want(counting.ErrUnavailable)
	})
}

// P3: while the clocks of a node and of the instance disagree, it is not known what the last hours of the node are, and what
// has expired.
func TestAWrongClockGivesNoWrongHistory(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		page, other := r.inNode(1), r.inNode(0)
		clocks := func(ahead time.Duration) {
			r.nodes[1].ahead.Store(int64(ahead))
			for _, m := range r.cluster.View().Present() {
				check.Value(m.Heartbeat(t.Context()))(t)
			}
		}
		for _, ahead := range []time.Duration{48 * time.Hour, -401 * 24 * time.Hour} {
			clocks(ahead)
			check.Is(t, r.history.Timelines(t.Context(), []counting.Page{page}, lastDay(t))[0].Err, counting.ErrUnavailable)
			check.Is(t, r.history.Rolling(t.Context(), []counting.Page{page}, time.Hour)[0].Err, counting.ErrUnavailable)
			check.Is(t, check.Err(r.history.Save(t.Context(), []counting.Page{other, page})), counting.ErrUnavailable)
			wantSum(t, r, other, 0, 0)
		}
		clocks(0)
		wantSum(t, r, page, 0, 0)
	})
}

// Pages of a node that does not answer cost a call a bounded time, and the other pages nothing.
func TestManyPagesAreReadInABoundedTime(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		r.nodes[1].frozen = true
		var pages []counting.Page
		for i := range 1000 {
			pages = append(pages, counting.Page(fmt.Sprint(i)))
		}
		began, v := time.Now(), r.cluster.View()
		for i, rolled := range r.history.Rolling(t.Context(), pages, time.Hour) {
			if v.Owner(v.Arc(pages[i])) == 1 {
				check.Is(t, rolled.Err, counting.ErrUnavailable)
			} else {
				check.OK(t, rolled.Err)
			}
		}
		if took := time.Since(began); took > 2*cluster.CallTimeout {
			t.Errorf("it took %v", took)
		}
	})
}
