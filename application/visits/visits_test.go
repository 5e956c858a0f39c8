package visits_test

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/cluster"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/test/check"
)

func TestVisitsAreReadWhereTheyWereRecorded(t *testing.T) {
	scenario(t, func(t *testing.T, d deployment, s *visits.Service, c *cluster.Cluster) {
		pages := make([]counting.Page, 60)
		vias := make(map[counting.NodeID]int)
		for i := range pages {
			pages[i] = counting.Page(fmt.Sprint(i))
			for range i % 4 {
				mustRecord(t, s, pages[i])
			}
		}
		pages = append(pages, pages[1]) // asked for twice
		for i, got := range s.Read(t.Context(), pages) {
			want := int64(i % 4)
			if i == 60 {
				want = 1
			}
			if got.Err != nil || got.Visits != want {
				t.Errorf("page %s reads %d, %v; want %d", pages[i], got.Visits, got.Err, want)
			}
			v := c.View()
			check.Equal(t, got.Via, v.Nodes[v.Owner(v.Arc(pages[i]))].ID(), "the node of page %s", pages[i])
			vias[got.Via]++
		}
		check.Equal(t, len(vias), 3, "the number of nodes in %v", vias)
		for _, n := range d {
			check.Equal(t, n.reads.Load(), 1, "how often %s was asked", n.ID())
		}
		if got := s.Read(t.Context(), nil); len(got) != 0 {
			t.Errorf("no page reads %v", got)
		}
	})
}

// V9, V11: what one instance acknowledged another one reads, also one that
// starts later; V10: they write on top of each other; V8: cached and pending counts are
// not added up twice.
func TestInstancesSeeEachOthersVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment()
		a, _ := d.instance(t)
		b, _ := d.instance(t)
		for i := range int64(5) {
			mustRecord(t, a, "home")
			wantVisits(t, b, "home", 2*i+1)
			mustRecord(t, b, "home")
			wantVisits(t, b, "home", 2*i+2)
			wantVisits(t, a, "home", 2*i+2)
		}
		later, _ := d.instance(t)
		wantVisits(t, later, "home", 10)
		mustRecord(t, later, "home")
		wantVisits(t, a, "home", 11)
	})
}

// V7: a read takes no pending counts along, and never reads low.
func TestWritesAndReadsAtOnce(t *testing.T) {
	d := newDeployment()
	s, _ := d.instance(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for i := range int64(100) {
				mustRecord(t, s, "home")
				if got := s.Read(t.Context(), []counting.Page{"home"})[0]; got.Err != nil || got.Visits < i+1 {
					t.Errorf("after %d writes of my own it reads %d, %v", i+1, got.Visits, got.Err)
				}
			}
		})
	}
	all.Wait()
	wantVisits(t, s, "home", 2000)
}

// V20: an error is no 0; V19: the other pages go on.
func TestANodeThatIsDownStopsItsOwnPagesOnly(t *testing.T) {
	for _, hung := range []bool{false, true} {
		scenario(t, func(t *testing.T, d deployment, s *visits.Service, c *cluster.Cluster) {
			pages := []counting.Page{pageOf(c, 0), pageOf(c, 1), pageOf(c, 2)}
			for _, page := range pages {
				mustRecord(t, s, page)
			}
			d[1].away.Store(!hung)
			d[1].hung.Store(hung)
			wantAll(t, s, pages, 1, -1, 1)
			wantAll(t, s, pages[1:2], -1)
			want := []error{nil, counting.ErrUnavailable, nil}
			if hung {
				want[1] = counting.ErrInDoubt
			}
			for i, err := range s.RecordAll(t.Context(), []counting.Visit{{Page: pages[0], Count: 1}, {Page: pages[1], Count: 1}, {Page: pages[2], Count: 1}}) {
				check.Is(t, err, want[i], "hung %t: a visit of page %d", hung, i)
			}
		})
	}
}

// V5, V6: the service goes on when a node is back; V4: nothing is added again.
func TestANodeThatIsBackGoesOn(t *testing.T) {
	scenario(t, func(t *testing.T, d deployment, s *visits.Service, c *cluster.Cluster) {
		down, up := pageOf(c, 0), pageOf(c, 1)
		mustRecord(t, s, down)
		d[0].away.Store(true)
		for range 10 {
			check.Is(t, s.Record(t.Context(), down, 1), counting.ErrUnavailable, "a visit on a node that is down")
			wantVisits(t, s, down, -1)
			mustRecord(t, s, up)
		}
		d[0].away.Store(false)
		time.Sleep(10 * time.Second)
		wantVisits(t, s, down, 1)
		mustRecord(t, s, down)
		wantVisits(t, s, down, 2)
		wantVisits(t, s, up, 10)
	})
}

// V18: a slow node stalls no other.
func TestAHungNodeDelaysNoOtherNodesPages(t *testing.T) {
	scenario(t, func(t *testing.T, d deployment, s *visits.Service, c *cluster.Cluster) {
		d[0].hung.Store(true)
		go func() { _ = s.Record(t.Context(), pageOf(c, 0), 1) }()
		synctest.Wait()
		begin := time.Now()
		mustRecord(t, s, pageOf(c, 1))
		wantVisits(t, s, pageOf(c, 1), 1)
		check.Equal(t, time.Since(begin), 0, "what it took")
		time.Sleep(2 * time.Second)
	})
}

// V24: a page that is full spoils no other one.
func TestAFullPageIsRefusedAlone(t *testing.T) {
	scenario(t, func(t *testing.T, _ deployment, s *visits.Service, _ *cluster.Cluster) {
		check.Must(t, s.Record(t.Context(), "full", math.MaxInt64))
		all := []counting.Visit{{Page: "a", Count: 1}, {Page: "full", Count: 1}, {Page: "b", Count: 2}, {Page: "a", Count: 3}}
		for i, err := range s.RecordAll(t.Context(), all) {
			check.Is(t, err, []error{nil, counting.Overflow, nil, nil}[i], "%s", all[i].Page)
		}
		wantAll(t, s, []counting.Page{"a", "b", "full"}, 4, 2, math.MaxInt64)
	})
}
