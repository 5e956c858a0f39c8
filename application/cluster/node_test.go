package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// node is a memory node that can be away, slow, or fail where a start is
// most delicate. It tells how far it is unless it is silent.
type node struct {
	*localnode.Node
	away, hung atomic.Bool
	silent     atomic.Bool // it doesn't tell how far it is either
	delay      time.Duration
	states     atomic.Int64 // how often it was asked for its rings
	// open, when set, is called before Open.
	open func()
}

func newNodes(n int) []*node {
	nodes := make([]*node, n)
	for i := range nodes {
		id := fmt.Sprintf("n%d", i+1)
		nodes[i] = &node{Node: localnode.New(localnode.Options{ID: counting.NodeID(id), Addr: id + ":6379"})}
	}
	return nodes
}

// around is what happens to a call of the node.
func (n *node) around(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
	switch c.Method {
	case "ringsummary":
		if !n.silent.Load() {
			return do(ctx)
		}
	case "ringstate":
		n.states.Add(1)
	}
	if n.hung.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	time.Sleep(n.delay)
	if n.away.Load() {
		return nil, fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
	}
	if c.Method == "open" && n.open != nil {
		n.open()
	}
	return do(ctx)
}

// ring is the ring that a node has opened, nil when there is none.
func (n *node) ring() *sharding.Ring {
	s, err := n.Node.RingState(context.Background())
	if err != nil {
		return nil
	}
	return s.Opened
}

func asNodes(nodes []*node) []cluster.Node {
	all := make([]cluster.Node, len(nodes))
	for i, n := range nodes {
		all[i] = &chaos.Link{Far: n.Node, Around: n.around}
	}
	return all
}

// newCluster makes a cluster that ends with the test.
func newCluster(t *testing.T, nodes []*node) *cluster.Cluster {
	t.Helper()
	return newClusterOf(t, cluster.Options{Nodes: asNodes(nodes)})
}

func newClusterOf(t *testing.T, o cluster.Options) *cluster.Cluster {
	t.Helper()
	if o.Length == 0 {
		o.Length = counting.WindowLength(time.Minute)
	}
	o.EndpointLimit = 10
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := cluster.New(o)
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Stop(now)
	})
	return c
}

// started is a cluster that runs on n new nodes.
func started(t *testing.T, n int) ([]*node, *cluster.Cluster) {
	t.Helper()
	nodes := newNodes(n)
	return nodes, join(t, nodes)
}

// join starts one more cluster on nodes.
func join(t *testing.T, nodes []*node) *cluster.Cluster {
	t.Helper()
	c := newCluster(t, nodes)
	mustStart(t, c)
	return c
}

// startAll starts clusters at once, with 30 s for it, and returns their errors.
func startAll(t *testing.T, clusters ...*cluster.Cluster) []error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	errs := make([]error, len(clusters))
	var starting sync.WaitGroup
	for i, c := range clusters {
		starting.Go(func() { errs[i] = c.Start(ctx) })
	}
	starting.Wait()
	return errs
}

// mustStart starts clusters at once.
func mustStart(t *testing.T, clusters ...*cluster.Cluster) {
	t.Helper()
	for _, err := range startAll(t, clusters...) {
		check.Must(t, err)
	}
}

// wantOneRing fails the test unless all nodes have opened the ring of the
// clusters, which is the same for all of them.
func wantOneRing(t *testing.T, nodes []*node, clusters ...*cluster.Cluster) {
	t.Helper()
	want := clusters[0].View().ChangeID()
	for _, c := range clusters[1:] {
		check.Equal(t, c.View().ChangeID(), want, "the changes that two instances have")
	}
	for _, n := range nodes {
		if r := n.ring(); r == nil || r.ChangeID() != want {
			t.Errorf("%s has the ring %v, want that of change %s", n.ID(), r, want)
		}
	}
}
