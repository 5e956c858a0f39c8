package memory_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"footfall/adapters/memory"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/conformance"
)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 10, 5, 20, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestNodeKeepsTheContract(t *testing.T) {
	clocks := make(map[conformance.Node]*clock)
	open := func(t *testing.T, o memory.Options) *memory.Node {
		c := newClock()
		o.Now = c.Now
		n := memory.New(o)
		clocks[n] = c
		t.Cleanup(n.Close)
		return n
	}
	conformance.TestNode(t, conformance.Harness{
		Open: func(t *testing.T) conformance.Node {
			return open(t, memory.Options{ID: "memory_1", Addr: "one"})
		},
		Close: func(_ *testing.T, n conformance.Node) { n.(*memory.Node).Close() },
		Impostor: func(t *testing.T, n conformance.Node) conformance.Node {
			other := open(t, memory.Options{ID: "memory_2", Addr: "one"})
			other.Restore(n.(*memory.Node).Snapshot())
			return other
		},
		Advance: func(_ *testing.T, n conformance.Node, d time.Duration) { clocks[n].Advance(d) },
		CorruptPage: func(_ *testing.T, n conformance.Node, at counting.Located) {
			n.(*memory.Node).SpoilPage(at)
		},
		CorruptWindow: func(_ *testing.T, n conformance.Node, w counting.Window) {
			n.(*memory.Node).SpoilWindow(w)
		},
		CorruptEntry: func(_ *testing.T, n conformance.Node, w counting.Window) {
			n.(*memory.Node).SpoilEntry(w)
		},
	})
}

// member is a node of a ring of its own, with one batch applied.
func member(t *testing.T) (*memory.Node, *sharding.Ring) {
	t.Helper()
	n := memory.New(memory.Options{})
	members := []sharding.Member{{ID: n.ID(), Addr: n.Addr(), Weight: 1}}
	r, err := sharding.New("test", 1, counting.WindowLength(time.Minute), "first", members)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Fence(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := n.Open(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Apply(t.Context(), batch(r, 1)); err != nil {
		t.Fatal(err)
	}
	return n, r
}

func batch(r *sharding.Ring, seq int64) *counting.Batch {
	return &counting.Batch{
		Epoch: 1, Session: "a", Seq: seq, EndpointLimit: 10,
		Visits:   []counting.Visit{{Arc: r.Arc("home"), Page: "home", Count: 1}},
		IDEvents: []counting.IDEvent{{ID: counting.ID(seq), Table: 1}},
	}
}

func home(t *testing.T, n *memory.Node, r *sharding.Ring) int64 {
	t.Helper()
	got, err := n.Read(t.Context(), 1, []counting.Located{{Arc: r.Arc("home"), Page: "home"}})
	if err != nil {
		t.Fatal(err)
	}
	return got[0].Visits
}

func TestNodeThatIsRolledBackReportsAGap(t *testing.T) {
	n, r := member(t)
	before := n.Snapshot()
	for seq := int64(2); seq <= 3; seq++ {
		if _, err := n.Apply(t.Context(), batch(r, seq)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a snapshot isn't changed by what follows
		n.Restore(before)
		if got := home(t, n, r); got != 1 {
			t.Fatalf("got %d visits, want 1", got)
		}
		var gap *counting.GapError
		if _, err := n.Apply(t.Context(), batch(r, 3)); !errors.As(err, &gap) || gap.Last != 1 {
			t.Fatalf("got the error %v, want a gap after batch 1", err)
		}
		if _, err := n.Apply(t.Context(), batch(r, 2)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNodeThatCameBackEmptyIsUninitialized(t *testing.T) {
	n, r := member(t)
	n.Restore(memory.Snapshot{})
	if _, err := n.Apply(t.Context(), batch(r, 2)); !errors.Is(err, counting.ErrUninitialized) {
		t.Fatalf("got the error %v, want %v", err, counting.ErrUninitialized)
	}
}

func TestCallWhoseContextIsOverIsNotApplied(t *testing.T) {
	n, r := member(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Apply(ctx, batch(r, 2)); !errors.Is(err, counting.ErrNotApplied) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got the error %v, want one of a cancelled context that wasn't applied", err)
	}
	if got := home(t, n, r); got != 1 {
		t.Fatalf("got %d visits, want 1", got)
	}
}
