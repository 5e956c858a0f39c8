package localnode

import (
	"context"
	"time"

	"github.com/google/btree"

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

// Close makes every later call counting.ErrClosed.
func (m *Node) Close() {
	m.tree.mu.Lock()
	defer m.tree.mu.Unlock()
	m.tree.closed = true
}

// Snapshot is all that a node knew at one moment. The zero Snapshot is that
// of a node that came back empty.
type Snapshot struct {
	items *btree.BTreeG[item]
	ring  *knownRing
}

// Snapshot copies what the node knows. That costs nothing until it is changed.
func (m *Node) Snapshot() Snapshot {
	defer m.hold()()
	return Snapshot{m.tree.items.Clone(), m.ring.Load()}
}

// Restore rolls the node back to an older state, or makes it a copy of another
// node, as a fail-over or a wrong backup does. A Snapshot can be used again,
// but not by two calls at the same time.
func (m *Node) Restore(to Snapshot) {
	defer m.hold()()
	if to.items == nil {
		empty := newTree()
		_ = prepare(treeBucket{empty, rootNumber}, true) // it can't fail in memory
		to.items = empty.items
	}
	m.tree.items = to.items.Clone()
	m.ring.Store(to.ring)
	m.seen = seen{}
	m.count.again()
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
