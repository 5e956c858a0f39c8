package localnode

import (
	"context"
	"time"

	"footfall/domain/counting"
)

// Node is a node that keeps everything in memory. Its arcs can move.
type Node struct {
	movable
	tree *tree
}

// Options of a Node.
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
	t := newTree()
	n := newCore(t, o)
	n.byArc, n.listed = true, 64
	m := &Node{movable{n}, t}
	m.Restore(Snapshot{})
	return m
}

// newCore makes a core over a driver. Where nothing else is said it is as a
// File needs it.
func newCore(d driver, o Options) *core {
	n := &core{id: o.ID, addr: o.Addr, now: o.Now, driver: d, listed: 500, writing: make(chan struct{}, 1)}
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
func (m *Node) Close() {
	m.tree.mu.Lock()
	defer m.tree.mu.Unlock()
	m.tree.closed = true
}

// Snapshot is all that a node knew at one moment. The zero Snapshot is that
// of a node that came back empty.
type Snapshot struct {
	items  *items
	lastID uint32
	ring   *knownRing
}

// Snapshot copies what the node knows, in constant time.
func (m *Node) Snapshot() Snapshot {
	defer m.hold()()
	return Snapshot{items: m.tree.items.Clone(), lastID: m.tree.lastID, ring: m.ring.Load()}
}

// Restore rolls the node back to an older state, or makes it a copy of another
// node, as a fail-over or a wrong backup does. A Snapshot can be used again,
// but not by two calls at once.
func (m *Node) Restore(to Snapshot) {
	defer m.hold()()
	if to.items == nil {
		empty := newTree()
		_ = prepare(&treeBucket{t: empty}, true) // it can't fail in memory
		to.items, to.lastID = empty.items, empty.lastID
	}
	m.tree.load(to.items.Clone(), to.lastID)
	m.ring.Store(to.ring)
	m.seen = seen{}
}

// hold keeps all other calls out until the function that it returns is called.
func (m *Node) hold() (release func()) {
	_ = m.lock(context.Background()) // it waits as long as it takes
	m.tree.mu.Lock()
	return func() {
		m.tree.mu.Unlock()
		m.unlock()
	}
}
