package cluster_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/check"
)

// partitions are nodes as a Redis Cluster has them, all on one server.
func partitions(nodes []*node) (all []cluster.Node) {
	for _, n := range asNodes(nodes) {
		all = append(all, chaos.NewPartition(n, "redis_10.0.0.1_6379"))
	}
	return all
}

// startedPartitions is a cluster that runs on n new partitions.
func startedPartitions(t *testing.T, n int) ([]*node, *cluster.Cluster) {
	t.Helper()
	nodes := newNodes(n)
	c := newClusterOf(t, cluster.Options{Nodes: partitions(nodes)})
	mustStart(t, c)
	return nodes, c
}

// A partition is shown with the server that has it now, at no cost for a request.
func TestAPartitionIsServedViaItsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newNodes(2)
		first := chaos.NewPartition(nodes[0].Node, "")
		c := newClusterOf(t, cluster.Options{Nodes: []cluster.Node{first, chaos.NewPartition(nodes[1].Node, "redis_10.0.0.2_6379")}})
		mustStart(t, c)
		m := c.View().Nodes[0]
		check.Equal(t, m.Via(), "n1", "what answers while no server is known")
		check.Equal(t, c.Nodes(t.Context())[0].Host, "", "the host while no server is known")
		first.MoveTo("redis_10.0.0.1_6379")
		check.Equal(t, m.Via(), "redis_10.0.0.1_6379", "what answers")
		check.Equal(t, c.Nodes(t.Context())[0].Host, "redis_10.0.0.1_6379", "the host")
		first.MoveTo("redis_10.0.0.3_6379")
		check.Equal(t, m.Via(), "redis_10.0.0.3_6379", "what answers after a fail-over")
		check.Equal(t, c.View().Nodes[1].Via(), "redis_10.0.0.2_6379", "what answers for the other partition")
		check.Equal(t, testing.AllocsPerRun(100, func() { m.Via() }), 0, "allocations")
	})
}

func TestAnotherNodeIsServedViaItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := started(t, 2)
		check.Equal(t, c.View().Nodes[0].Via(), "n1", "what answers")
		check.Equal(t, c.Nodes(t.Context())[0].Host, "", "the host")
	})
}

// The number of partitions is part of the store. Another one must not start beside it.
func TestAnotherNumberOfPartitionsIsAnError(t *testing.T) {
	const why = "the store has 4 partitions: set ?partitions=4 in FOOTFALL_STORE"
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := startedPartitions(t, 4)
		for _, others := range [][]*node{nodes[:2], append(newNodes(8)[4:], nodes...)} {
			begin := time.Now()
			check.Says(t, startAll(t, newClusterOf(t, cluster.Options{Nodes: partitions(others)}))[0], why)
			check.Equal(t, time.Since(begin), 0, "the time until it failed")
		}
	})
	synctest.Test(t, func(t *testing.T) { // a first start that ended when the nodes were fenced
		nodes := newNodes(4)
		var all []cluster.Node
		for _, n := range nodes {
			all = append(all, chaos.NewPartition(&chaos.Link{Far: n.Node, Around: func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
				if c.Method == "open" {
					return nil, errCrash
				}
				return do(ctx)
			}}, ""))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		check.Fails(t, newClusterOf(t, cluster.Options{Nodes: all}).Start(ctx), "the first start")
		check.Says(t, startAll(t, newClusterOf(t, cluster.Options{Nodes: partitions(nodes[:2])}))[0], why)
		if nodes[0].ring() != nil {
			t.Error("a ring was opened")
		}
	})
}

// sendTo sends a visit to the first node of a cluster and waits for it.
func sendTo(c *cluster.Cluster, page counting.Page) error {
	return c.View().Nodes[0].AddVisit(c.View().Epoch(), 0, page, 1).Wait()
}

// A server that is cut off from a Redis Cluster accepts batches for up to 15 s, and they
// are lost. They are still kept.
func TestBatchesOfPartitionsAreKeptForLonger(t *testing.T) {
	for hosted, lost := range map[bool]int64{true: 0, false: 1} {
		synctest.Test(t, func(t *testing.T) {
			nodes := newNodes(4)
			all := asNodes(nodes)
			if hosted {
				all = partitions(nodes)
			}
			var reported int64
			c := newClusterOf(t, cluster.Options{Nodes: all, Lost: func(_ counting.NodeID, batches int64) { reported += batches }})
			mustStart(t, c)
			check.Must(t, sendTo(c, "before"))
			before := nodes[0].Snapshot()
			check.Must(t, sendTo(c, "home"))
			time.Sleep(25 * time.Second)
			check.Must(t, sendTo(c, "home"))
			nodes[0].Restore(before)
			check.Must(t, sendTo(c, "home"))
			tallies := check.Value(nodes[0].Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Page: "home"}}))(t)
			check.Equal(t, tallies[0].Visits, 3-lost, "visits of partitions: %t", hosted)
			check.Equal(t, reported, lost, "lost batches of partitions: %t", hosted)
		})
	}
}

// P9: the waiting items, and the kept batches, of all partitions are bounded together.
func TestPartitionsShareTheirBounds(t *testing.T) {
	for many, want := range map[int]groupcommit.Options{
		1:  {MaxQueued: 16_384, KeepBytes: 64 << 20},
		4:  {MaxQueued: 16_384, KeepBytes: 16 << 20},
		16: {MaxQueued: 4_096, KeepBytes: 4 << 20},
		64: {MaxQueued: 2_048, KeepBytes: 1 << 20},
	} {
		var o groupcommit.Options
		cluster.BoundHosted(&o, many)
		check.Equal(t, fmt.Sprint(o.MaxQueued, o.KeepBytes, o.KeepFor), fmt.Sprint(want.MaxQueued, want.KeepBytes, 30*time.Second), "the bounds of one of %d partitions", many)
	}
	synctest.Test(t, func(t *testing.T) {
		nodes, c := startedPartitions(t, 16)
		nodes[0].hung.Store(true)
		c.View().Nodes[0].AddVisit(1, 0, "home", 1)
		synctest.Wait() // it is at the node, and the others wait
		for range groupcommit.MaxQueued {
			c.View().Nodes[0].AddVisit(1, 0, "home", 1)
		}
		check.Equal(t, c.Queued()["n1"], 4_096, "the waiting items of one partition")
	})
}

// A server that hangs has many partitions. A start asks them at the same time.
func TestAStartWaitsOnceForTheManyPartitionsOfAServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := startedPartitions(t, 64)
		for _, n := range nodes[:60] {
			n.hung.Store(true)
			n.silent.Store(true)
		}
		began := time.Now()
		mustStart(t, newClusterOf(t, cluster.Options{Nodes: partitions(nodes)}))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the start took %v", took)
		}
	})
}
