package localnode_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
)

// member is a node of a ring of its own, with one batch applied.
func member(t *testing.T) (*localnode.Node, *sharding.Ring) {
	t.Helper()
	n := localnode.New(localnode.Options{})
	members := []sharding.Member{{ID: n.ID(), Addr: n.Addr(), Weight: 1}}
	r := check.Value(sharding.New("test", 1, counting.WindowLength(time.Minute), "first", members))(t)
	check.Value(n.Fence(t.Context(), r))(t)
	check.Must(t, n.Open(t.Context(), r))
	check.Value(n.Apply(t.Context(), ringBatch(r, 1)))(t)
	return n, r
}

func ringBatch(r *sharding.Ring, seq int64) *counting.Batch {
	return &counting.Batch{
		Epoch: 1, Session: "a", Seq: seq, EndpointLimit: 10,
		Visits: []counting.Visit{{Arc: r.Arc("home"), Page: "home", Count: 1}},
		Clock:  conformance.AnyTime(), IDEvents: []counting.IDEvent{{ID: counting.ID(seq), Table: 1}},
	}
}

func home(t *testing.T, n *localnode.Node, r *sharding.Ring) int64 {
	t.Helper()
	got := check.Value(n.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Arc: r.Arc("home"), Page: "home"}}))(t)
	return got[0].Visits
}

func TestNodeThatIsRolledBackReportsAGap(t *testing.T) {
	n, r := member(t)
	before := n.Snapshot()
	for seq := int64(2); seq <= 3; seq++ {
		check.Value(n.Apply(t.Context(), ringBatch(r, seq)))(t)
	}
	for range 2 { // a snapshot isn't changed by what follows
		n.Restore(before)
		check.Equal(t, home(t, n, r), 1, "visits")
		var gap *counting.GapError
		if _, err := n.Apply(t.Context(), ringBatch(r, 3)); !errors.As(err, &gap) || gap.Last != 1 {
			t.Fatalf("got the error %v, want a gap after batch 1", err)
		}
		check.Value(n.Apply(t.Context(), ringBatch(r, 2)))(t)
	}
}

func TestNodeThatCameBackEmptyIsUninitialized(t *testing.T) {
	n, r := member(t)
	n.Restore(localnode.Snapshot{})
	check.Is(t, check.Err(n.Apply(t.Context(), ringBatch(r, 2))), counting.ErrUninitialized)
}

func TestCallWhoseContextIsOverIsNotApplied(t *testing.T) {
	n, r := member(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Apply(ctx, ringBatch(r, 2)); !errors.Is(err, counting.ErrNotApplied) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got the error %v, want one of a cancelled context that wasn't applied", err)
	}
	check.Equal(t, home(t, n, r), 1, "visits")
}
