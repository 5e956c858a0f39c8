// Package memory is a node that keeps everything in maps: for tests, for
// simulations of many nodes, and for trying Footfall out.
//
// URL: memory://. Nothing outlives the process. Its clock is the process's
// own, unless Options says otherwise. It fails only when it is closed, or
// when the context of a call is over before the call begins.
package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Node is one node. Its methods are safe for concurrent use.
type Node struct {
	id   counting.NodeID
	addr string
	now  func() time.Time

	mu     sync.Mutex
	closed bool
	state  state
}

var (
	_ counting.Counts    = (*Node)(nil)
	_ counting.Movable   = (*Node)(nil)
	_ counting.Windows   = (*Node)(nil)
	_ counting.Ledger    = (*Node)(nil)
	_ sharding.RingStore = (*Node)(nil)
)

// Options say what a node is called.
type Options struct {
	// ID and Addr are those of the member of the ring; memory where they
	// are empty.
	ID   counting.NodeID
	Addr string
	// Now is the node's clock, time.Now where it is nil.
	Now func() time.Time
}

// New makes an empty node.
func New(o Options) *Node {
	n := &Node{id: o.ID, addr: o.Addr, now: o.Now, state: empty()}
	if n.id == "" {
		n.id = "memory"
	}
	if n.addr == "" {
		n.addr = "memory"
	}
	if n.now == nil {
		n.now = time.Now
	}
	return n
}

// Close makes every later call counting.ErrClosed.
func (n *Node) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
}

// ID implements sharding.RingStore.
func (n *Node) ID() counting.NodeID { return n.id }

// Addr implements sharding.RingStore.
func (n *Node) Addr() string { return n.addr }

// RingState implements sharding.RingStore.
func (n *Node) RingState(ctx context.Context) (sharding.RingState, error) {
	if err := n.lockMember(ctx); err != nil {
		return sharding.RingState{}, fmt.Errorf("standing of %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	return n.state.standing, nil
}

// RingSummary implements sharding.RingStore.
func (n *Node) RingSummary(ctx context.Context) (sharding.RingSummary, error) {
	if err := n.lockMember(ctx); err != nil {
		return sharding.RingSummary{}, fmt.Errorf("pulse of %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	p, err := n.state.standing.Summary()
	p.Keys = n.state.keysKept(counting.DayOf(n.now()))
	return p, err
}

// Fence implements sharding.RingStore.
func (n *Node) Fence(ctx context.Context, r *sharding.Ring) (counting.Window, error) {
	if err := n.lock(ctx); err != nil {
		return 0, fmt.Errorf("fence %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	ending := 0
	for _, arc := range r.CancelledMoves(n.id) {
		if _, coming := n.state.coming[arc]; coming {
			ending++
		}
	}
	next, err := n.state.standing.Fence(n.id, r, ending)
	if err != nil {
		return 0, fmt.Errorf("fence %s: %w", n.id, err)
	}
	n.state.owner, n.state.standing = n.id, next
	return n.current(), nil
}

// Accept implements sharding.RingStore.
func (n *Node) Accept(ctx context.Context, r *sharding.Ring) error {
	if err := n.lock(ctx); err != nil {
		return fmt.Errorf("approve on %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	next, err := n.state.standing.Accept(r)
	if err != nil {
		return fmt.Errorf("approve on %s: %w", n.id, err)
	}
	n.state.standing = next
	return nil
}

// Open implements sharding.RingStore.
func (n *Node) Open(ctx context.Context, r *sharding.Ring) error {
	if err := n.lock(ctx); err != nil {
		return fmt.Errorf("open %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	next, err := n.state.standing.Open(n.id, r)
	if err != nil {
		return fmt.Errorf("open %s: %w", n.id, err)
	}
	if before := n.state.standing.Opened; before == nil || before.Table() != next.Opened.Table() {
		n.state.startMoves(next.Opened)
	}
	n.state.standing = next
	return nil
}

// lock takes the mutex, which the caller gives back unless there is an error.
func (n *Node) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", counting.ErrNotApplied, err)
	}
	n.mu.Lock()
	switch {
	case n.closed:
		n.mu.Unlock()
		return counting.ErrClosed
	case n.state.owner != "" && n.state.owner != n.id:
		n.mu.Unlock()
		return fmt.Errorf("%w: it is %s", counting.ErrWrongNode, n.state.owner)
	}
	return nil
}

// lockMember is lock for what a node can do only as part of a ring.
func (n *Node) lockMember(ctx context.Context) error {
	if err := n.lock(ctx); err != nil {
		return err
	}
	if n.state.standing.Fenced == nil {
		n.mu.Unlock()
		return counting.ErrUninitialized
	}
	return nil
}

// current is the window that an id would go to.
func (n *Node) current() counting.Window {
	return counting.CurrentWindow(n.length().At(n.now()), n.state.sealed)
}

func (n *Node) length() counting.WindowLength { return n.state.standing.Fenced.Length() }
