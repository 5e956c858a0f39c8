package localnode_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// member is a node of a ring of its own, with one batch applied.
func member(t *testing.T) (*localnode.Node, *sharding.Ring) {
	t.Helper()
	n := localnode.New(localnode.Options{})
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
	if _, err := n.Apply(t.Context(), ringBatch(r, 1)); err != nil {
		t.Fatal(err)
	}
	return n, r
}

func ringBatch(r *sharding.Ring, seq int64) *counting.Batch {
	return &counting.Batch{
		Epoch: 1, Session: "a", Seq: seq, EndpointLimit: 10,
		Visits:   []counting.Visit{{Arc: r.Arc("home"), Page: "home", Count: 1}},
		IDEvents: []counting.IDEvent{{ID: counting.ID(seq), Table: 1}},
	}
}

func home(t *testing.T, n *localnode.Node, r *sharding.Ring) int64 {
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
		if _, err := n.Apply(t.Context(), ringBatch(r, seq)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a snapshot isn't changed by what follows
		n.Restore(before)
		if got := home(t, n, r); got != 1 {
			t.Fatalf("got %d visits, want 1", got)
		}
		var gap *counting.GapError
		if _, err := n.Apply(t.Context(), ringBatch(r, 3)); !errors.As(err, &gap) || gap.Last != 1 {
			t.Fatalf("got the error %v, want a gap after batch 1", err)
		}
		if _, err := n.Apply(t.Context(), ringBatch(r, 2)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNodeThatCameBackEmptyIsUninitialized(t *testing.T) {
	n, r := member(t)
	n.Restore(localnode.Snapshot{})
	if _, err := n.Apply(t.Context(), ringBatch(r, 2)); !errors.Is(err, counting.ErrUninitialized) {
		t.Fatalf("got the error %v, want %v", err, counting.ErrUninitialized)
	}
}

func TestCallWhoseContextIsOverIsNotApplied(t *testing.T) {
	n, r := member(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Apply(ctx, ringBatch(r, 2)); !errors.Is(err, counting.ErrNotApplied) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got the error %v, want one of a cancelled context that wasn't applied", err)
	}
	if got := home(t, n, r); got != 1 {
		t.Fatalf("got %d visits, want 1", got)
	}
}
