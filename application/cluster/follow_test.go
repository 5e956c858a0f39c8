package cluster_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/domain/watching"
	"footfall/test/check"
)

// change gives the nodes the ring after the one that they have.
func change(t *testing.T, nodes []*node, open bool) *sharding.Ring {
	t.Helper()
	r := check.Value(nodes[0].ring().Reweight(sharding.Change{ID: "next"}, "n1", 2))(t)
	for _, n := range nodes {
		check.Value(n.Node.Fence(t.Context(), r))(t)
	}
	for _, n := range nodes {
		if !open {
			break
		}
		check.Must(t, n.Node.Open(t.Context(), r))
	}
	return r
}

// briefly is a context that ends long after all should be over.
func briefly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// wantNext wants the cluster to follow to the ring of epoch 2.
func wantNext(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	check.Must(t, c.Follow(briefly(t), 1))
	check.Equal(t, c.View().Epoch(), 2, "the epoch of the view")
}

// V17: an instance follows a change that another made.
func TestFollowReturnsWhenANewerRingIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, c := started(t, 3)
		r := change(t, nodes, false)
		time.AfterFunc(300*time.Millisecond, func() {
			for _, n := range nodes {
				_ = n.Node.Open(context.Background(), r)
			}
		})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { check.OK(t, c.Follow(briefly(t), 1)) })
		}
		all.Wait()
		check.Equal(t, c.View().Epoch(), 2, "the epoch of the view")
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := started(t, 3)
		check.OK(t, c.Follow(briefly(t), 0), "a newer ring than that of epoch 0 is there")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		check.Is(t, c.Follow(ctx, 1), context.DeadlineExceeded, "the call when no newer ring comes")
		time.Sleep(time.Second) // the search ends by itself
	})
}

func TestFollowFindsARingThatOneNodeHasOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, c := started(t, 3)
		r := change(t, nodes, false)
		check.Must(t, nodes[1].Node.Open(t.Context(), r))
		nodes[2].away.Store(true)
		wantNext(t, c)
	})
}

// A ring is large, and all nodes have the same one.
func TestFollowAsksOneNodeForTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, c := started(t, 5)
		synctest.Wait() // the first look is over, and the next a second away
		change(t, nodes, true)
		for _, n := range nodes {
			n.states.Store(0)
			n.delay = time.Millisecond
		}
		wantNext(t, c)
		asked := int64(0)
		for _, n := range nodes {
			asked += n.states.Load()
		}
		check.Equal(t, asked, 1, "calls for the ring")
	})
}

// One that shows a newer ring and doesn't hand it over holds up no caller for long.
func TestFollowAsksTheNextNodeForTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, c := started(t, 4)
		synctest.Wait()
		change(t, nodes, true)
		nodes[0].away.Store(true)
		nodes[1].hung.Store(true) // both still tell how far they are
		nodes[2].hung.Store(true)
		begin := time.Now()
		wantNext(t, c)
		if took := time.Since(begin); took > cluster.CallTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

// A node behind a ring that is open elsewhere is brought up by the instance that sends
// it something.
func TestANodeThatIsBehindIsBroughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, c := started(t, 3)
		behind := nodes[2]
		r := change(t, nodes[:2], true)
		check.Must(t, c.Follow(briefly(t), 1))
		v := c.View()
		ticket := v.Nodes[v.Index("n3")].AddVisit(v.Epoch(), 0, "home", 1)
		check.OK(t, ticket.Wait())
		if got := behind.ring(); got.Epoch() != r.Epoch() {
			t.Errorf("the node is at epoch %d, want %d", got.Epoch(), r.Epoch())
		}
	})
}

func TestALaterStartBringsUpWhoIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := started(t, 3)
		change(t, nodes[:1], true)
		later := join(t, nodes)
		wantOneRing(t, nodes, later)
	})
}

// answers tells whether any node of the ring does.
func answers(t *testing.T, c *cluster.Cluster) bool {
	t.Helper()
	return slices.ContainsFunc(c.Nodes(t.Context()), func(n watching.Node) bool { return n.Answers })
}

// V26: what makes a service ready, that a node answers, is false when none
// does, and before the start.
func TestReadyMeansThatANodeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newNodes(3)
		c := newCluster(t, nodes)
		if answers(t, c) {
			t.Error("ready before the start")
		}
		mustStart(t, c)
		for _, n := range nodes {
			if !answers(t, c) {
				t.Error("not ready, though a node answers")
			}
			n.hung.Store(true)
		}
		if answers(t, c) {
			t.Error("ready, though every node is down")
		}
	})
}

func TestEachNamesTheNodeThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := started(t, 3)
		called := make([]bool, 3)
		begin := time.Now()
		err := c.View().Each(t.Context(), func(ctx context.Context, i int, _ *cluster.Member) error {
			called[i] = true
			if i == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		if err == nil || err.Error() != "node n2: context deadline exceeded" {
			t.Errorf("the error is %v", err)
		}
		check.Equal(t, time.Since(begin), cluster.CallTimeout, "what it took")
		for i := range called {
			if !called[i] {
				t.Errorf("member %d was not called", i)
			}
		}
	})
}

func TestStopFlushesEveryNodeAndMayBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newNodes(3)
		flushes := make(chan counting.NodeID, 10)
		c := newClusterOf(t, cluster.Options{Nodes: asNodes(nodes), Observer: func(n counting.NodeID) func(groupcommit.Flush) {
			return func(groupcommit.Flush) { flushes <- n }
		}})
		mustStart(t, c)
		var tickets []groupcommit.Ticket
		for _, m := range c.View().Nodes {
			tickets = append(tickets, m.AddVisit(1, 0, "home", 1))
		}
		for range 2 {
			check.OK(t, c.Stop(t.Context()))
		}
		for _, ticket := range tickets {
			check.OK(t, ticket.Wait())
		}
		check.Equal(t, len(flushes), 3, "flushes")
		for id, q := range c.Queued() {
			check.Equal(t, q, 0, "what is queued for %s", id)
		}
		check.OK(t, newCluster(t, nodes).Stop(t.Context()), "stop without start")
	})
}

func TestALossIsReportedWithTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newNodes(1)
		lost := make(map[counting.NodeID]int64)
		c := newClusterOf(t, cluster.Options{Nodes: asNodes(nodes), Lost: func(n counting.NodeID, batches int64) { lost[n] += batches }})
		mustStart(t, c)
		empty := nodes[0].Snapshot()
		for range 3 {
			check.Must(t, c.View().Nodes[0].AddVisit(1, 0, "home", 1).Wait())
			time.Sleep(time.Minute)
		}
		nodes[0].Restore(empty)
		check.Must(t, c.View().Nodes[0].AddVisit(1, 0, "home", 1).Wait())
		check.Equal(t, lost["n1"], 3, "lost batches of n1 in %v", lost)
	})
}

func TestStopEndsThoseWhoFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := started(t, 3)
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() { check.Fails(t, c.Follow(t.Context(), c.View().Epoch()), "found a ring that is not there") })
		}
		time.Sleep(12 * time.Millisecond) // in the middle of a search
		check.OK(t, c.Stop(t.Context()))
		callers.Wait()
	})
}
