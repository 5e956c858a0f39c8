package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
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
	// placed is when each page was counted, as the batches say, and their receipts; nil: the
	// node places no visits.
	placed map[counting.Page][]time.Time

	mu     sync.Mutex
	sent   []counting.Batch
	before func(ctx context.Context, call int) error // by the number of the call, from 1
	after  func(ctx context.Context, call int) error

	// What the committer has reported, and no wantLost or wantOrphans was for.
	lost    []int64
	orphans map[bool]int // items, by whether they were acknowledged
}

// scenario runs a test of a node and its committer in virtual time. It fails when
// something is lost or orphaned that the test does not want.
func scenario(t *testing.T, o groupcommit.Options, test func(t *testing.T, n *node, c *groupcommit.Committer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		test(t, n, start(t, n, o))
		wantLost(t, n)
		wantOrphans(t, n, nil)
	})
}

func newNode(t *testing.T) *node {
	t.Helper()
	members := []sharding.Member{{ID: "memory", Addr: "memory", Weight: 1}}
	n := &node{
		Node: localnode.New(localnode.Options{}),
		ring: check.Value(sharding.New("test", 1, counting.WindowLength(time.Minute), "first", members))(t),
	}
	check.Value(n.Fence(t.Context(), n.ring))(t)
	check.Must(t, n.Open(t.Context(), n.ring))
	return n
}

// next is the ring of the epoch after r's.
func next(t *testing.T, r *sharding.Ring) *sharding.Ring {
	t.Helper()
	return check.Value(r.Reweight(sharding.Change{ID: "next"}, "memory", 2))(t)
}

func (n *node) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	n.mu.Lock()
	sent := *b
	sent.Clock = counting.Clock{} // that of the attempt
	n.sent = append(n.sent, sent)
	call, before, after := len(n.sent), n.before, n.after
	n.mu.Unlock()
	if before != nil {
		if err := before(ctx, call); err != nil {
			return counting.Receipt{}, err
		}
	}
	// What has left for the node arrives, whatever becomes of the caller.
	r, err := n.Node.Apply(context.WithoutCancel(ctx), b)
	if n.placed != nil && err == nil && !r.Duplicate {
		if r.At = b.At; r.At.IsZero() {
			r.At = time.Now()
		}
		for _, v := range b.Visits {
			n.placed[v.Page] = append(n.placed[v.Page], r.At)
		}
	}
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

// hold holds the node's calls, and returns when a visit of the page first is on its way
// to it. open lets them go, and returns when the visit is counted.
func hold(t *testing.T, n *node, c *groupcommit.Committer) (open func()) {
	t.Helper()
	held := make(chan struct{})
	n.fail(func(context.Context, int) error {
		<-held
		return nil
	}, nil)
	var first sync.WaitGroup
	first.Go(func() { wantVisit(t, c, "first", nil) })
	synctest.Wait()
	return func() {
		close(held)
		first.Wait()
	}
}

// count is what the node has for a page.
func (n *node) count(t *testing.T, page counting.Page) int64 {
	t.Helper()
	state := check.Value(n.RingState(t.Context()))(t)
	tallies := check.Value(n.Read(t.Context(), counting.Expected{Epoch: state.Opened.Epoch()}, []counting.Located{{Page: page}}))(t)
	return tallies[0].Visits
}

// wantCount fails the test where the node has another count for a page.
func wantCount(t *testing.T, n *node, page counting.Page, want int64) {
	t.Helper()
	check.Equal(t, n.count(t, page), want, "visits of %s", page)
}

// wantLost fails the test unless the committer has reported these numbers of lost
// batches since the last time.
func wantLost(t *testing.T, n *node, want ...int64) {
	t.Helper()
	check.Equal(t, fmt.Sprint(n.lost), fmt.Sprint(want), "lost batches")
	n.lost = nil
}

// wantOrphans fails the test unless the committer has orphaned these numbers of items
// since the last time, by whether they were acknowledged.
func wantOrphans(t *testing.T, n *node, want map[bool]int) {
	t.Helper()
	check.Equal(t, fmt.Sprint(n.orphans), fmt.Sprint(want), "orphaned items by whether they were acknowledged")
	n.orphans = nil
}

// start makes a committer that ends with the test.
func start(t *testing.T, n *node, o groupcommit.Options) *groupcommit.Committer {
	t.Helper()
	o.Node = n
	o.Lost = func(batches int64) { n.lost = append(n.lost, batches) }
	o.Orphaned = func(b *counting.Batch, refused []counting.Refusal, acknowledged bool) {
		if n.orphans == nil {
			n.orphans = make(map[bool]int)
		}
		n.orphans[acknowledged] += b.Len() - len(refused)
	}
	if o.Epoch == nil {
		o.Epoch = func() counting.Epoch { return 1 }
	}
	if o.Since == nil {
		o.Since = func() counting.Epoch { return 0 }
		o.Remembers = func(context.Context, counting.Epoch) (bool, error) { return true, nil }
	}
	if o.CatchUp == nil {
		o.CatchUp = func(context.Context) {}
	}
	if o.EndpointLimit == 0 {
		o.EndpointLimit = 10
	}
	o.MaxSkew = time.Minute
	c := groupcommit.New(o)
	c.Start()
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Stop(now)
	})
	return c
}

// openNext changes the node's ring to the one of the next epoch.
func (n *node) openNext(t *testing.T) {
	t.Helper()
	r := next(t, n.ring)
	check.OK(t, check.Err(n.Fence(context.Background(), r)))
	check.OK(t, n.Open(context.Background(), r))
}

// visit counts one visit of a page and returns the error of its caller.
func visit(c *groupcommit.Committer, page counting.Page) error {
	return c.AddVisit(1, 0, page, 1).Wait()
}

// wantVisit fails the test unless a visit's caller gets want.
func wantVisit(t *testing.T, c *groupcommit.Committer, page counting.Page, want error) {
	t.Helper()
	check.Is(t, visit(c, page), want, "a visit of %s", page)
}
