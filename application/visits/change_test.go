package visits_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"footfall/application/cluster"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// V17: an instance that doesn't know of a change yet writes and reads all the
// same, at the node that has the page now.
func TestVisitsFollowAChangeOfTheRing(t *testing.T) {
	scenario(t, func(t *testing.T, d deployment, s *visits.Service, c *cluster.Cluster) {
		pages := []counting.Page{pageOf(c, 0), pageOf(c, 1), pageOf(c, 2)}
		r := fence(t, d, c.View().Ring)
		opened := make(chan struct{})
		go func() { // the change takes a moment
			defer close(opened)
			time.Sleep(200 * time.Millisecond)
			for _, n := range d {
				check.OK(t, n.Open(t.Context(), r))
				time.Sleep(20 * time.Millisecond)
			}
		}()
		var all sync.WaitGroup
		for _, page := range pages {
			all.Go(func() { mustRecord(t, s, page) })
		}
		all.Go(func() {
			for _, err := range s.RecordAll(t.Context(), []counting.Visit{{Page: pages[0], Count: 2}, {Page: pages[1], Count: 2}}) {
				check.OK(t, err)
			}
		})
		all.Go(func() {
			for i, got := range s.Read(t.Context(), pages) {
				check.OK(t, got.Err, "page %d", i)
			}
		})
		all.Wait()
		<-opened
		wantAll(t, s, pages, 3, 3, 1)
		check.Equal(t, c.View().Epoch(), 2, "the epoch of the view")
	})
}

// P2, P3: a change that doesn't end counts nothing and shows nothing, and is
// undone before long.
func TestAChangeThatStallsRefusesVisitsUntilItIsUndone(t *testing.T) {
	scenario(t, func(t *testing.T, d deployment, s *visits.Service, c *cluster.Cluster) {
		fence(t, d, c.View().Ring)
		begin := time.Now()
		check.Is(t, s.Record(t.Context(), "home", 1), counting.ErrUnavailable, "a visit in the middle of a change")
		for s.Record(t.Context(), "home", 2) != nil {
			if time.Since(begin) > 10*time.Second {
				t.Fatal("the change is not undone")
			}
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("writes stood still for %v", took)
		}
		wantAll(t, s, []counting.Page{"home", "other"}, 2, 0)
		if v := c.View(); v.Epoch() != 3 || v.Table() != 1 {
			t.Errorf("epoch %d with table %d, want 3 with 1", v.Epoch(), v.Table())
		}
	})
}

// V19, P3: a page that was taken in is read at its destination alone, also when its
// source was rolled back behind the move.
func TestASourceThatWasRolledBackHoldsUpNoRead(t *testing.T) {
	d := newDeployment()
	s, c := d.instance(t)
	next := check.Value(c.View().Reweight(sharding.Change{ID: "next"}, "n1", 2))(t)
	page := counting.Page("")
	for i := 0; page == ""; i++ {
		if p := counting.Page(fmt.Sprint("page/", i)); next.From(next.Arc(p)) == 1 && next.Owner(next.Arc(p)) == 0 {
			page = p
		}
	}
	arc := next.Arc(page)
	mustRecord(t, s, page)
	for _, n := range d {
		check.Value(n.Fence(t.Context(), next))(t)
	}
	for _, n := range d {
		check.Must(t, n.Open(t.Context(), next))
	}
	before := d[1].Snapshot()
	check.Value(d[1].ClaimArcs(t.Context(), 2, []counting.Arc{arc}))(t)
	check.Value(d[0].Import(t.Context(), 2, arc, counting.Chunk{Pages: []counting.Visit{{Arc: arc, Page: page, Count: 1}}}))(t)
	mustRecord(t, s, page)
	d[1].Restore(before)
	wantVisits(t, s, page, 2)
	check.Must(t, d[0].CloseArc(t.Context(), 2, arc, 1))
	wantVisits(t, s, page, 2)
}

// fence begins a change of the weight of a node.
func fence(t *testing.T, d deployment, r *sharding.Ring) *sharding.Ring {
	t.Helper()
	r = check.Value(r.Reweight(sharding.Change{ID: "next"}, "n1", 2))(t)
	for _, n := range d {
		check.Value(n.Fence(context.Background(), r))(t)
	}
	return r
}
