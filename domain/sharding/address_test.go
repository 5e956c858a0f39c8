package sharding_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// P4: a new address moves nothing after any history. A node that has opened the ring
// before opens the next one without an effect on its arcs.
func TestANewAddressMovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRing(t, anyWeight())
		for n := range rapid.IntRange(0, 4).Draw(t, "changes") {
			r, _ = drawStep(t, r, n, anyWeight())
		}
		m := rapid.SampledFrom(r.Members()).Draw(t, "member")
		next, err := r.MoveAddress(sharding.Change{ID: "move", Above: r.Epoch() + 3}, m.ID, "elsewhere:1")
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(r.Members())
		want[r.Index(m.ID)].Addr, want[r.Index(m.ID)].Moved = "elsewhere:1", next.Epoch()
		if !reflect.DeepEqual(next.Members(), want) || next.Epoch() != r.Epoch()+4 || next.Parent() != r.Epoch() {
			t.Fatalf("epoch %d after %d: %+v, want %+v", next.Epoch(), r.Epoch(), next.Members(), want)
		}
		if r.Members()[r.Index(m.ID)] != m {
			t.Fatal("the ring before has changed")
		}
		if next.Table() != r.Table() || !next.CanFollow(r.Table()) || !slices.Equal(next.Moves(), r.Moves()) || next.Plan().Arcs != 0 || len(next.Plan().Nodes) != 0 {
			t.Fatalf("table %d after %d, the plan is %+v", next.Table(), r.Table(), next.Plan())
		}
		state := sharding.RingState{Opened: r, Fenced: r}
		state.Incoming = rapid.IntRange(0, 3).Draw(t, "incoming") // arcs that move go on
		fenced, err := state.Fence(m.ID, next, 0)
		if err != nil {
			t.Fatal(err)
		}
		after, err := fenced.Open(m.ID, next, 0)
		if err != nil || after.Incoming != state.Incoming {
			t.Fatalf("%d arcs are incoming, were %d: %v", after.Incoming, state.Incoming, err)
		}
	})
}

func TestANewAddressIsRefused(t *testing.T) {
	first := newRing(t, member("a", 1), member("b", 1), member("c", 1))
	lost := must(t)(first.Abandon(sharding.Change{ID: "lost", From: 9}, "b"))
	for _, c := range []struct {
		ring     *sharding.Ring
		id       counting.NodeID
		addr, is string
	}{
		{first, "d", "d:1", "node d is not in it"},
		{first, "", "d:1", "is not in it"},
		{lost, "b", "d:1", "node b is not in it"},
		{first, "a", "a:6379", "node a is at a:6379 already"},
		{first, "a", "b:6379", "a and b have the same address"},
		{lost, "a", "b:6379", "a and b have the same address"},
		{first, "a", "", "needs an id and an address"},
	} {
		r, err := c.ring.MoveAddress(sharding.Change{ID: "move"}, c.id, c.addr)
		if !errors.Is(err, sharding.ErrBadChange) || r != nil {
			t.Errorf("%s to %q: %v, %v", c.id, c.addr, r, err)
			continue
		}
		check.Says(t, err, c.is)
	}
	// One that leaves has to stay up, so it can move, too.
	leaving := must(t)(first.Remove(sharding.Change{ID: "remove", From: 10}, "b"))
	check.Equal(t, fmt.Sprint(must(t)(leaving.MoveAddress(sharding.Change{ID: "move"}, "b", "d:1")).Members()[1]), "{b d:1 0 leaving 0 3}", "the member")
}
