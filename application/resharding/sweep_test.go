package resharding_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// misplace puts a page, and an idempotency key, on a node into an arc that
// another one owns.
func (d *deployment) misplace(t *testing.T, node counting.NodeID, arc counting.Arc) {
	t.Helper()
	key, err := counting.ParseKey("key")
	check.Must(t, err)
	v := counting.Visit{Arc: arc, Page: "astray", Count: 9}
	_, err = d.node(node).Apply(t.Context(), &counting.Batch{
		Epoch: d.cluster.View().Epoch(), Session: "stranger", Seq: 1, Visits: []counting.Visit{v},
		Keyed: []counting.KeyedVisit{{Visit: counting.Visit{Arc: arc, Page: "none"}, RequestKey: counting.RequestKey{Key: key}}}, KeyLimit: 10,
	})
	check.Must(t, err)
}

// A repair forgets keys that are not looked up, reports counts where they
// don't belong, and of nodes that it could not look through.
func TestARepairSweepsTheNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 3)
		d.count(t, 50)
		if st := d.ring.Status(t.Context()); st.Sweep != nil {
			t.Errorf("swept before it was asked to: %+v", st.Sweep)
		}
		v := d.cluster.View()
		arc := counting.Arc(0)
		for v.Owner(arc) == v.Index("n1") {
			arc++
		}
		d.misplace(t, "n1", arc)
		d.lose("n2")
		check.Must(t, d.ring.Repair(t.Context()))
		s := d.ring.Status(t.Context()).Sweep
		if s == nil || s.Forgotten != 1 || s.Unswept["n2"] != "it came back empty" || len(s.Unswept) != 1 {
			t.Fatalf("swept %+v", s)
		}
		if want := []sharding.Orphan{{Node: "n1", Orphan: counting.Orphan{Arc: arc, Pages: 1}}}; !slices.Equal(s.Orphans, want) {
			t.Errorf("orphans are %+v, want %+v", s.Orphans, want)
		}
		for i := range 50 {
			page := counting.Page(fmt.Sprint(i))
			if v.Owner(v.Arc(page)) != v.Index("n2") {
				d.wantVisits(t, page, int64(i+1))
			}
		}
	})
}

// The status passes to clients as it is.
func TestTheStatusHasEveryListAndTimesInWholeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 1)
		time.Sleep(time.Second / 3)
		check.Must(t, d.ring.Repair(t.Context()))
		text := check.Value(json.Marshal(d.ring.Status(t.Context())))(t)
		if want := `"losses":[],"sweep":{"at":"2000-01-01T00:00:00Z","forgotten":0,"strays":[]}}`; !strings.HasSuffix(string(text), want) {
			t.Errorf("the status is %s, want it to end in %s", text, want)
		}
	})
}

// P4: a repair in the middle of moves, some of which have been begun, takes
// nothing away from them.
func TestARepairLeavesMovesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 2)
		const pages = 300
		d.count(t, pages)
		d.stopMovers(t)
		check.Value(d.ring.Add(t.Context(), "n3:1", 1, false))(t)
		v := d.cluster.View()
		frozen := 0
		for _, m := range v.Moves() {
			if m.Arc%2 == 0 {
				r := check.Value(d.node(v.Nodes[m.From].ID()).ClaimArcs(t.Context(), v.Table(), []counting.Arc{m.Arc}))(t)
				frozen += r[0].Pages
			}
		}
		if frozen == 0 {
			t.Fatal("no page is frozen")
		}
		check.Must(t, d.ring.Repair(t.Context()))
		if s := d.ring.Status(t.Context()).Sweep; s.Forgotten != 0 || len(s.Orphans) != 0 || len(s.Unswept) != 0 {
			t.Errorf("swept %+v", s)
		}
		check.Must(t, d.ring.Start(t.Context()))
		d.resolve(t)
		d.wantCounted(t, pages)
	})
}
