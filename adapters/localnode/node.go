// Package localnode is a node of this process, over a driver that stores
// buckets of keys in transactions (driver.go). What it stores is in format.go.
// There are two kinds.
//
// memory:// is Node, over a B-tree. Nothing outlives the process. It is for
// tests, for simulations of many nodes, and for trying Footfall out. It fails
// only when it is closed, or when the context of a call is over.
//
// embedded://DIR is File, the durable store of a single Footfall, over the bbolt
// file DIR/footfall.db. One process at a time may have it open, and it never
// shrinks. Every change is one transaction, which is synced before the answer.
// So an answered change survives a crash and, where the disk keeps what was
// synced, a power cut. An error before the commit wraps
// counting.ErrNotApplied. An error of the commit (a full or broken disk) leaves
// the outcome unknown until the change is repeated.
package localnode

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// core implements every port of a node but counting.Movable, over a driver.
// Its methods are safe for concurrent use. The ids of the current window are
// in memory as well.
type core struct {
	id     counting.NodeID
	addr   string
	now    func() time.Time
	driver driver
	// byArc: pages are stored by arc, which movable needs.
	byArc bool
	// listed is the most pages that one List returns.
	listed int

	// writing has room for the one writer, so that waiting for it ends with
	// the context of the call. The writer owns seen, saved and count.
	writing chan struct{}
	seen    seen
	count   pageCount
	// free is how many bytes are free on the disk, 1 at least; 0 where that is not known.
	free func() int64
	// ring caches the decoded ring of the store. saved is the ring that the running
	// transaction has written; it becomes ring when the transaction has committed.
	saved *knownRing
	ring  atomic.Pointer[knownRing]
	bound atomic.Pointer[string] // the deployment that calls mean, nil for any
}

var (
	_ counting.Counts      = (*core)(nil)
	_ counting.Windows     = (*core)(nil)
	_ counting.Ledger      = (*core)(nil)
	_ counting.DeadLetters = (*core)(nil)
	_ sharding.RingStore   = (*core)(nil)
)

// newCore makes a core over a driver. Where nothing else is said it is as a
// File needs it.
func newCore(d driver, o Options) *core {
	n := &core{
		id: cmp.Or(o.ID, "memory"), addr: cmp.Or(o.Addr, "memory"), now: o.Now,
		free: func() int64 { return 0 }, driver: d, listed: 500, writing: make(chan struct{}, 1),
	}
	if n.now == nil {
		n.now = time.Now
	}
	return n
}

// tx is one transaction of a node.
type tx struct {
	*core
	root bucket
	at   time.Time // by the clock of the node
	// state is what the node knows of the ring, version its version there.
	state   sharding.RingState
	version int64

	pages bucket
	// pageLimit and diskFull bound what a batch adds.
	pageLimit int
	diskFull  bool
	placing   placing
	// key is that of the last page. values has every count that was stored: the
	// driver keeps the slices until the transaction ends, so it is only appended to.
	key, values []byte
}

func (t *tx) table(name string) bucket { return table(t.root, name) }

// ID implements sharding.RingStore.
func (n *core) ID() counting.NodeID { return n.id }

// Addr implements sharding.RingStore.
func (n *core) Addr() string { return n.addr }

// ringCheck fails where what the node knows of the ring doesn't allow a call.
type ringCheck func(sharding.RingState) error

func anyRing(sharding.RingState) error { return nil }

// isMember: the node is part of a ring.
func isMember(s sharding.RingState) error {
	_, _, err := s.Epochs()
	return err
}

// serves: the callers route by the ring of an epoch.
func serves(epoch counting.Epoch) ringCheck {
	return func(s sharding.RingState) error { return s.Serves(epoch) }
}

// movesOf: the moves of the node are those of a table.
func movesOf(table counting.Epoch) ringCheck {
	return func(s sharding.RingState) error { return s.Moves(table) }
}

// view reads what is committed. Its error says what was done.
func (n *core) view(ctx context.Context, what string, check ringCheck, read func(*tx) error) error {
	err := notApplied(ctx.Err())
	if err == nil {
		err = n.driver.View(func(root bucket) error { return n.run(root, check, read) })
	}
	return n.failed(what, err)
}

// update makes a change that is durable when update returns nil. An error of
// change rolls everything back.
func (n *core) update(ctx context.Context, what string, check ringCheck, change func(*tx) error) error {
	if err := n.lock(ctx); err != nil {
		return n.failed(what, notApplied(err))
	}
	defer n.unlock()
	err := notApplied(ctx.Err())
	if err == nil {
		err = n.driver.Update(func(root bucket) error { return n.run(root, check, change) })
	}
	n.count.resolve(err == nil)
	n.seen.resolve(err == nil)
	if err == nil && n.saved != nil {
		n.ring.Store(n.saved)
	}
	n.saved = nil
	return n.failed(what, err)
}

// run does one transaction.
func (n *core) run(root bucket, check ringCheck, act func(*tx) error) error {
	t, err := n.begin(root)
	if err != nil {
		return err
	}
	if err := check(t.state); err != nil {
		return err
	}
	return act(t)
}

// lock makes the caller the writer.
func (n *core) lock(ctx context.Context) error {
	select {
	case n.writing <- struct{}{}:
		return nil
	default: // the select below costs more
	}
	select {
	case n.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *core) unlock() { <-n.writing }

func (n *core) failed(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s on %s: %w", what, n.id, err)
	}
	return nil
}
