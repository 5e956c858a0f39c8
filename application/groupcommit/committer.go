// Package groupcommit turns the items of many callers into the batches of one
// node (design: batches). While a batch is in flight the next one fills. So a lone
// caller never waits for a timer, and many callers share one round trip and one fsync.
// Reads of single pages share calls in the same way.
package groupcommit

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"footfall/domain/counting"
)

// ErrMoved says that items were not counted and never will be, because the ring changed
// before their batch arrived. They may be sent again by the newer ring.
var ErrMoved = errors.New("the ring has changed")

// ErrNotRepeated says that a node has lost batches that were acknowledged, and that a stop
// came before they were repeated.
var ErrNotRepeated = errors.New("acknowledged batches that the node has lost were not repeated")

const (
	// Deadline bounds the time that a caller waits for its batch.
	Deadline = time.Second
	// MaxBatch is the largest number of distinct items of one batch.
	MaxBatch = 512
	// maxAddedUp bounds the visits that are added to those of other callers: a
	// larger number could make the page's count overflow for all of them.
	maxAddedUp = 1 << 31
	// MaxQueued bounds the waiting items of one node, unless Options.MaxQueued does.
	// Beyond it items are refused immediately.
	MaxQueued = 16_384
)

// Flush is the result of one call of a node, for metrics.
type Flush struct {
	// Items are those of the batch, Requests those of its callers.
	Items, Requests int
	Took            time.Duration
	// Receipt is valid if Err is nil.
	Receipt counting.Receipt
	Err     error
}

// Options of a Committer. All functions but Observe, Refused and MakesRoom are required.
type Options struct {
	Node counting.Counts
	// Epoch returns the epoch of the current view.
	Epoch func() counting.Epoch
	// Since returns the epoch that added the node to the ring. A node of its id
	// before that has handed over all that it had applied.
	Since func() counting.Epoch
	// Remembers asks the node whether it has been in the ring since an epoch,
	// without being emptied.
	Remembers func(context.Context, counting.Epoch) (bool, error)
	// EndpointLimit goes into every batch, MaxSkew with every call.
	EndpointLimit int
	MaxSkew       time.Duration
	// PageLimit and DiskReserve go into every batch.
	PageLimit   int
	DiskReserve int64
	// KeyLimit and RecordLimit go into every batch with keys.
	KeyLimit, RecordLimit int
	// KeepFor and KeepBytes bound the applied batches that are kept, to repeat them to a
	// node that has lost them. Kept are the last batch, and those applied less than
	// KeepFor before it. Only the next batch shows that the node still has them. 0 is
	// 10 s, and 16 MiB.
	KeepFor   time.Duration
	KeepBytes int
	// MaxQueued bounds the waiting items, MaxQueued at most; 0 is that.
	MaxQueued int
	// CatchUp is called when the node has not opened a batch's epoch. It returns
	// when the node may have opened it.
	CatchUp func(context.Context)
	// Observe is called after every call of the node, from one goroutine.
	// Nil is a no-op.
	Observe func(Flush)
	// MakesRoom tells whether room is made on a node that has none (counting.ErrNoRoom). Meanwhile
	// batches are repeated, and callers are not refused. Nil is false.
	MakesRoom func() bool
	// Refused is called with the number of callers' items that are refused with
	// counting.ErrUnavailable. It must not block. Nil is a no-op.
	Refused func(items int)
	// Orphaned is called with a batch that the node does not have and will never
	// apply, since the ring has changed. Its callers have been answered: with
	// success if acknowledged, otherwise with counting.ErrInDoubt. Its items, but
	// the refused ones, have to be sent by the newer ring. It must not block.
	Orphaned func(b *counting.Batch, refused []counting.Refusal, acknowledged bool)
	// Lost is called with the number of acknowledged batches that the node has
	// lost and that can't be repeated completely.
	Lost func(batches int64)
}

// Committer collects items for one node and flushes them in its own
// goroutine, one batch at a time. Its methods are safe for concurrent use.
type Committer struct {
	opts   Options
	ctx    context.Context // ends when Stop runs out of time
	cancel context.CancelFunc
	check  chan struct{} // capacity 1: ask the node whether it has all batches
	ended  chan struct{} // closed when the flusher has returned
	// applied is the last batch that was answered as applied, with its epoch; nil before.
	applied atomic.Pointer[counting.Expected]
	// behind: the node has lost applied batches that are still to be repeated.
	behind atomic.Bool

	queue[*batch]
	// Guarded by the mutex.
	index   map[counting.Page]int // of the filling batch's visits
	refuse  time.Time             // until then the node counts as down
	lifted  time.Time             // until then batches begin that no limit refuses
	started bool
	// lastVisits is how many visits the last batch has that has some.
	lastVisits int

	// Used by the flusher only.
	session session
}

// New makes a committer; nothing is flushed before Start.
func New(o Options) *Committer {
	o.KeepFor, o.KeepBytes = cmp.Or(o.KeepFor, keepFor), cmp.Or(o.KeepBytes, keepBytes)
	ctx, cancel := context.WithCancel(context.Background())
	return &Committer{
		opts: o, ctx: ctx, cancel: cancel,
		check: make(chan struct{}, 1), ended: make(chan struct{}),
		queue: queue[*batch]{wake: make(chan struct{}, 1), late: counting.ErrInDoubt, limit: cmp.Or(o.MaxQueued, MaxQueued), refused: o.Refused},
		index: make(map[counting.Page]int),
	}
}

// Start starts the flusher.
func (c *Committer) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started && !c.stopped {
		c.started = true
		go c.run()
	}
}

// Stop refuses new items and flushes the others. When ctx ends first, it answers the
// callers that are left: with counting.ErrInDoubt if their batch may be applied, otherwise
// with counting.ErrUnavailable. It returns when all callers are answered. Its error is
// ErrNotRepeated.
func (c *Committer) Stop(ctx context.Context) error {
	c.mu.Lock()
	c.stopped = true
	started := c.started
	c.mu.Unlock()
	defer c.cancel()
	if !started {
		return nil
	}
	c.signal()
	select {
	case <-c.ended:
	case <-ctx.Done():
		c.cancel()
		<-c.ended
	}
	if c.behind.Load() {
		return ErrNotRepeated
	}
	return nil
}

// Check has the flusher ask the node, by an empty batch, whether it still has all
// applied batches. After a change of the ring no other batch may follow for long.
func (c *Committer) Check() {
	select {
	case c.check <- struct{}{}:
	default:
	}
}

// Verify asks the node, by a read of nothing, whether it has all batches that were answered
// as applied. The flusher repeats what it lacks. Nothing follows from a call that fails.
func (c *Committer) Verify(ctx context.Context) {
	_, _ = ReadFrom(c, c.opts.Epoch(), func(e counting.Expected) (_ []counting.Tally, err error) {
		if e.Session != "" {
			_, err = c.opts.Node.Read(ctx, e, nil)
		}
		return nil, err
	})
}

// Behind tells whether the node is known to lack batches that were answered as applied.
func (c *Committer) Behind() bool { return c.behind.Load() }

// ReadFrom reads from the node of a committer. It expects of the node all that the committer
// has answered as applied. If the node lacks some of it, the error is a *counting.GapError,
// and the flusher repeats it.
func ReadFrom[T any](c *Committer, epoch counting.Epoch, read func(counting.Expected) (T, error)) (T, error) {
	e := counting.Expected{Epoch: epoch}
	if last := c.applied.Load(); last != nil && last.Epoch >= c.opts.Since() { // else the node was added again
		e.Session, e.Seq = last.Session, last.Seq
	}
	v, err := read(e)
	var gap *counting.GapError
	if errors.As(err, &gap) && !c.behind.Swap(true) {
		c.Check()
	}
	return v, err
}

// LiftLimits has no limit refuse an item of the batches that begin in a time: they may have
// items that were acknowledged before.
func (c *Committer) LiftLimits(length time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lifted = time.Now().Add(length)
}

// Queued is the number of callers' items that wait to be sent.
func (c *Committer) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

// AddVisit adds n visits of a page, routed by the ring of an epoch, to the next batch, and
// to the visits of other callers there.
func (c *Committer) AddVisit(epoch counting.Epoch, arc counting.Arc, page counting.Page, n int64) Ticket {
	return c.AddVisitAt(epoch, arc, page, n, time.Time{})
}

// AddVisitAt is AddVisit for visits that were placed before, at counting.Batch.At.
func (c *Committer) AddVisitAt(epoch counting.Epoch, arc counting.Arc, page counting.Page, n int64, at time.Time) Ticket {
	return c.add(epoch, visit, at, func(b *batch) int {
		if i, ok := c.index[page]; ok && n <= maxAddedUp {
			b.Visits[i].Count += n // at most MaxQueued times maxAddedUp
			return i
		}
		own := b.own(page)
		b.Visits = append(b.room(c.lastVisits), counting.Visit{Arc: arc, Page: own, Count: n})
		c.lastVisits = len(b.Visits)
		if n <= maxAddedUp {
			c.index[own] = len(b.Visits) - 1
		}
		return len(b.Visits) - 1
	})
}

// AddID adds an id, routed by the ring of an epoch, to the next batch.
func (c *Committer) AddID(epoch counting.Epoch, e counting.IDEvent) Ticket {
	return c.add(epoch, idEvent, time.Time{}, func(b *batch) int {
		b.IDEvents = append(b.IDEvents, e)
		return len(b.IDEvents) - 1
	})
}

// AddKeyed adds a keyed visit, routed by the ring of an epoch, to the next batch. It is
// never merged with others. At is zero, or counting.Batch.At if it was placed before.
func (c *Committer) AddKeyed(epoch counting.Epoch, k counting.KeyedVisit, at time.Time) Ticket {
	return c.add(epoch, keyed, at, func(b *batch) int {
		k.Page = clone(k.Page)
		b.Keyed, b.KeyLimit, b.RecordLimit = append(b.Keyed, k), c.opts.KeyLimit, c.opts.RecordLimit
		return len(b.Keyed) - 1
	})
}

// clone copies a page: it may be a part of a body or a URL of megabytes, and keyed visits and set
// counts are kept.
func clone(page counting.Page) counting.Page { return counting.Page(strings.Clone(string(page))) }

// add calls put with the next batch that is placed at a time. put adds one item and returns its index in the
// slice of its kind. The zero Ticket: the node counts as down, or too many items wait.
func (c *Committer) add(epoch counting.Epoch, k kind, at time.Time, put func(*batch) int) Ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.refuse.IsZero() && time.Now().Before(c.refuse) {
		c.noteRefused(1)
		return Ticket{}
	}
	if c.filling != nil && !c.filling.At.Equal(at) {
		c.filling = nil
	}
	b := c.join(epoch, func() *batch {
		clear(c.index)
		return &batch{Batch: counting.Batch{
			Epoch: epoch, EndpointLimit: c.opts.EndpointLimit, PageLimit: c.opts.PageLimit, DiskReserve: c.opts.DiskReserve,
			Repeated: time.Now().Before(c.lifted), At: at,
		}}
	})
	if b == nil {
		c.noteRefused(1)
		return Ticket{}
	}
	return Ticket{batch: b, item: put(b), kind: k}
}
