package cluster_test

import (
	"testing"
	"testing/synctest"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// P3: an id that has become free may be given to another server, and a node that
// is configured may be known there by another address.
func TestANodeIsTheServerThatTheRingMeans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterOf(t, cluster.Options{
			Nodes: asNodes(newNodes(3)),
			Dial: func(id counting.NodeID, addr string) (cluster.Node, error) {
				return localnode.New(localnode.Options{ID: id, Addr: addr}), nil
			},
		})
		mustStart(t, c)
		node := func(m sharding.Member) *cluster.Member {
			t.Helper()
			return check.Value(c.Node(m))(t)
		}
		first := node(sharding.Member{ID: "n9", Addr: "first:1"})
		if node(sharding.Member{ID: "n9", Addr: "first:1"}) != first {
			t.Error("the same server is dialled again")
		}
		second := node(sharding.Member{ID: "n9", Addr: "second:1"})
		if second == first || second.Addr() != "second:1" {
			t.Errorf("n9 at second:1 is taken for the one at %s", second.Addr())
		}
		synctest.Wait()
		refused := groupcommit.Ticket{}
		check.Equal(t, first.AddVisit(1, 0, "home", 1), refused, "a visit of the server before")
		if second.AddVisit(1, 0, "home", 1) == refused {
			t.Error("the server that came later takes no visit")
		}
		known := node(c.View().Members()[0])
		if m := c.View().Members()[0]; node(sharding.Member{ID: m.ID, Addr: "alias:1"}) != known {
			t.Error("a member that is in the ring all along is dialled by another address")
		}
		if m := c.View().Members()[0]; node(sharding.Member{ID: m.ID, Addr: "other:1", Since: 7}) == known {
			t.Error("a member that came later, at another address, is taken for the one before")
		}

		// N9: by a shorter list, a server has the name of another member.
		m := c.View().Members()[0]
		named := []sharding.Member{{ID: m.ID, Addr: "other:1", Weight: 1}, {ID: m.ID + "_long", Addr: m.Addr, Weight: 1}}
		ring := check.Value(sharding.New(c.View().Deployment(), 1, c.View().Length(), "named", named))(t)
		for i, found := range check.Value(c.Present(ring))(t) {
			check.Equal(t, found.Addr(), named[i].Addr, "the address of %s", named[i].ID)
		}
	})
}
