package resharding_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/memory"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// lose empties nodes, and returns what brings them back.
func (d *deployment) lose(ids ...counting.NodeID) (bringBack func()) {
	before := make(map[counting.NodeID]memory.Snapshot)
	for _, id := range ids {
		before[id] = d.nodes[id].Snapshot()
		d.nodes[id].Restore(memory.Snapshot{})
	}
	return func() {
		for id, was := range before {
			d.nodes[id].Restore(was)
		}
	}
}

// P3, P4: two nodes of five that are gone at once are given up at once, and
// neither alone. When they come back, they are in no count and no vote.
func TestNodesThatAreGoneAtOnceAreGivenUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 5)
		const pages = 300
		d.count(t, pages)
		old := d.cluster.View()
		bringBack := d.lose("n1", "n4")
		_, err := d.ring.Abandon(t.Context(), "n4")
		if !errors.Is(err, counting.ErrUnavailable) || !strings.Contains(err.Error(), "node n1") || !strings.Contains(err.Error(), "given up together") {
			t.Errorf("one of two is given up: %v", err)
		}
		if _, err := d.ring.Abandon(t.Context(), "n4", "n5"); !errors.Is(err, sharding.ErrAnswers) || !strings.Contains(err.Error(), "n5") {
			t.Errorf("one that answers is given up with another: %v", err)
		}
		if st := d.ring.Status(t.Context()); st.Epoch != 1 || len(st.Losses) != 0 {
			t.Fatalf("what was refused has changed the ring: %+v", st)
		}
		if _, err := d.ring.Abandon(t.Context(), "n1", "n4"); err != nil {
			t.Fatal(err)
		}
		if st := d.settle(t); len(st.Losses) != 2 || st.Nodes[0].State != sharding.Lost || st.Nodes[3].State != sharding.Lost {
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
			if !errors.Is(err, counting.ErrStale) {
				t.Errorf("%s, which is back, takes visits: %v", id, err)
			}
		}
		for i := range want {
			page := counting.Page(fmt.Sprint(i))
			if err := d.visits.Record(t.Context(), page, 1); err != nil {
				t.Fatal(err)
			}
			d.wantVisits(t, page, want[i]+1)
		}
		// Those that are left decide alone, by their own majority.
		d.lose("n5")
		if _, err := d.ring.Abandon(t.Context(), "n5"); err != nil {
			t.Error(err)
		}
	})
}

// P4: of three nodes two aren't given up, nor half of four with the first, which
// might go on by themselves; nothing is dropped for it.
func TestAMinorityGivesUpNobody(t *testing.T) {
	for n, ids := range map[int][]counting.NodeID{3: {"n2", "n3"}, 4: {"n1", "n3"}} {
		synctest.Test(t, func(t *testing.T) {
			d := newDeployment(t, n)
			const pages = 100
			d.count(t, pages)
			bringBack := d.lose(ids...)
			if _, err := d.ring.Abandon(t.Context(), ids...); !errors.Is(err, sharding.ErrMinority) {
				t.Errorf("%v of %d nodes are given up: %v", ids, n, err)
			}
			bringBack()
			time.Sleep(time.Minute)
			if st := d.ring.Status(t.Context()); st.Epoch != 1 || st.Fence != 1 {
				t.Errorf("status: %+v", st)
			}
			d.wantCounted(t, pages)
		})
	}
}

// P4: two nodes die in a change that a majority has approved, as has one of them.
// They are given up after it, not in its place.
func TestAChangeThatWasApprovedIsMadeBeforeNodesAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 5)
		v := d.cluster.View()
		next, err := v.Reweight(sharding.Change{ID: "approved", From: counting.Length(time.Minute).At(time.Now()) + 2}, "n2", 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range v.Nodes {
			if _, err := n.Fence(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range []int{0, 2, 3} {
			if err := v.Nodes[i].Approve(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		}
		d.lose("n1", "n3")
		if _, err := d.ring.Abandon(t.Context(), "n1", "n3"); err != nil {
			t.Logf("at first: %v", err)
		}
		if now := d.cluster.View(); now.ChangeID() != "approved" || now.Members()[1].Weight != 3 {
			t.Fatalf("change %s was made in place of the one that was approved", now.ChangeID())
		}
		for range 60 {
			if _, err = d.ring.Abandon(t.Context(), "n1", "n3"); err == nil {
				break
			}
			time.Sleep(time.Second)
		}
		if st := d.settle(t); err != nil || len(st.Losses) != 2 {
			t.Errorf("%v; status %+v", err, st)
		}
	})
}
