package sharding_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func TestARingThatIsThereAgainHasTheMovesOfItsTable(t *testing.T) {
	r := newRing(t, member("a", 1), member("b", 1))
	r = must(t)(r.Add(sharding.Change{ID: "add", From: 5}, member("c", 1)))
	again := r.Propose(r, 8)
	if again.Epoch() != 9 || again.Parent() != 2 || again.Table() != 2 || again.ChangeID() != "add" {
		t.Errorf("epoch %d follows %d, table %d, change %s", again.Epoch(), again.Parent(), again.Table(), again.ChangeID())
	}
	if !slices.Equal(again.Moves(), r.Moves()) || len(r.Moves()) == 0 {
		t.Errorf("%d moves, want %d", len(again.Moves()), len(r.Moves()))
	}
	if !again.CanFollow(2) || !again.CanFollow(1) || again.CanFollow(3) {
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
	if got := r.Incoming("c"); !slices.Equal(got, want) || len(got) != sharding.Arcs/2 {
		t.Errorf("%d arcs come, %d move", len(got), len(want))
	}
	for _, id := range []counting.NodeID{"a", "none"} {
		if got := r.Incoming(id); got != nil {
			t.Errorf("%d arcs come to %s", len(got), id)
		}
	}
}

func TestOnlyAJoiningNodeEntersARing(t *testing.T) {
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
		check.Equal(t, c.ring.Admits(c.id), c.want, "epoch %d admits %s", c.ring.Epoch(), c.id)
	}
}

func TestALostMemberMovesNothingAndStaysOnRecord(t *testing.T) {
	r := newRing(t, member("a", 1), member("b", 1), member("c", 1))
	r = must(t)(r.Abandon(sharding.Change{ID: "lost", From: 5, Above: 6}, "a"))
	if len(r.Moves()) != 0 || r.Epoch() != 7 {
		t.Errorf("%d moves, epoch %d", len(r.Moves()), r.Epoch())
	}
	for arc := range counting.Arc(sharding.Arcs) {
		if r.Members()[r.Owner(arc)].ID == "a" || r.From(arc) != r.Owner(arc) {
			t.Fatalf("arc %d", arc)
		}
	}
	check.Fails(t, check.Err(r.Abandon(sharding.Change{ID: "again"}, "a")), "it was lost twice")
	tidy := must(t)(r.Tidy(sharding.Change{ID: "tidy", Oldest: 5}))
	if tidy.Index("a") >= 0 || !slices.Equal(tidy.Losses(), []sharding.Loss{{Node: "a", Epoch: 7}}) {
		t.Errorf("tidied: members %v, losses %v", tidy.Members(), tidy.Losses())
	}
	if again, err := sharding.Decode(tidy.Encode()); err != nil || !slices.Equal(again.Losses(), tidy.Losses()) {
		t.Errorf("decoded: %v", err)
	}
}

func TestTidyingForgetsAMemberWhoseWindowsAreDone(t *testing.T) {
	first := newRing(t, member("a", 1), member("b", 1))
	r := must(t)(first.Remove(sharding.Change{ID: "remove", From: 10}, "b"))
	check.Is(t, check.Err(r.Tidy(sharding.Change{ID: "early", Oldest: 9})), sharding.ErrBadChange, "window 9 still needs b")
	tidy := must(t)(r.Tidy(sharding.Change{ID: "tidy", Oldest: 10}))
	if tidy.Index("b") >= 0 || len(tidy.Moves()) != 0 || tidy.Table() != 2 || tidy.Epoch() != 3 {
		t.Errorf("members %v, %d moves", tidy.Members(), len(tidy.Moves()))
	}
	if r.Index("b") < 0 || len(r.Moves()) == 0 {
		t.Error("the ring before was changed")
	}
	check.Is(t, check.Err(tidy.Tidy(sharding.Change{ID: "again", Oldest: 99})), sharding.ErrBadChange, "nothing is left to tidy")
}

// What had not left for a member that is abandoned is where it was, and moves on
// from there if it must.
func TestWhatHadNotLeftForALostMemberIsWhereItWas(t *testing.T) {
	r := newRing(t, member("a", 1), member("b", 1))
	r = must(t)(r.Add(sharding.Change{ID: "add", From: 5, Oldest: 4}, member("c", 1)))
	came := r.Moves()
	back := must(t)(r.Abandon(sharding.Change{ID: "lost", From: 9, Oldest: 8}, "c"))
	for _, m := range came {
		check.Equal(t, back.From(m.Arc), m.From, "where arc %d comes from", m.Arc)
	}
	if n := len(back.Moves()); n > 1 {
		t.Errorf("%d arcs move though they could stay", n)
	}
	if n := len(back.ReclaimedArcs("a")) + len(back.ReclaimedArcs("b")); n != len(came) || len(back.ReclaimedArcs("c")) > 0 {
		t.Errorf("%d of %d arcs are retained", n, len(came))
	}
	if n := len(back.AddedArcs("a")) + len(back.AddedArcs("b")); n != len(back.Moves()) || drift(back) >= 1 {
		t.Errorf("%d arcs are gained, drift %v", n, drift(back))
	}
	// No more goes back than the members are to have.
	r = newRing(t, member("a", 9), member("b", 1), member("c", 1), member("d", 1))
	r = must(t)(r.Reweight(sharding.Change{ID: "light", From: 5, Oldest: 4}, "a", 1))
	if less := must(t)(r.Abandon(sharding.Change{ID: "lost", From: 9, Oldest: 8}, "b")); drift(less) >= 1 {
		t.Errorf("a node is %v arcs away from its share", drift(less))
	}
	if tidy := must(t)(back.Tidy(sharding.Change{ID: "tidy", Oldest: 9})); len(tidy.Moves()) > 0 || tidy.Tables() != 1 {
		t.Errorf("tidied: %d moves, %d tables", len(tidy.Moves()), tidy.Tables())
	}
}

// Random nodes are abandoned again and again, while what is on its way to them has
// not left: the ring knows who has it.
func TestTheRingKnowsWhoHasWhatWasOnItsWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight, equal := anyWeight(), rapid.Bool().Draw(t, "equal")
		if equal {
			weight = rapid.Just(1)
		}
		r := drawRing(t, weight)
		has := make([]counting.NodeID, sharding.Arcs) // who has each arc; empty where none has
		for n := range rapid.IntRange(1, 4).Draw(t, "steps") {
			if equal && drift(r) >= 1 {
				t.Fatalf("a node is %v arcs away from its share", drift(r))
			}
			for arc := range counting.Arc(sharding.Arcs) { // all moves end
				has[arc] = r.Members()[r.Owner(arc)].ID
			}
			r, _ = drawStep(t, r, n, weight)
			for try := range rapid.IntRange(0, 3).Draw(t, "losses") {
				var lost []counting.NodeID
				for _, m := range r.Members() {
					if m.State != sharding.Lost && rapid.IntRange(0, 3).Draw(t, "dies") == 0 {
						lost = append(lost, m.ID)
					}
				}
				moving := rapid.Bool().Draw(t, "moving")
				next, err := r.Abandon(sharding.Change{ID: fmt.Sprint("lost ", n, try), From: counting.Window(10*n + try + 1), Moving: moving}, lost...)
				if err != nil || len(lost) == 0 {
					continue
				}
				for arc := range counting.Arc(sharding.Arcs) {
					owner := r.Members()[r.Owner(arc)].ID
					switch fromLost := slices.Contains(lost, has[arc]); {
					case slices.Contains(lost, owner) && fromLost:
						has[arc] = ""
					case !slices.Contains(lost, owner) && (fromLost || !moving): // the move has ended
						has[arc] = owner
					}
				}
				if next, err = sharding.Decode(next.Encode()); err != nil {
					t.Fatal(err)
				}
				wantHolders(t, next, r, has)
				wantEnds(t, next, r)
				for arc, id := range has {
					if id == "" {
						has[arc] = next.Members()[next.Owner(counting.Arc(arc))].ID // it begins at 0 there
					}
				}
				r = next
			}
		}
	})
}

// X8, V14: a member that was abandoned, dropped and added again is abandoned again. The moves
// from it end.
func TestX8MovesFromAMemberThatWasLostBeforeEnd(t *testing.T) {
	for _, moving := range []bool{false, true} {
		r := newRing(t, member("a", 1), member("b", 1), member("c", 1), member("d", 1))
		r = must(t)(r.Abandon(sharding.Change{ID: "lost", From: 5, Oldest: 4}, "c"))
		r = must(t)(r.Tidy(sharding.Change{ID: "tidy", Oldest: 9}))
		r = must(t)(r.Add(sharding.Change{ID: "add", From: 20, Oldest: 19}, member("c", 1)))
		r = must(t)(r.Reweight(sharding.Change{ID: "weight", From: 30, Oldest: 15}, "b", 4)) // window 15 waits
		var want []counting.Arc
		for _, m := range r.Moves() {
			if r.Members()[m.To].ID == "b" && r.Members()[m.From].ID == "c" {
				want = append(want, m.Arc)
			}
		}
		next := must(t)(r.Abandon(sharding.Change{ID: "again", From: 40, Oldest: 15, Moving: moving}, "c"))
		if got := next.CancelledMoves("b"); len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("moving %t: %d moves end, want %d", moving, len(got), len(want))
		}
		for _, arc := range want {
			check.Equal(t, next.From(arc), next.Owner(arc), "where arc %d comes from", arc)
		}
	}
}

// wantEnds checks that a ring which gives nodes up ends what they had on its way to
// those that are left, also under a later epoch, and that no ring after it does.
func wantEnds(t *rapid.T, r, before *sharding.Ring) {
	want := make(map[counting.NodeID][]counting.Arc)
	for _, m := range before.Moves() {
		if r.Members()[m.From].State == sharding.Lost {
			to := r.Members()[m.To].ID
			want[to] = append(want[to], m.Arc)
		}
	}
	after, err := r.Add(sharding.Change{ID: "after"}, member("another", 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Members() {
		for _, same := range []*sharding.Ring{r, before.Propose(r, r.Epoch()+3)} {
			if got := same.CancelledMoves(m.ID); !slices.Equal(got, want[m.ID]) {
				t.Fatalf("%d arcs to %s end, want %d", len(got), m.ID, len(want[m.ID]))
			}
		}
		if got := after.CancelledMoves(m.ID); len(got) > 0 {
			t.Fatalf("%d arcs to %s end in the ring after it", len(got), m.ID)
		}
	}
}

// wantHolders compares what a ring that follows another says with who has each arc.
func wantHolders(t *rapid.T, r, before *sharding.Ring, has []counting.NodeID) {
	retained := make(map[counting.Arc]counting.NodeID)
	gained := make(map[counting.Arc]counting.NodeID)
	continued := make(map[counting.Arc]string)
	for _, m := range r.Members() {
		for _, arc := range r.ContinuedMoves(m.ID) {
			continued[arc] += string(m.ID) + " "
		}
		for _, arc := range r.ReclaimedArcs(m.ID) {
			retained[arc] = m.ID
		}
		for _, arc := range r.AddedArcs(m.ID) {
			gained[arc] = m.ID
		}
	}
	for arc := range counting.Arc(sharding.Arcs) {
		owner, from := r.Members()[r.Owner(arc)].ID, r.Members()[r.From(arc)].ID
		was := before.Members()[before.Owner(arc)].ID
		if r.Members()[r.Owner(arc)].State != sharding.Active {
			t.Fatalf("arc %d belongs to %s, which is no active member", arc, owner)
		}
		want, wantRetained, wantGained := has[arc], has[arc], owner
		if want == "" {
			want = owner
		}
		wasLost := r.Members()[r.Index(was)].State == sharding.Lost
		if was == has[arc] || !wasLost {
			wantRetained = ""
		}
		goesOn := owner == was && has[arc] != owner && has[arc] != ""
		if got := continued[arc]; goesOn != (got == string(min(owner, from)+" "+max(owner, from)+" ")) || !goesOn && got != "" {
			t.Fatalf("arc %d from %s to %s goes on at %q, want %t", arc, from, owner, got, goesOn)
		}
		if owner == has[arc] || owner == was {
			wantGained = ""
		}
		if from != want || retained[arc] != wantRetained || gained[arc] != wantGained {
			t.Fatalf("arc %d of %s, which was %s's and is at %q: it comes from %s, is retained by %q and gained by %q",
				arc, owner, was, has[arc], from, retained[arc], gained[arc])
		}
	}
}
