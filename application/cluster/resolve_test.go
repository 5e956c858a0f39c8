package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"footfall/test/check"
)

// V13, P4: a change that was begun and left is finished if a node that answers
// has approved it, and undone if none has, whichever node is away.
func TestAChangeThatWasLeftIsFinishedIfItMayHaveBeenMade(t *testing.T) {
	for away := range 3 {
		for _, approved := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				nodes, c := started(t, 3)
				next := change(t, nodes, false)
				if approved {
					for i := range 2 { // the one that is away, and another
						check.Must(t, nodes[(away+i)%3].Node.Accept(t.Context(), next))
					}
				}
				nodes[away].away.Store(true)
				undone := c.View().ChangeID()
				begin := time.Now()
				check.Must(t, c.Resolve(t.Context(), c.View(), next.Epoch()))
				if took := time.Since(begin); took >= time.Second {
					t.Errorf("it took %v", took)
				}
				if got := c.View().ChangeID(); (got == next.ChangeID()) != approved || (got == undone) == approved {
					t.Errorf("away %d, approved %v: the ring is of change %s", away, approved, got)
				}
				nodes[away].away.Store(false)
				time.Sleep(5 * time.Second)
				wantOneRing(t, nodes, c)
			})
		}
	}
}

// P4: one node of three decides nothing, also when it is the first.
func TestWithoutAMajorityNothingIsDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, c := started(t, 3)
		next := change(t, nodes, false)
		nodes[1].away.Store(true)
		nodes[2].hung.Store(true)
		if err := c.Resolve(t.Context(), c.View(), next.Epoch()); err == nil || c.View().Epoch() != 1 {
			t.Errorf("epoch %d, %v", c.View().Epoch(), err)
		}
		check.Fails(t, c.Accept(t.Context(), c.View(), next), "one of three has made the change")
		nodes[1].away.Store(false)
		nodes[2].hung.Store(false)
		time.Sleep(5 * time.Second)
		wantOneRing(t, nodes, c)
		if got := c.View().ChangeID(); got != next.ChangeID() { // the first node has approved it
			t.Errorf("the ring is of change %s", got)
		}
	})
}

// Two instances that settle at once end with the same ring.
func TestTwoThatSettleAtOnceAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newNodes(3)
		for i, n := range nodes {
			n.delay = time.Duration(i+1) * time.Millisecond
		}
		a, b := newCluster(t, nodes), newCluster(t, nodes)
		mustStart(t, a, b)
		next := change(t, nodes, false)
		check.Must(t, nodes[2].Node.Accept(t.Context(), next))
		go func() { _ = a.Resolve(t.Context(), a.View(), next.Epoch()) }()
		time.Sleep(3 * time.Millisecond)
		_ = b.Resolve(t.Context(), b.View(), next.Epoch())
		time.Sleep(5 * time.Second)
		wantOneRing(t, nodes, a, b)
	})
}
