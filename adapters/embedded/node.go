// Package embedded is the durable store of a single Footfall: one bbolt file.
//
// URL: embedded://DIR; the file is DIR/footfall.db (format.go), for one process
// at a time, and never shrinks. Start checks its size and, for 3 s at most, that
// its pages are in place. What was answered survives a crash and, where the disk
// keeps what it was told to sync, a power cut: every change is one transaction,
// synced first. The current window's ids are in memory as well.
// Failure: an error before the commit wraps counting.ErrNotApplied; one of the
// commit (a full or broken disk) leaves the outcome unknown until it is asked.
package embedded

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Node is the one node of its ring. Its methods are safe for concurrent use;
// before Start and after Stop they are counting.ErrClosed.
type Node struct {
	counting.Immovable // there is no other node in its ring

	dir  string
	now  func() time.Time
	open openFile
	// checking is how long Start may check the file.
	checking time.Duration

	// starting is held by Start and Stop.
	starting sync.Mutex
	db       atomic.Pointer[bolt.DB]
	// writing has room for the one that writes, who may wait for it no
	// longer than his context lasts.
	writing chan struct{}
	// suspect says that the last commit failed: what is read may not be on
	// the disk. It belongs to the one that writes, as seen does.
	suspect bool
	seen    seen
	// ring is the last one that was decoded.
	ring atomic.Pointer[knownRing]
}

var (
	_ counting.Counts    = (*Node)(nil)
	_ counting.Movable   = (*Node)(nil)
	_ counting.Windows   = (*Node)(nil)
	_ counting.Ledger    = (*Node)(nil)
	_ sharding.RingStore = (*Node)(nil)
)

// Options say where a node keeps its file.
type Options struct {
	// Dir is made, for the user alone, where it isn't there.
	Dir string
	// Now is the node's clock, time.Now where it is nil.
	Now func() time.Time
}

// New makes a node; Start opens its file.
func New(o Options) *Node {
	n := &Node{dir: o.Dir, now: o.Now, checking: checkFor, writing: make(chan struct{}, 1)}
	if n.now == nil {
		n.now = time.Now
	}
	return n
}

// Start opens the file, and makes it where there is none. Its errors wrap
// ErrInUse, ErrDamaged, ErrFormat, or one of ctx or the file system. Of a file
// that takes longer to check, damage behind what was checked ends the process
// when it is touched. Starting a node that is started does nothing.
func (n *Node) Start(ctx context.Context) error {
	n.starting.Lock()
	defer n.starting.Unlock()
	if n.db.Load() != nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("embedded: start: %w", err)
	}
	db, err := n.openDB(ctx)
	if err != nil {
		return err
	}
	n.ring.Store(nil)
	n.suspect, n.seen = false, seen{}
	n.db.Store(db)
	return nil
}

// Stop waits for the calls that are under way and closes the file. When its
// context is over first the node is still started, and Stop may be called
// again. Stopping a node that isn't started does nothing.
func (n *Node) Stop(ctx context.Context) error {
	n.starting.Lock()
	defer n.starting.Unlock()
	db := n.db.Load()
	if db == nil {
		return nil
	}
	select {
	case n.writing <- struct{}{}:
		defer func() { <-n.writing }()
	case <-ctx.Done():
		return fmt.Errorf("embedded: stop: %w", ctx.Err())
	}
	n.db.Store(nil)
	if err := db.Close(); err != nil {
		return fmt.Errorf("embedded: stop: %w", err)
	}
	return nil
}

// ID implements sharding.RingStore.
func (n *Node) ID() counting.NodeID { return "embedded" }

// Addr implements sharding.RingStore: it isn't the directory, which may be moved.
func (n *Node) Addr() string { return "embedded" }
