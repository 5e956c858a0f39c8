package sharding_test

import (
	"slices"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

func TestARingThatIsThereAgainHasTheMovesOfItsTable(t *testing.T) {
	r := newRing(t, member("a", 1), member("b", 1))
	r = must(t)(r.Add(sharding.Change{ID: "add", From: 5}, member("c", 1)))
	again := r.Propose(r, 8)
	if again.Epoch() != 9 || again.Follows() != 2 || again.Table() != 2 || again.ChangeID() != "add" {
		t.Errorf("epoch %d follows %d, table %d, change %s", again.Epoch(), again.Follows(), again.Table(), again.ChangeID())
	}
	if !slices.Equal(again.Moves(), r.Moves()) || len(r.Moves()) == 0 {
		t.Errorf("%d moves, want %d", len(again.Moves()), len(r.Moves()))
	}
	if !again.Succeeds(2) || !again.Succeeds(1) || again.Succeeds(3) {
		t.Error("it succeeds the wrong tables")
	}
}

func TestComingArcsAreThoseThatMoveToTheNode(t *testing.T) {
	r := newRing(t, member("a", 1), member("b", 1))
	r = must(t)(r.Add(sharding.Change{ID: "add"}, member("c", 2)))
	var want []counting.Arc
	for _, m := range r.Moves() {
		want = append(want, m.Arc)
	}
	if got := r.Coming("c"); !slices.Equal(got, want) || len(got) != sharding.Arcs/2 {
		t.Errorf("%d arcs come, %d move", len(got), len(want))
	}
	for _, id := range []counting.NodeID{"a", "nobody"} {
		if got := r.Coming(id); got != nil {
			t.Errorf("%d arcs come to %s", len(got), id)
		}
	}
}

func TestOnlyANewcomerEntersARing(t *testing.T) {
	first := newRing(t, member("a", 1), member("b", 1))
	second := must(t)(first.Add(sharding.Change{ID: "add"}, member("c", 1)))
	for _, c := range []struct {
		ring *sharding.Ring
		id   counting.NodeID
		want bool
	}{
		{first, "a", true},
		{first, "c", false},
		{second, "a", false},
		{second, "c", true},
		{second.Propose(second, 0), "c", false},
		{first.Propose(second, 5), "c", true},
		{first.Propose(first, 5), "a", false},
		{must(t)(second.Reweight(sharding.Change{ID: "third"}, "c", 2)), "c", false},
	} {
		if got := c.ring.Enters(c.id); got != c.want {
			t.Errorf("epoch %d, %s: got %v", c.ring.Epoch(), c.id, got)
		}
	}
}

func TestALostMemberMovesNothingAndStaysOnRecord(t *testing.T) {
	r := newRing(t, member("a", 1), member("b", 1), member("c", 1))
	r = must(t)(r.Abandon(sharding.Change{ID: "lost", From: 5, Above: 6}, "a"))
	if len(r.Moves()) != 0 || r.First() != "b" || r.Epoch() != 7 {
		t.Errorf("%d moves, first %s, epoch %d", len(r.Moves()), r.First(), r.Epoch())
	}
	for arc := range counting.Arc(sharding.Arcs) {
		if r.Members()[r.Owner(arc)].ID == "a" || r.From(arc) != r.Owner(arc) {
			t.Fatalf("arc %d", arc)
		}
	}
	if _, err := r.Abandon(sharding.Change{ID: "again"}, "a"); err == nil {
		t.Error("it was lost twice")
	}
	tidy, ok := r.Tidy(sharding.Change{ID: "tidy", Oldest: 5})
	if !ok || tidy.Index("a") >= 0 || !slices.Equal(tidy.Losses(), []sharding.Loss{{Node: "a", Epoch: 7}}) {
		t.Errorf("tidied: %v, members %v, losses %v", ok, tidy.Members(), tidy.Losses())
	}
	if again, err := sharding.Decode(tidy.Encode()); err != nil || !slices.Equal(again.Losses(), tidy.Losses()) {
		t.Errorf("decoded: %v", err)
	}
}

func TestTidyingForgetsAMemberWhoseWindowsAreDone(t *testing.T) {
	first := newRing(t, member("a", 1), member("b", 1))
	r := must(t)(first.Remove(sharding.Change{ID: "remove", From: 10}, "b"))
	if _, ok := r.Tidy(sharding.Change{ID: "early", Oldest: 9}); ok {
		t.Error("window 9 still needs b")
	}
	tidy, ok := r.Tidy(sharding.Change{ID: "tidy", Oldest: 10})
	if !ok || tidy.Index("b") >= 0 || len(tidy.Moves()) != 0 || tidy.Table() != 2 || tidy.Epoch() != 3 {
		t.Errorf("%v: members %v, %d moves", ok, tidy.Members(), len(tidy.Moves()))
	}
	if r.Index("b") < 0 || len(r.Moves()) == 0 {
		t.Error("the ring before was changed")
	}
	if _, ok := tidy.Tidy(sharding.Change{ID: "again", Oldest: 99}); ok {
		t.Error("there was something left to tidy")
	}
}
