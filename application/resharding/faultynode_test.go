package resharding_test

import (
	"context"
	"errors"
	"sync"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

var errWrongType = errors.New("WRONGTYPE Operation against a key holding the wrong kind of value")

// faultyNode is a node with something in the way of its steps of moves.
type faultyNode struct {
	*localnode.Node
	*faults
}

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

func (h *faults) around(n *localnode.Node) cluster.Node { return faultyNode{n, h} }

// set changes what is in the way, under the lock.
func (h *faults) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// meet lets a faultyNode act.
func (h *faults) meet(do func() error) error {
	err := do()
	if err != nil {
		h.set(func() { h.failed++ })
	}
	return err
}

func (h faultyNode) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.FrozenPages, error) {
	h.mu.Lock()
	claim, corrupt := h.claim, h.corrupt
	h.mu.Unlock()
	if claim != nil {
		if err := h.meet(func() error { return claim(ctx, h.ID(), len(arcs)) }); err != nil {
			return nil, err
		}
	}
	all, err := h.Node.ClaimArcs(ctx, table, arcs)
	for i := range all {
		if corrupt != nil && corrupt(arcs[i]) {
			all[i] = counting.FrozenPages{Err: h.meet(func() error { return counting.Corrupt })}
		}
	}
	return all, err
}

func (h faultyNode) FetchKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) ([]counting.StoredKey, string, error) {
	h.mu.Lock()
	wrong := h.wrong
	h.mu.Unlock()
	if wrong != nil && wrong(arc) {
		return nil, "", h.meet(func() error { return errWrongType })
	}
	return h.Node.FetchKeys(ctx, table, arc, cursor)
}

func (h faultyNode) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, pages []counting.Visit) (counting.ImportResult, error) {
	h.mu.Lock()
	take := h.take
	h.mu.Unlock()
	if take != nil {
		if err := h.meet(func() error { return take(ctx) }); err != nil {
			return counting.ImportResult{}, err
		}
	}
	return h.Node.Import(ctx, table, arc, pages)
}

func (h faultyNode) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.ImportResult, error) {
	h.mu.Lock()
	confirm := h.confirm
	h.mu.Unlock()
	if confirm != nil {
		if err := h.meet(func() error { return confirm(ctx, len(arcs)) }); err != nil {
			return nil, err
		}
	}
	return h.Node.Confirm(ctx, table, arcs)
}

func (h faultyNode) Accept(ctx context.Context, r *sharding.Ring) error {
	h.mu.Lock()
	approve := h.approve
	h.mu.Unlock()
	if approve != nil {
		if err := h.meet(approve); err != nil {
			return err
		}
	}
	return h.Node.Accept(ctx, r)
}
