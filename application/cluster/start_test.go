package cluster_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/check"
)

var errCrash = errors.New("crash")

// V15, V17: the ring is one, whatever the order of the addresses.
func TestInstancesThatStartAtOnceAgreeOnARing(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Millisecond, 300 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			nodes := newNodes(3)
			for _, n := range nodes {
				n.delay = delay
			}
			var clusters []*cluster.Cluster
			for range 8 {
				nodes := slices.Clone(nodes)
				if len(clusters)%2 == 1 {
					slices.Reverse(nodes)
				}
				clusters = append(clusters, newCluster(t, nodes))
			}
			mustStart(t, clusters...)
			wantOneRing(t, nodes, clusters...)
			for i, m := range clusters[1].View().Nodes {
				check.Equal(t, m.ID(), nodes[i].ID(), "member %d", i)
			}
		})
	}
}

func TestALaterStartFindsTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, first := started(t, 3)
		later := join(t, nodes)
		wantOneRing(t, nodes, first, later)
	})
}

// The one who began may die after any of its steps.
func TestAFirstStarterThatDiesIsTakenOver(t *testing.T) {
	for steps := range int64(7) {
		synctest.Test(t, func(t *testing.T) {
			nodes := newNodes(3)
			var made atomic.Int64 // steps that change a node
			dying := make([]cluster.Node, len(nodes))
			for i, n := range nodes {
				dying[i] = &chaos.Link{Far: n.Node, Around: func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
					if (c.Method == "fence" || c.Method == "open") && made.Add(1) > steps {
						return nil, errCrash
					}
					return do(ctx)
				}}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := newClusterOf(t, cluster.Options{Nodes: dying}).Start(ctx)
			if steps < 6 && err == nil {
				t.Fatalf("after %d steps: the first starter did not die", steps)
			}
			second, third := newCluster(t, nodes), newCluster(t, nodes)
			mustStart(t, second, third)
			wantOneRing(t, nodes, second, third)
		})
	}
}

// A start that is slow, and not dead, still ends with one ring.
func TestAFirstStarterThatWasSupersededJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newNodes(3)
		stall := make(chan struct{})
		var once atomic.Bool
		nodes[1].open = func() {
			if once.CompareAndSwap(false, true) {
				<-stall
			}
		}
		slow, quick := newCluster(t, nodes), newCluster(t, nodes)
		started := make(chan []error)
		go func() { started <- startAll(t, slow) }()
		time.Sleep(50 * time.Millisecond)
		mustStart(t, quick)
		close(stall)
		check.OK(t, (<-started)[0])
		wantOneRing(t, nodes, slow, quick)
	})
}

func TestANodeThatIsDownAtTheFirstStartIsNamed(t *testing.T) {
	for _, hung := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			nodes := newNodes(3)
			nodes[1].away.Store(!hung)
			nodes[1].hung.Store(hung)
			c := newCluster(t, nodes)
			err := startAll(t, c)[0]
			check.Says(t, err, "node n2")
			for _, n := range nodes {
				if n.ring() != nil {
					t.Errorf("hung %t: %s has a ring", hung, n.ID())
				}
			}
		})
	}
}

func TestTheFirstStartWaitsForANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newNodes(3)
		nodes[2].away.Store(true)
		c := newCluster(t, nodes)
		time.AfterFunc(5*time.Second, func() { nodes[2].away.Store(false) })
		mustStart(t, c)
		wantOneRing(t, nodes, c)
	})
}

// V19: a node that is down later is a node that is down.
func TestANodeThatIsDownLaterStopsNoStart(t *testing.T) {
	for _, hung := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			nodes, first := started(t, 3)
			nodes[0].away.Store(!hung)
			nodes[0].hung.Store(hung)
			later := join(t, nodes)
			check.Equal(t, later.View().ChangeID(), first.View().ChangeID(), "hung %t: the ring of change", hung)
			if !answers(t, later) {
				t.Errorf("hung %t: not ready, though two nodes answer", hung)
			}
		})
	}
}

// V9: a node that came back empty is lost, not new.
func TestANodeThatCameBackEmptyIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, first := started(t, 3)
		nodes[0].Restore(localnode.Snapshot{})
		later := join(t, nodes)
		if nodes[0].ring() != nil {
			t.Error("the empty node has a ring")
		}
		check.Equal(t, later.View().ChangeID(), first.View().ChangeID(), "the ring of change")
	})
}

func TestAnotherLengthOfWindowsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := started(t, 3)
		other := newClusterOf(t, cluster.Options{Nodes: asNodes(nodes), Length: counting.WindowLength(2 * time.Second)})
		err := startAll(t, other)[0]
		check.Says(t, err, "1m0s", "2s")
		if other.View() != nil {
			t.Error("it has a ring all the same")
		}
	})
}

func TestAMemberThatIsNotConfiguredIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := started(t, 3)
		err := startAll(t, newCluster(t, nodes[:2]))[0]
		check.Says(t, err, "n3")
	})
}

func TestANodeThatIsConfiguredTwiceIsAnError(t *testing.T) {
	n := newNodes(1)[0]
	check.Says(t, cluster.New(cluster.Options{Nodes: []cluster.Node{n, n}}).Start(t.Context()), "node n1 is configured twice")
}
