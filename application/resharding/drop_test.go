package resharding_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// knows gives a node an entry of each of so many windows, with the deliveries of so
// many endpoints, and returns what wants all of them to be shown.
func (c *counter) knows(t *testing.T, id counting.NodeID, windows int, endpoints func(i int) int) (wantShown func()) {
	t.Helper()
	minute := counting.WindowLength(time.Minute)
	var all []counting.FullEntry
	for i := range windows {
		e := counting.FullEntry{Entry: counting.Entry{
			Window: minute.At(time.Now()) - 10 - counting.Window(i), State: counting.Done, Count: int64(i), Sink: "log",
		}}
		if n := endpoints(i); n > 0 {
			e.Deliveries = counting.DeliveryTotals{Endpoints: n, Failed: n}
			e.ByEndpoint = make(map[string]counting.Delivery)
			for k := range n {
				e.ByEndpoint[fmt.Sprintf("http://e%d.example/", k)] = counting.Delivery{Attempts: k + 1, Final: true}
			}
		}
		all = append(all, e)
	}
	check.Must(t, c.nodes[id].ImportEntries(t.Context(), 1, all))
	return func() {
		t.Helper()
		counts := make(map[string]int64)
		listed, err := c.Windows(t.Context(), 10_000)
		for _, w := range listed {
			counts[w.ID] = w.Count
		}
		for _, e := range all {
			id := minute.Name(e.Window)
			if count, ok := counts[id]; !ok || count != e.Count {
				t.Fatalf("%s is listed with %d (%v, %v), want %d", id, count, ok, err, e.Count)
			}
			if len(e.ByEndpoint) == 0 {
				continue
			}
			_, deliveries, err := c.Deliveries(t.Context(), id)
			if err != nil || !maps.Equal(deliveries, e.ByEndpoint) {
				t.Errorf("%s has %d deliveries, %v, want %d", id, len(deliveries), err, len(e.ByEndpoint))
			}
		}
	}
}

// V31: however many homes wait for their disks, though all of it takes longer than
// windows, and whatever a node has of windows, all is handed over and the node is
// dropped.
func TestASlowHandOverEnds(t *testing.T) {
	for name, c := range map[string]struct {
		nodes, windows int
		endpoints      func(i int) int
		takes          time.Duration
	}{
		"to many":             {13, 100, func(int) int { return 0 }, time.Second},
		"longer than windows": {3, 40, func(int) int { return 520 }, 4 * time.Second}, // each entry goes alone
		"many entries":        {3, 1500, func(i int) int { return max(0, 1-i%500) * 700 }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := faults{before: func(ctx context.Context, _ counting.NodeID, call chaos.Call) error {
					if call.Method == "importentries" {
						return wait(ctx, c.takes)
					}
					return nil
				}}
				u := newCounter(t, newDeploymentOf(t, c.nodes, h.around))
				wantShown := u.knows(t, "n2", c.windows, c.endpoints)
				check.Value(u.ring.Remove(t.Context(), "n2", false))(t)
				u.resolve(t)
				u.forgotten(t, c.nodes-1)
				wantShown()
			})
		})
	}
}

// V31: the home of a lost member's windows may be the joining node of the change that
// drops a member. Another node takes the entries then.
func TestWindowsOfALostNodeAreNotHandedToAJoiningNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(t, newDeployment(t, 5))
		_ = c.ring.Stop(t.Context()) // no instance tidies up in between
		wantShown := c.knows(t, "n5", 100, func(int) int { return 0 })
		gone := func(_ sharding.Plan, err error) {
			t.Helper()
			check.Must(t, err)
			v := c.cluster.View()
			for _, m := range v.Moves() {
				check.Value(c.node(v.Nodes[m.From].ID()).ClaimArcs(t.Context(), v.Table(), []counting.Arc{m.Arc}))(t)
				check.Must(t, c.node(v.Nodes[m.To].ID()).CloseArc(t.Context(), v.Table(), m.Arc, 0))
			}
		}
		gone(c.ring.Remove(t.Context(), "n5", false))
		c.pass(t, 5)
		c.lose("n4")
		gone(c.ring.Abandon(t.Context(), false, "n4"))
		time.Sleep(5 * time.Second)
		check.Value(c.ring.Add(t.Context(), "n0:1", 1, false))(t)
		if v := c.cluster.View(); v.Index("n5") >= 0 || v.Index("n4") < 0 {
			t.Fatalf("members are %+v", v.Members())
		}
		wantShown()
	})
}
