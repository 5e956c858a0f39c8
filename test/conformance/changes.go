package conformance

import (
	"slices"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

func changeCases() []testCase {
	return []testCase{
		{"the pulse is the standing in short", pulse},
		{"a fence may be passed by one that undoes the change", fenceUndone},
		{"a change that was made can't be undone", noUndoAfterOpen},
		{"an undone change can't be opened", undoneStaysUndone},
		{"an empty node that is no newcomer is not let in", emptyIsNoMember},
		{"a newcomer whose change was undone can be added again", newcomerAgain},
		{"a node that missed a change is not let on", missedChange},
		{"a node that missed an undone change follows", missedUndoing},
		{"what comes from a node that is given up holds up no giving up", lostArcsHoldUpNothing},
		{"moves go on after giving up was undone", movesOutliveGivingUp},
	}
}

// fence must be taken.
func (s *stand) fence(t *testing.T, r *sharding.Ring) {
	t.Helper()
	_, err := s.node.Fence(t.Context(), r)
	must(t, err)
}

// notFenced checks that a fence is refused and changes nothing.
func (s *stand) notFenced(t *testing.T, r *sharding.Ring, want error) {
	t.Helper()
	before, beforeErr := s.node.RingState(t.Context())
	_, err := s.node.Fence(t.Context(), r)
	mustBe(t, err, want)
	if beforeErr != nil {
		_, err := s.node.RingState(t.Context())
		mustBe(t, err, counting.ErrUninitialized)
		return
	}
	s.standing(t, before.Fenced, before.Opened)
}

func pulse(t *testing.T, s *stand) {
	n := s.empty(t)
	_, err := n.RingSummary(t.Context())
	mustBe(t, err, counting.ErrUninitialized)
	first := s.newRing(t, "first")
	s.fence(t, first)
	s.pulse(t, sharding.RingSummary{Fence: 1})
	s.enter(t, first)
	s.pulse(t, sharding.RingSummary{Fence: 1, Opened: 1})
	s.fence(t, s.nextRing(t, "second", s.current(t)+2))
	s.pulse(t, sharding.RingSummary{Fence: 2, Opened: 1})
}

func (s *stand) pulse(t *testing.T, want sharding.RingSummary) {
	t.Helper()
	got, err := s.node.RingSummary(t.Context())
	must(t, err)
	equal(t, "pulse", got, want)
}

func fenceUndone(t *testing.T, s *stand) {
	n := s.open(t)
	old := s.ring
	left := s.nextRing(t, "left", s.current(t)+2)
	s.fence(t, left)
	undo := old.Propose(old, left.Epoch())
	s.fence(t, undo)
	mustBe(t, n.Open(t.Context(), left), counting.ErrStale)
	s.standing(t, undo, old)
	must(t, n.Open(t.Context(), undo))
	s.standing(t, undo, undo)
}

func noUndoAfterOpen(t *testing.T, s *stand) {
	s.open(t)
	old := s.ring
	next := s.nextRing(t, "second", s.current(t)+2)
	s.enter(t, next)
	s.notFenced(t, old.Propose(old, next.Epoch()), sharding.ErrConflict)
	s.pulse(t, sharding.RingSummary{Fence: 2, Opened: 2})
}

func undoneStaysUndone(t *testing.T, s *stand) {
	n := s.open(t)
	old := s.ring
	next := s.nextRing(t, "second", s.current(t)+2)
	undo := old.Propose(old, next.Epoch())
	s.enter(t, undo)
	s.notFenced(t, next, counting.ErrStale)
	mustBe(t, n.Open(t.Context(), next), counting.ErrStale)
}

func emptyIsNoMember(t *testing.T, s *stand) {
	s.empty(t)
	first := s.newRing(t, "first")
	s.ring = first
	next, err := first.Add(sharding.Change{ID: "second"}, sharding.Member{ID: "stranger", Addr: "stranger:1", Weight: 1})
	must(t, err)
	s.notFenced(t, next, counting.ErrUninitialized)
	s.notFenced(t, first.Propose(first, 0), counting.ErrUninitialized)
	s.enter(t, first)
}

// strangers is a ring of epoch 1 without the node.
func (s *stand) strangers(t *testing.T) *sharding.Ring {
	t.Helper()
	members := []sharding.Member{{ID: "stranger", Addr: "stranger:1", Weight: 1}}
	r, err := sharding.New("conformance", 7, s.length(), "first", members)
	must(t, err)
	return r
}

func (s *stand) member() sharding.Member {
	return sharding.Member{ID: s.node.ID(), Addr: s.node.Addr(), Weight: 1}
}

func newcomerAgain(t *testing.T, s *stand) {
	n := s.empty(t)
	first := s.strangers(t)
	s.notFenced(t, first, counting.ErrUninitialized)
	tried, err := first.Add(sharding.Change{ID: "tried"}, s.member())
	must(t, err)
	s.fence(t, tried)
	undo := first.Propose(first, tried.Epoch())
	s.notFenced(t, undo, counting.ErrUninitialized)
	again, err := undo.Add(sharding.Change{ID: "again"}, s.member())
	must(t, err)
	s.fence(t, again)
	mustBe(t, n.Open(t.Context(), tried), counting.ErrStale)
	must(t, n.Open(t.Context(), again))
	s.standing(t, again, again)
}

func missedChange(t *testing.T, s *stand) {
	s.open(t)
	w := s.current(t)
	old := s.ring
	s.ring = s.nextRing(t, "missed", w+2)
	third := s.nextRing(t, "third", w+2)
	s.ring = old
	s.notFenced(t, third, counting.ErrAhead)
}

func missedUndoing(t *testing.T, s *stand) {
	s.open(t)
	undone := s.ring.Propose(s.ring, 2)
	s.ring = undone.Propose(undone, 5)
	s.enter(t, s.nextRing(t, "then", s.current(t)+2))
	s.pulse(t, sharding.RingSummary{Fence: 7, Opened: 7})
}

// lostArcsHoldUpNothing has arcs of three nodes come, of which one is given up.
func lostArcsHoldUpNothing(t *testing.T, s *stand) {
	s.movable(t)
	s.empty(t)
	var others []sharding.Member
	for _, id := range []counting.NodeID{"other_1", "other_2", "other_3"} {
		others = append(others, sharding.Member{ID: id, Addr: string(id) + ":1", Weight: 1})
	}
	r, err := sharding.New("conformance", 7, s.length(), "first", others)
	must(t, err)
	r, err = r.Add(sharding.Change{ID: "second"}, s.member())
	must(t, err)
	s.enter(t, r)
	left, err := r.Abandon(sharding.Change{ID: "third", From: s.current(t) + 2}, "other_2")
	must(t, err)
	ending := left.CancelledMoves(s.node.ID())
	staying := slices.DeleteFunc(r.Incoming(s.node.ID()), func(arc counting.Arc) bool { return slices.Contains(ending, arc) })
	for i, arc := range staying {
		if i == 0 || i == len(staying)-1 {
			s.notFenced(t, left, sharding.ErrMoving)
		}
		must(t, s.moves().CloseArc(t.Context(), r.Table(), arc, 0))
	}
	next := s.nextRing(t, "fourth", s.current(t)+2)
	s.notFenced(t, next, sharding.ErrMoving)
	s.pulse(t, sharding.RingSummary{Fence: 2, Opened: 2, Incoming: len(ending)})
	s.takeIn(t, ending[0], some(2)(ending[0]), 2)
	s.enter(t, left)
	s.pulse(t, sharding.RingSummary{Fence: 3, Opened: 3, Incoming: len(left.Incoming(s.node.ID()))})
	s.takesNothing(t, ending[0])
	s.live(t, some(2)(ending[0]))
}

func movesOutliveGivingUp(t *testing.T, s *stand) {
	arc := s.destination(t)
	coming := len(s.ring.Incoming(s.node.ID()))
	s.takeIn(t, arc, some(2)(arc), 2)
	left, err := s.ring.Abandon(sharding.Change{ID: "lost", From: s.current(t) + 2}, s.other())
	must(t, err)
	s.fence(t, left)
	s.pulse(t, sharding.RingSummary{Fence: 3, Opened: 2, Incoming: coming})
	s.enter(t, s.ring.Propose(s.ring, left.Epoch()))
	s.pulse(t, sharding.RingSummary{Fence: 4, Opened: 4, Incoming: coming})
	s.takeIn(t, arc, some(3)(arc), 3)
	s.live(t, some(3)(arc))
}
