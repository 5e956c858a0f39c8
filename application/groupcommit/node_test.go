package groupcommit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

var errLost = errors.New("connection reset")

// node is a memory node whose calls can be failed before or after they take
// effect. It keeps what it was sent.
type node struct {
	*localnode.Node
	ring *sharding.Ring

	mu     sync.Mutex
	sent   []counting.Batch
	before func(ctx context.Context, call int) error // by the number of the call, from 1
	after  func(ctx context.Context, call int) error
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{Node: localnode.New(localnode.Options{})}
	n.ring = newRing(t)
	check.Value(n.Fence(t.Context(), n.ring))(t)
	check.Must(t, n.Open(t.Context(), n.ring))
	return n
}

func newRing(t *testing.T) *sharding.Ring {
	t.Helper()
	length := check.Value(counting.ParseLength(time.Minute))(t)
	r := check.Value(sharding.New("test", 1, length, "first", []sharding.Member{{ID: "memory", Addr: "memory", Weight: 1}}))(t)
	return r
}

// next is the ring of the epoch after r's.
func next(t *testing.T, r *sharding.Ring) *sharding.Ring {
	t.Helper()
	r = check.Value(r.Reweight(sharding.Change{ID: "next"}, "memory", 2))(t)
	return r
}

func (n *node) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	n.mu.Lock()
	n.sent = append(n.sent, *b)
	call, before, after := len(n.sent), n.before, n.after
	n.mu.Unlock()
	if before != nil {
		if err := before(ctx, call); err != nil {
			return counting.Receipt{}, err
		}
	}
	// What has left for the node arrives, whatever becomes of the caller.
	r, err := n.Node.Apply(context.WithoutCancel(ctx), b)
	if after != nil {
		if err := after(ctx, call); err != nil {
			return counting.Receipt{}, err
		}
	}
	return r, err
}

// fail sets what becomes of the calls from now on; nil is nothing.
func (n *node) fail(before, after func(ctx context.Context, call int) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before, n.after = before, after
}

// calls are the batches as they were sent, repetitions included.
func (n *node) calls() []counting.Batch {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent
}

// until fails the first calls by an error, or waits for their context where
// it is nil.
func until(last int, err error) func(context.Context, int) error {
	return func(ctx context.Context, call int) error {
		if call > last {
			return nil
		}
		if err == nil {
			<-ctx.Done()
			return ctx.Err()
		}
		return err
	}
}

// held lets calls wait until it is closed.
func held() (func(context.Context, int) error, chan struct{}) {
	open := make(chan struct{})
	return func(context.Context, int) error {
		<-open
		return nil
	}, open
}

// count is what the node has for a page.
func (n *node) count(t *testing.T, page counting.Page) int64 {
	t.Helper()
	state := check.Value(n.RingState(t.Context()))(t)
	tallies := check.Value(n.Read(t.Context(), state.Opened.Epoch(), []counting.Located{{Page: page}}))(t)
	return tallies[0].Visits
}

// wantCount fails the test where the node has another count for a page.
func wantCount(t *testing.T, n *node, page counting.Page, want int64) {
	t.Helper()
	check.Equal(t, n.count(t, page), want, "visits of %s", page)
}

// start makes a committer that ends with the test.
func start(t *testing.T, n *node, o groupcommit.Options) *groupcommit.Committer {
	t.Helper()
	o.Node = n
	if o.Epoch == nil {
		o.Epoch = func() counting.Epoch { return 1 }
	}
	if o.EndpointLimit == 0 {
		o.EndpointLimit = 10
	}
	c := groupcommit.New(o)
	c.Start()
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Stop(now)
	})
	return c
}

// visit counts one visit of a page and returns the error of its caller.
func visit(c *groupcommit.Committer, page counting.Page) error {
	ticket, err := c.Visit(1, 0, page, 1)
	if err != nil {
		return err
	}
	return ticket.Wait()
}

// wantVisit fails the test unless a visit's caller gets want.
func wantVisit(t *testing.T, c *groupcommit.Committer, page counting.Page, want error) {
	t.Helper()
	check.Is(t, visit(c, page), want, "a visit of %s", page)
}
