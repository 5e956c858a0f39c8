package resharding_test

import (
	"context"
	"errors"
	"sync"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

var errWrongType = errors.New("WRONGTYPE Operation against a key holding the wrong kind of value")

// faults are shared by all nodes. What they do is done before the call.
type faults struct {
	mu sync.Mutex
	// claim and confirm get the number of arcs.
	claim   func(ctx context.Context, node counting.NodeID, arcs int) error
	take    func(ctx context.Context) error
	confirm func(ctx context.Context, arcs int) error
	approve func() error
	corrupt func(arc counting.Arc) bool // that is what its claim says
	wrong   func(arc counting.Arc) bool // its keys can't be fetched
	failed  int
}

// around is a node with the faults in the way of its steps of moves.
func (h *faults) around(n *localnode.Node) cluster.Node {
	return &chaos.Link{Far: n, Around: func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
		if err := h.before(ctx, n.ID(), c); err != nil {
			h.set(func() { h.failed++ })
			return nil, err
		}
		v, err := do(ctx)
		if all, ok := v.([]counting.FrozenPages); ok {
			h.corruptSome(c.Arcs, all)
		}
		return v, err
	}}
}

// before is what stands in the way of a call.
func (h *faults) before(ctx context.Context, id counting.NodeID, c chaos.Call) error {
	h.mu.Lock()
	claim, take, confirm, approve, wrong := h.claim, h.take, h.confirm, h.approve, h.wrong
	h.mu.Unlock()
	switch {
	case c.Method == "claimarcs" && claim != nil:
		return claim(ctx, id, len(c.Arcs))
	case c.Method == "fetch" && wrong != nil && wrong(c.Arcs[0]):
		return errWrongType
	case c.Method == "import" && take != nil:
		return take(ctx)
	case c.Method == "confirm" && confirm != nil:
		return confirm(ctx, len(c.Arcs))
	case c.Method == "accept" && approve != nil:
		return approve()
	}
	return nil
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

// set changes what is in the way, under the lock.
func (h *faults) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}
