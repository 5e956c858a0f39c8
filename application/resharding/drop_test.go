package resharding_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// syncing is a node that has entries on its disk after some time.
type syncing struct {
	*localnode.Node
	takes time.Duration
}

func (n syncing) ImportEntries(ctx context.Context, table counting.Epoch, entries []counting.FullEntry) error {
	select {
	case <-time.After(n.takes):
		return n.Node.ImportEntries(ctx, table, entries)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// knows gives a node an entry of each of so many windows, with so many calls, and
// returns what wants all of them to be listed.
func (c *counter) knows(t *testing.T, id counting.NodeID, windows, calls int) (wantListed func()) {
	t.Helper()
	var all []counting.FullEntry
	for i := range windows {
		e := counting.FullEntry{ByEndpoint: make(map[string]counting.Delivery)}
		e.Window = counting.WindowLength(time.Minute).At(time.Now()) - 10 - counting.Window(i)
		e.State, e.Count, e.Sink = counting.Done, int64(i), "log"
		for k := range calls {
			e.ByEndpoint[fmt.Sprintf("http://e%d.example/", k)] = counting.Delivery{Attempts: 1, Final: true}
		}
		e.Deliveries = counting.DeliveryTotals{Endpoints: calls, Failed: calls}
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
			id := counting.WindowLength(time.Minute).Name(e.Window)
			if count, ok := counts[id]; !ok || count != e.Count {
				t.Fatalf("%s is listed with %d (%v, %v), want %d", id, count, ok, err, e.Count)
			}
		}
	}
}

// V31: however many homes wait for their disks, and though all of it takes longer than
// windows, a node is let go.
func TestASlowHandOverEnds(t *testing.T) {
	for _, c := range []struct {
		name                  string
		nodes, windows, calls int
		takes                 time.Duration
	}{
		{"to many", 13, 100, 0, time.Second},
		{"longer than windows", 3, 60, 600, 4 * time.Second}, // each with its calls goes alone
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newCounter(t, newDeploymentOf(t, c.nodes, func(n *localnode.Node) cluster.Node { return syncing{n, c.takes} }))
				wantListed := u.knows(t, "n2", c.windows, c.calls)
				check.Value(u.ring.Remove(t.Context(), "n2", false))(t)
				u.resolve(t)
				u.forgotten(t, c.nodes-1)
				wantListed()
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
		wantListed := c.knows(t, "n5", 100, 1)
		gone := func(_ sharding.Plan, err error) {
			t.Helper()
			check.Must(t, err)
			v := c.cluster.View()
			for _, m := range v.Ring.Moves() {
				check.Value(c.node(v.Nodes[m.From].ID()).ClaimArcs(t.Context(), v.Table(), []counting.Arc{m.Arc}))(t)
				check.Must(t, c.node(v.Nodes[m.To].ID()).CloseArc(t.Context(), v.Table(), m.Arc, 0))
			}
		}
		gone(c.ring.Remove(t.Context(), "n5", false))
		c.pass(t, 5)
		c.lose("n4")
		gone(c.ring.Abandon(t.Context(), "n4"))
		time.Sleep(5 * time.Second)
		check.Value(c.ring.Add(t.Context(), "n0:1", 1, false))(t)
		if v := c.cluster.View(); v.Index("n5") >= 0 || v.Index("n4") < 0 {
			t.Fatalf("members are %+v", v.Members())
		}
		wantListed()
	})
}
