package resharding_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

var errWrongType = errors.New("WRONGTYPE Operation against a key holding the wrong kind of value")

// faults are shared by all nodes.
type faults struct {
	mu sync.Mutex
	// before is called before each call of a node, which is not made if it fails.
	before  func(ctx context.Context, node counting.NodeID, c chaos.Call) error
	corrupt func(arc counting.Arc) bool // that is what its claim says
	failed  int
}

// around is a node with the faults in the way of its calls.
func (h *faults) around(n *localnode.Node) cluster.Node {
	return &chaos.Link{Far: n, Around: func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
		h.mu.Lock()
		before := h.before
		h.mu.Unlock()
		if before != nil {
			if err := before(ctx, n.ID(), c); err != nil {
				h.set(func() { h.failed++ })
				return nil, err
			}
		}
		v, err := do(ctx)
		if all, ok := v.([]counting.FrozenPages); ok {
			h.corruptSome(c.Arcs, all)
		}
		return v, err
	}}
}

// corruptSome makes the claims of some arcs fail.
func (h *faults) corruptSome(arcs []counting.Arc, all []counting.FrozenPages) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range all {
		if h.corrupt != nil && h.corrupt(arcs[i]) {
			all[i] = counting.FrozenPages{Err: counting.Corrupt}
			h.failed++
		}
	}
}

// refuse has nodes refuse some of the calls.
func (h *faults) refuse(which func(counting.NodeID, chaos.Call) bool) {
	h.set(func() {
		h.before = func(_ context.Context, node counting.NodeID, c chaos.Call) error {
			if which(node, c) {
				return errors.New("connection refused")
			}
			return nil
		}
	})
}

// set changes what is in the way, under the lock.
func (h *faults) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// wait is a call that takes some time.
func wait(ctx context.Context, takes time.Duration) error {
	select {
	case <-time.After(takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
