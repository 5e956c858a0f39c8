package bootstrap_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/bootstrap"
	"footfall/domain/counting"
	"footfall/test/check"
)

// slowNode needs 0.8 s for a batch.
type slowNode struct {
	*localnode.Node
	applying chan struct{}
	applied  atomic.Bool
}

func (n *slowNode) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	close(n.applying)
	time.Sleep(800 * time.Millisecond) // longer than the drain, which is the first stage of a stop
	defer n.applied.Store(true)
	return n.Node.Apply(ctx, b)
}

// V23, P10: accepted visits are applied before the store is closed, also when no
// request waits for them any more.
func TestTheStoreIsStoppedAfterTheLastBatch(t *testing.T) {
	t.Parallel()
	node := &slowNode{Node: localnode.New(localnode.Options{}), applying: make(chan struct{})}
	store := bootstrap.Store{
		Nodes: []cluster.Node{node},
		Start: func(context.Context) error { return nil },
		Stop: func(context.Context) error {
			if !node.applied.Load() {
				t.Error("the store is stopped while it applies a batch")
			}
			return nil
		},
	}
	visits, stop, err := bootstrap.Start(t.Context(), store, t.TempDir())
	check.Must(t, err)
	recorded := make(chan error)
	go func() { recorded <- visits.Record(t.Context(), "home", 1) }()
	<-node.applying
	check.OK(t, stop(t.Context()))
	check.OK(t, <-recorded)
}
