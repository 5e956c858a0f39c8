// Package groupcommit turns the items of many callers into the batches of one
// node (design: batches). While a batch is on its way the next one fills,
// so that a lone caller never waits for a timer and many callers share one
// round trip and one fsync. Reads of single pages share calls the same way.
package groupcommit

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"footfall/domain/counting"
)

// ErrMoved says that items were not counted and never will be, because the ring
// changed before their batch arrived. They may be routed anew.
var ErrMoved = errors.New("the ring has changed")

const (
	// Deadline is how long a caller waits at most for its batch.
	Deadline = time.Second
	// MaxBatch is the largest number of distinct items of one batch.
	MaxBatch = 512
	// maxAddedUp is the largest number of visits that is added up with those
	// of other callers: a larger one could make the page's count overflow
	// for all of them.
	maxAddedUp = 1 << 31
	// MaxQueued is the number of callers' items that one node may keep
	// waiting; beyond it they are refused at once.
	MaxQueued = 16_384
)

// Flush is what became of one call of a node, for metrics.
type Flush struct {
	// Items of the batch, and the callers' items that were added up in it.
	Items, Requests int
	Took            time.Duration
	Err             error
}

// Options of a Committer.
type Options struct {
	Node counting.Counts
	// Epoch is that of the ring by which items are routed now.
	Epoch func() counting.Epoch
	// Since is the epoch with which the node came into the ring: one of its name
	// that was there before has handed over all that it had applied. Nil is 0.
	Since func() counting.Epoch
	// Remembers asks the node whether it has what it was sent in an epoch that is
	// over, and wasn't emptied since. Nil is a yes.
	Remembers func(context.Context, counting.Epoch) (bool, error)
	// EndpointLimit goes into every batch.
	EndpointLimit int
	// KeyLimit goes into every batch with keys.
	KeyLimit int
	// Behind is called when the node has not opened a batch's epoch yet,
	// and returns when it may have. Nil is a no-op.
	Behind func(context.Context)
	// Observe is called after every call of the node, from one goroutine.
	// Nil is a no-op.
	Observe func(Flush)
	// Orphaned is called with a batch that was answered, as acknowledged or
	// in doubt, and that the node doesn't have and will never take, since the
	// ring has changed. What was not refused of it is to be routed anew. It
	// must not block. Nil: such batches are not applied.
	Orphaned func(b *counting.Batch, refused []counting.Refusal, acknowledged bool)
	// Lost is called when the node forgot batches that can't be repeated,
	// or not with all that they had counted: how many. Nil is a no-op.
	Lost func(batches int64)
}

// Committer collects items for one node and flushes them in its own
// goroutine, one batch at a time. Its methods are safe for concurrent use.
type Committer struct {
	opts   Options
	ctx    context.Context // ends when Stop gives up
	cancel context.CancelFunc
	wake   chan struct{} // capacity 1: there may be something to flush
	ended  chan struct{} // closed when the flusher has returned

	mu      sync.Mutex
	filling *batch
	index   map[counting.Page]int // of filling's visits
	full    []*batch              // waiting to be sent, oldest first
	queued  int                   // callers' items in filling and full
	enough  int                   // of them, for which the flusher waits
	refuse  time.Time             // until then the node is taken for down
	started bool
	stopped bool
	check   bool // ask the node whether it has everything

	// The flusher's own.
	session session
	pace    pace
}

// New makes a committer; nothing is flushed before Start.
func New(o Options) *Committer {
	ctx, cancel := context.WithCancel(context.Background())
	return &Committer{
		opts: o, ctx: ctx, cancel: cancel,
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
		index: make(map[counting.Page]int),
	}
}

// Start begins to flush.
func (c *Committer) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started && !c.stopped {
		c.started = true
		go c.run()
	}
}

// Stop refuses new items, flushes the others, and returns when all callers
// have their answer or, with its error, when ctx is done.
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
		return nil
	case <-ctx.Done():
	}
	c.cancel()
	<-c.ended
	return ctx.Err()
}

// Check lets the flusher ask the node, by an empty batch, whether it still has
// all that it has applied: when the ring changes there may be no other batch
// for it before long.
func (c *Committer) Check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.check = true
	c.signal()
}

// takeCheck tells whether Check was called since the last time.
func (c *Committer) takeCheck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	check := c.check
	c.check = false
	return check
}

// Queued is the number of callers' items that wait to be sent.
func (c *Committer) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

// Visit adds n visits of a page, routed by epoch, to the next batch, where
// they are added up with those of other callers. The error is
// counting.ErrUnavailable.
func (c *Committer) Visit(epoch counting.Epoch, arc counting.Arc, page counting.Page, n int64) (Ticket, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := c.batchFor(epoch)
	if err != nil {
		return Ticket{}, err
	}
	if i, ok := c.index[page]; ok && n <= maxAddedUp {
		b.Visits[i].Count += n // at most MaxQueued times maxAddedUp
		return Ticket{batch: b, item: i}, nil
	}
	// A clone, for the page may be a part of a long URL, and the batch is kept.
	own := counting.Page(strings.Clone(string(page)))
	b.Visits = append(b.Visits, counting.Visit{Arc: arc, Page: own, Count: n})
	if n <= maxAddedUp {
		c.index[own] = len(b.Visits) - 1
	}
	return Ticket{batch: b, item: len(b.Visits) - 1}, nil
}

// Arrive adds an id, routed by epoch, to the next batch. The error is
// counting.ErrUnavailable.
func (c *Committer) Arrive(epoch counting.Epoch, a counting.IDEvent) (Ticket, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := c.batchFor(epoch)
	if err != nil {
		return Ticket{}, err
	}
	b.IDEvents = append(b.IDEvents, a)
	return Ticket{batch: b, item: len(b.IDEvents) - 1, kind: arrival}, nil
}

// Once adds what is keyed, routed by epoch, to the next batch; it is never
// added up with anything. The error is counting.ErrUnavailable.
func (c *Committer) Once(epoch counting.Epoch, k counting.KeyedVisit) (Ticket, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := c.batchFor(epoch)
	if err != nil {
		return Ticket{}, err
	}
	k.Page = counting.Page(strings.Clone(string(k.Page)))
	b.Keyed, b.KeyLimit = append(b.Keyed, k), c.opts.KeyLimit
	return Ticket{batch: b, item: len(b.Keyed) - 1, kind: keyed}, nil
}

// Set adds a setting, routed by epoch, to the next batch. The error is
// counting.ErrUnavailable.
func (c *Committer) Set(epoch counting.Epoch, s counting.SetCount) (Ticket, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := c.batchFor(epoch)
	if err != nil {
		return Ticket{}, err
	}
	s.Page = counting.Page(strings.Clone(string(s.Page)))
	b.SetCounts = append(b.SetCounts, s)
	return Ticket{batch: b, item: len(b.SetCounts) - 1, kind: setting}, nil
}

// batchFor counts one more caller's item and returns the batch that takes it.
func (c *Committer) batchFor(epoch counting.Epoch) (*batch, error) {
	if c.stopped || c.queued >= MaxQueued || !c.refuse.IsZero() && time.Now().Before(c.refuse) {
		return nil, counting.ErrUnavailable
	}
	if b := c.filling; b != nil && (b.Epoch != epoch || b.Len() >= MaxBatch) {
		c.full = append(c.full, b)
		c.filling = nil
	}
	if c.filling == nil {
		clear(c.index)
		b := &batch{Batch: counting.Batch{Epoch: epoch, EndpointLimit: c.opts.EndpointLimit}, done: make(chan struct{})}
		b.timer = time.AfterFunc(Deadline, func() { c.expire(b) })
		c.filling = b
		c.signal()
	}
	c.queued++
	c.filling.requests++
	if c.queued == c.enough {
		c.signal()
	}
	return c.filling, nil
}

// signal wakes the flusher; a signal that is there already is enough.
func (c *Committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// expire answers the callers of a batch whose deadline has come: it was not
// sent and is withdrawn, or it was sent and is in doubt.
func (c *Committer) expire(b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.sent {
		b.answer(counting.ErrInDoubt, nil)
		return
	}
	c.withdraw(b)
}

// withdraw takes a batch that was not sent out of the queue.
func (c *Committer) withdraw(b *batch) {
	if c.filling == b {
		c.filling = nil
	}
	for i, f := range c.full {
		if f == b {
			c.full = append(c.full[:i], c.full[i+1:]...)
			break
		}
	}
	c.queued -= b.requests
	b.answer(counting.ErrUnavailable, nil)
}

// take removes the oldest batch from the queue for being sent, nil when
// there is none.
func (c *Committer) take() *batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.filling
	if len(c.full) > 0 {
		b = c.full[0]
		c.full = c.full[1:]
	} else {
		c.filling = nil
	}
	if b != nil {
		b.sent = true
		c.queued -= b.requests
	}
	return b
}
