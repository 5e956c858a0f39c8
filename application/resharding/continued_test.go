package resharding_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

// X8, V13, P4: a source is abandoned while arcs of another move to the same node. The
// change does not wait for them. They move on, at whatever stage they are, and all that
// they have counts. Of the arcs that were coming from the lost node, what has arrived counts.
func TestX8ANodeIsAbandonedWhileArcsOfOthersMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 3)
		const pages = 400
		d.count(t, pages)
		d.stopMovers(t)
		check.Value(d.ring.Add(t.Context(), "n4:1", 1, false))(t)
		v := d.cluster.View()
		stage := func(arc counting.Arc) int { return int(arc/16) % 4 }
		met := make(map[string]int)
		for _, m := range v.Moves() {
			if d.begin(t, m, stage(m.Arc)) > 0 {
				met[fmt.Sprint(v.Nodes[m.From].ID(), " ", stage(m.Arc))]++
			}
		}
		if len(met) < 12 {
			t.Fatalf("pages at all stages of moves from all nodes: %v", met)
		}
		for i := range pages { // at the destinations
			check.Must(t, d.visits.Record(t.Context(), counting.Page(fmt.Sprint(i)), 1000))
		}
		bringBack := d.lose("n1")
		check.Value(d.ring.Abandon(t.Context(), false, "n1"))(t)
		wantAll := func() {
			t.Helper()
			for i := range pages {
				want, arc := int64(i+1001), v.Arc(counting.Page(fmt.Sprint(i)))
				switch from, to := v.Nodes[v.From(arc)].ID(), v.Nodes[v.Owner(arc)].ID(); {
				case to == "n1":
					want = 0
				case from == "n1" && from != to && stage(arc) < 2:
					want = 1000
				}
				d.wantVisits(t, counting.Page(fmt.Sprint(i)), want)
			}
		}
		wantAll()
		if st := d.ring.Status(t.Context()); st.Moves.Left == 0 {
			t.Errorf("no arc of another node moves on: %+v", st.Moves)
		}
		check.Must(t, d.ring.Start(t.Context()))
		d.resolve(t)
		wantAll()
		bringBack()
		check.Must(t, d.ring.Repair(t.Context()))
		if s := d.ring.Status(t.Context()).Sweep; len(s.Orphans) > 0 {
			t.Errorf("orphans are %+v", s.Orphans)
		}
		check.Value(d.ring.Remove(t.Context(), "n2", false))(t)
		d.resolve(t)
		wantAll()
	})
}

// X8, P4: two nodes are lost one after the other, each while arcs of others move.
func TestX8ASecondNodeIsAbandonedWhileMovesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 5)
		const pages = 400
		d.count(t, pages)
		d.stopMovers(t)
		check.Value(d.ring.Add(t.Context(), "n6:1", 1, false))(t)
		v := d.cluster.View()
		d.lose("n1")
		check.Value(d.ring.Abandon(t.Context(), false, "n1"))(t)
		between := d.cluster.View()
		d.lose("n2")
		check.Value(d.ring.Abandon(t.Context(), false, "n2"))(t)
		lost := func(id counting.NodeID) bool { return id == "n1" || id == "n2" }
		wantAll := func() {
			t.Helper()
			for i := range pages {
				want, arc := int64(i+1), v.Arc(counting.Page(fmt.Sprint(i)))
				if lost(v.Nodes[v.From(arc)].ID()) || lost(between.Nodes[between.From(arc)].ID()) {
					want = 0
				}
				d.wantVisits(t, counting.Page(fmt.Sprint(i)), want)
			}
		}
		wantAll()
		check.Must(t, d.ring.Start(t.Context()))
		d.resolve(t)
		wantAll()
		check.Value(d.ring.Remove(t.Context(), "n6", false))(t)
		d.resolve(t)
		wantAll()
	})
}

// X8, V14: a node was abandoned, dropped, and added again under its id. It is lost again while
// its arcs leave it, and abandoned.
func TestX8ANodeThatWasAddedAgainIsAbandonedWhileItsArcsMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t, 3)
		c := newCounter(t, d)
		check.Value(d.ring.Add(t.Context(), "n4:1", 1, false))(t)
		d.resolve(t)
		c.pass(t, 3)
		d.lose("n4")
		check.Value(d.ring.Abandon(t.Context(), false, "n4"))(t)
		d.resolve(t)
		for range 10 { // its windows are done
			_ = c.Heartbeat(t.Context())
			time.Sleep(time.Minute)
			_ = c.Scan(t.Context())
		}
		c.forgotten(t, 3)
		check.Value(d.ring.Add(t.Context(), "n4:1", 1, false))(t)
		d.resolve(t)
		c.pass(t, 3)
		d.count(t, 300)
		d.stopMovers(t)
		check.Value(d.ring.Remove(t.Context(), "n4", false))(t)
		d.lose("n4")
		check.Value(d.ring.Abandon(t.Context(), false, "n4"))(t)
		check.Equal(t, len(d.cluster.View().Losses()), 2, "losses")
	})
}
