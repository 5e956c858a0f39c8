package bootstrap_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/bootstrap"
	"footfall/test/chaos"
	"footfall/test/check"
)

// V23, P10: accepted visits are applied before the store is closed, also when no
// request waits for them any more.
func TestTheStoreIsStoppedAfterTheLastBatch(t *testing.T) {
	t.Parallel()
	applying := make(chan struct{})
	var applied atomic.Bool
	slow := func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
		if c.Method == "apply" {
			close(applying)
			time.Sleep(800 * time.Millisecond) // longer than the drain, which is the first stage of a stop
			defer applied.Store(true)
		}
		return do(ctx)
	}
	store := bootstrap.Store{
		Nodes: []cluster.Node{&chaos.Link{Far: localnode.New(localnode.Options{}), Around: slow}},
		Stop: func(context.Context) error {
			if !applied.Load() {
				t.Error("the store is stopped while it applies a batch")
			}
			return nil
		},
	}
	visits, stop, err := bootstrap.Start(t.Context(), store, nil, t.TempDir())
	check.Must(t, err)
	recorded := make(chan error)
	go func() { recorded <- visits.Record(t.Context(), "home", 1) }()
	<-applying
	check.OK(t, stop(t.Context()))
	check.OK(t, <-recorded)
}
