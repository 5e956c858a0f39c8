package resharding_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/resharding"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// The ring of partitions never changes: a change is refused before any node is asked. What
// runs in the background, and a repair, have nothing to move.
func TestTheRingOfPartitionsNeverChanges(t *testing.T) {
	for _, many := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			var f faults
			d := newDeploymentOf(t, many, func(n *localnode.Node) cluster.Node {
				return chaos.NewPartition(f.around(n), "redis_10.0.0.1_6379")
			})
			d.count(t, 50)
			time.Sleep(time.Minute)
			check.Must(t, d.ring.Repair(t.Context()))
			st := d.ring.Status(t.Context())
			check.Equal(t, len(st.Sweep.Unswept), 0, "nodes that were not swept")
			check.Equal(t, st.Nodes[many-1].Host, "redis_10.0.0.1_6379", "the host of a partition")
			f.refuse(func(counting.NodeID, chaos.Call) bool { return true })
			for name, change := range map[string]func(*resharding.Service) (sharding.Plan, error){
				"add":     func(s *resharding.Service) (sharding.Plan, error) { return s.Add(t.Context(), "n9:1", 1, false) },
				"weight":  func(s *resharding.Service) (sharding.Plan, error) { return s.Reweight(t.Context(), "n1", 2, false) },
				"remove":  func(s *resharding.Service) (sharding.Plan, error) { return s.Remove(t.Context(), "n1", false) },
				"abandon": func(s *resharding.Service) (sharding.Plan, error) { return s.Abandon(t.Context(), false, "n1") },
				"dry run": func(s *resharding.Service) (sharding.Plan, error) { return s.Remove(t.Context(), "n1", true) },
			} {
				_, err := change(d.ring)
				check.Is(t, err, sharding.ErrFixed, "%s with %d partitions", name, many)
				without := resharding.New(resharding.Options{Cluster: d.cluster})
				_, err = change(without)
				check.Is(t, err, sharding.ErrFixed, "%s without an address to parse", name)
			}
			f.set(func() { f.before = nil })
			check.Equal(t, f.failed, 0, "calls of the nodes")
			check.Equal(t, d.ring.Status(t.Context()).Fence, 1, "the fence")
			d.wantCounted(t, 50)
		})
	}
}

// A partition that another server has is shown there: by the status, whose own call finds it
// there, and by the owner of a page.
func TestAPartitionIsShownAtTheServerThatHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f faults
		all := make(map[counting.NodeID]*chaos.Partition)
		d := newDeploymentOf(t, 2, func(n *localnode.Node) cluster.Node {
			all[n.ID()] = chaos.NewPartition(f.around(n), "redis_10.0.0.1_6379")
			return all[n.ID()]
		})
		at := d.ring.Owner("home")
		v := d.cluster.View()
		arc := v.Arc("home")
		want := sharding.PageOwner{Page: "home", Node: v.Nodes[v.Owner(arc)].ID(), Host: "redis_10.0.0.1_6379", Arc: arc}
		check.Equal(t, at, want, "the owner of a page")
		synctest.Wait() // calls of the start may have found it too
		f.set(func() {
			f.before = func(context.Context, counting.NodeID, chaos.Call) error {
				all[at.Node].MoveTo("redis_10.0.0.2_6379")
				return nil
			}
		})
		for _, n := range d.ring.Status(t.Context()).Nodes {
			host := map[bool]counting.NodeID{true: "redis_10.0.0.2_6379", false: "redis_10.0.0.1_6379"}[n.ID == at.Node]
			check.Equal(t, n.Host, host, "the host of %s", n.ID)
		}
		want.Host = "redis_10.0.0.2_6379"
		check.Equal(t, d.ring.Owner("home"), want, "the owner of a page after a failover")
	})
}

// immovable is a node from which and to which no arc moves.
type immovable struct{ cluster.Node }

// Several nodes that are no partitions, and between which no arc moves, have a fixed ring
// too. One such node is refused as a store of one node.
func TestTheRingOfImmovableNodesNeverChanges(t *testing.T) {
	for many, want := range map[int]error{1: sharding.ErrBadChange, 3: sharding.ErrFixed} {
		synctest.Test(t, func(t *testing.T) {
			d := newDeploymentOf(t, many, func(n *localnode.Node) cluster.Node { return immovable{n} })
			d.count(t, 20)
			alone := resharding.New(resharding.Options{Cluster: d.cluster})
			check.Is(t, check.Err(alone.Reweight(t.Context(), "n1", 2, false)), want, "a change with %d nodes", many)
			time.Sleep(time.Minute)
			d.wantCounted(t, 20)
		})
	}
}
