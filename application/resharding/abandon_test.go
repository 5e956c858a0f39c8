package resharding_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// lose empties nodes, and returns what brings them back.
func (d *deployment) lose(ids ...counting.NodeID) (bringBack func()) {
	before := make(map[counting.NodeID]localnode.Snapshot)
	for _, id := range ids {
		before[id] = d.nodes[id].Snapshot()
		d.nodes[id].Restore(localnode.Snapshot{})
	}
	return func() {
		for id, was := range before {
			d.nodes[id].Restore(was)
		}
	}
}

// V19, P3, P4: two nodes of five that are away simultaneously are abandoned together, and
// neither alone. When they come back, they are in no count and no vote.
func TestNodesThatAreAwayAreAbandonedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 5)
		const pages = 300
		d.count(t, pages)
		old := d.cluster.View()
		bringBack := d.lose("n1", "n4")
		_, err := d.ring.Abandon(t.Context(), false, "n4")
		if !errors.Is(err, counting.ErrUnavailable) || !strings.Contains(err.Error(), "on n1") || !strings.Contains(err.Error(), "abandoned together") {
			t.Errorf("one of two is abandoned: %v", err)
		}
		if _, err := d.ring.Abandon(t.Context(), false, "n4", "n5"); !errors.Is(err, sharding.ErrAnswers) || !strings.Contains(err.Error(), "n5") {
			t.Errorf("one that answers is abandoned with another: %v", err)
		}
		if st := d.ring.Status(t.Context()); st.Epoch != 1 || len(st.Losses) != 0 {
			t.Fatalf("what was refused has changed the ring: %+v", st)
		}
		check.Value(d.ring.Abandon(t.Context(), false, "n1", "n4"))(t)
		if st := d.resolve(t); len(st.Losses) != 2 || st.Nodes[0].State != sharding.Lost || st.Nodes[3].State != sharding.Lost {
			t.Errorf("status: %+v", st)
		}
		want := make([]int64, pages)
		for i := range want {
			page := counting.Page(fmt.Sprint(i))
			if owner := old.Members()[old.Owner(old.Arc(page))].ID; owner != "n1" && owner != "n4" {
				want[i] = int64(i + 1)
			}
			d.wantVisits(t, page, want[i])
		}
		bringBack()
		time.Sleep(10 * time.Second)
		for _, id := range []counting.NodeID{"n1", "n4"} {
			_, err := d.nodes[id].Apply(t.Context(), &counting.Batch{Epoch: old.Epoch(), Session: "old", Seq: 1, Visits: []counting.Visit{{Page: "late", Count: 1}}})
			check.Is(t, err, counting.ErrStale, "a visit at %s, which is back", id)
		}
		for i := range want {
			page := counting.Page(fmt.Sprint(i))
			check.Must(t, d.visits.Record(t.Context(), page, 1))
			d.wantVisits(t, page, want[i]+1)
		}
		// Those that are left decide alone, by their own majority.
		d.lose("n5")
		check.OK(t, check.Err(d.ring.Abandon(t.Context(), false, "n5")))
	})
}

// V17, P4: of three nodes two aren't abandoned, nor half of four with the first, which
// might go on by themselves.
func TestAMinorityAbandonsNoNode(t *testing.T) {
	for n, ids := range map[int][]counting.NodeID{3: {"n2", "n3"}, 4: {"n1", "n3"}} {
		synctest.Test(t, func(t *testing.T) {
			d := newDeployment(t, n)
			const pages = 100
			d.count(t, pages)
			bringBack := d.lose(ids...)
			check.Is(t, check.Err(d.ring.Abandon(t.Context(), false, ids...)), sharding.ErrMinority, "%v of %d nodes are abandoned", ids, n)
			bringBack()
			time.Sleep(time.Minute)
			if st := d.ring.Status(t.Context()); st.Epoch != 1 || st.Fence != 1 {
				t.Errorf("status: %+v", st)
			}
			d.wantCounted(t, pages)
		})
	}
}

// V17, P4: two nodes die in a change that a majority has approved, as has one of them.
// They are abandoned after it, not in its place.
func TestAChangeThatWasApprovedIsMadeBeforeNodesAreAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 5)
		v := d.cluster.View()
		next, err := v.Reweight(sharding.Change{ID: "approved", From: counting.WindowLength(time.Minute).At(time.Now()) + 2}, "n2", 3)
		check.Must(t, err)
		for _, n := range v.Nodes {
			check.Value(n.Fence(t.Context(), next))(t)
		}
		for _, i := range []int{0, 2, 3} {
			check.Must(t, v.Nodes[i].Accept(t.Context(), next))
		}
		d.lose("n1", "n3")
		if _, err := d.ring.Abandon(t.Context(), false, "n1", "n3"); err != nil {
			t.Logf("at first: %v", err)
		}
		if now := d.cluster.View(); now.ChangeID() != "approved" || now.Members()[1].Weight != 3 {
			t.Fatalf("change %s was made in place of the one that was approved", now.ChangeID())
		}
		for range 60 {
			if _, err = d.ring.Abandon(t.Context(), false, "n1", "n3"); err == nil {
				break
			}
			time.Sleep(time.Second)
		}
		if st := d.resolve(t); err != nil || len(st.Losses) != 2 {
			t.Errorf("%v; status %+v", err, st)
		}
	})
}

// V13, P4: a destination is abandoned when the moves to it have begun. What had not left
// its source counts on, claimed or not, and whatever the destination had taken in;
// what had left, and what came to the destination alone, is lost with it.
func TestWhatDidNotReachANodeThatIsAbandonedCountsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 2)
		const pages = 100
		d.count(t, pages)
		d.stopMovers(t)
		check.Value(d.ring.Add(t.Context(), "n3:1", 1, false))(t)
		v := d.cluster.View()
		met := make(map[counting.Arc]int)
		for _, m := range v.Moves() {
			if begun := d.begin(t, m, int(m.Arc%4)); begun > 0 {
				met[m.Arc%4]++
			}
		}
		if len(met) < 4 {
			t.Fatalf("pages at all stages of a move: %v", met)
		}
		for i := range pages { // those at the destination are lost
			check.Must(t, d.visits.Record(t.Context(), counting.Page(fmt.Sprint(i)), 1000))
		}
		bringBack := d.lose("n3")
		check.Value(d.ring.Abandon(t.Context(), false, "n3"))(t)
		want := func(i int) int64 {
			switch arc := v.Arc(counting.Page(fmt.Sprint(i))); {
			case v.Owner(arc) == v.From(arc):
				return int64(i + 1001)
			case arc%4 == 3:
				return 0
			}
			return int64(i + 1)
		}
		for i := range pages {
			d.wantVisits(t, counting.Page(fmt.Sprint(i)), want(i))
		}
		bringBack()
		check.Must(t, d.ring.Start(t.Context()))
		d.resolve(t)
		check.Must(t, d.ring.Repair(t.Context()))
		if s := d.ring.Status(t.Context()).Sweep; len(s.Orphans) > 0 {
			t.Errorf("orphans are %+v", s.Orphans)
		}
		check.Value(d.ring.Remove(t.Context(), "n1", false))(t)
		d.resolve(t)
		for i := range pages {
			d.wantVisits(t, counting.Page(fmt.Sprint(i)), want(i))
		}
	})
}

// begin takes a move some steps on: not at all, to the claim, until the destination
// has all, or to the end. It returns the pages.
func (d *deployment) begin(t *testing.T, m sharding.Move, steps int) int {
	t.Helper()
	v := d.cluster.View()
	source, destination, table := d.node(v.Nodes[m.From].ID()), d.node(v.Nodes[m.To].ID()), v.Table()
	must := func(err error) {
		t.Helper()
		check.Must(t, err)
	}
	if steps == 0 {
		return 1
	}
	all, err := source.ClaimArcs(t.Context(), table, []counting.Arc{m.Arc})
	must(err)
	r := all[0]
	if steps > 1 && r.Pages > 0 {
		some, _, err := source.Fetch(t.Context(), table, m.Arc, "")
		must(err)
		_, err = destination.Import(t.Context(), table, m.Arc, some)
		must(err)
	}
	if steps > 2 {
		must(source.RetireArc(t.Context(), table, m.Arc, r.Pages))
		must(destination.CloseArc(t.Context(), table, m.Arc, r.Pages))
	}
	return r.Pages
}

// V17, P3: of two nodes, the one that does not decide abandons the other only when that
// has come back empty. If it is only away, it may be abandoning this one.
func TestTheDecidingOneOfTwoNodesIsAbandonedOnlyWhenItIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h faults
		d := newDeploymentOf(t, 2, h.around)
		d.count(t, 100)
		away := func(id counting.NodeID) {
			h.set(func() {
				h.before = func(_ context.Context, node counting.NodeID, _ chaos.Call) error {
					if node == id {
						return errors.New("connection refused")
					}
					return nil
				}
			})
		}
		away("n1")
		_, err := d.ring.Abandon(t.Context(), false, "n1")
		if !errors.Is(err, sharding.ErrMinority) || !strings.Contains(err.Error(), "start an empty server at its address") {
			t.Errorf("n1, which does not answer, is abandoned: %v", err)
		}
		away("")
		d.resolve(t)
		d.wantCounted(t, 100)
		d.lose("n1")
		check.OK(t, check.Err(d.ring.Abandon(t.Context(), false, "n1")))
		if st := d.resolve(t); len(st.Losses) != 1 || st.Nodes[0].State != sharding.Lost {
			t.Errorf("status: %+v", st)
		}
	})
}

// V17: the first of two nodes goes on alone when the other does not answer.
func TestTheDecidingOneOfTwoNodesAbandonsTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h faults
		d := newDeploymentOf(t, 2, h.around)
		h.set(func() {
			h.before = func(_ context.Context, node counting.NodeID, _ chaos.Call) error {
				if node == "n2" {
					return errors.New("connection refused")
				}
				return nil
			}
		})
		check.OK(t, check.Err(d.ring.Abandon(t.Context(), false, "n2")))
	})
}
