package conformance

import (
	"bytes"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

func approveCases() []testCase {
	return []testCase{
		{"an approval is kept until the ring is opened", approvalIsKept},
		{"an approval is not forgotten by a later fence", approvalOutlivesFence},
		{"a later approval takes the place of an older one", approvalIsReplaced},
		{"opening a later ring forgets an approval", laterOpeningEndsApproval},
		{"only the ring that the node is fenced for is approved", approveUnfenced},
		{"a ring of another deployment is not approved", approveElsewhere},
		{"what is open is approved without a trace", approveOpened},
		{"what a change made may be opened again under a later epoch", openedUnderLaterEpoch},
		{"a newcomer that was let in may open a later ring of its table", newcomerMissedItsOpening},
		{"a newcomer of the first start may open a later ring of its table", memberMissedTheFirstOpening},
		{"approvals survive", approvalSurvives},
	}
}

// approved checks which ring the node says that it has approved.
func (s *stand) approved(t *testing.T, want *sharding.Ring) {
	t.Helper()
	got, err := s.node.RingState(t.Context())
	must(t, err)
	if a := got.Accepted; (a == nil) != (want == nil) || a != nil && !bytes.Equal(a.Encode(), want.Encode()) {
		t.Fatalf("approved ring: got %v, want %v", describe(a), describe(want))
	}
}

// approve must be taken.
func (s *stand) approve(t *testing.T, r *sharding.Ring) {
	t.Helper()
	s.fence(t, r)
	must(t, s.node.Accept(t.Context(), r))
}

func approvalIsKept(t *testing.T, s *stand) {
	n := s.open(t)
	old := s.ring
	s.approved(t, nil)
	next := s.nextRing(t, "second", s.current(t)+2)
	s.fence(t, next)
	s.approved(t, nil)
	for range 2 {
		must(t, n.Accept(t.Context(), next))
		s.approved(t, next)
		s.standing(t, next, old)
		s.pulse(t, sharding.RingSummary{Fence: 2, Opened: 1})
	}
	must(t, n.Open(t.Context(), next))
	s.approved(t, nil)
	s.standing(t, next, next)
}

func approvalOutlivesFence(t *testing.T, s *stand) {
	n := s.open(t)
	old := s.ring
	next := s.nextRing(t, "second", s.current(t)+2)
	s.approve(t, next)
	undo := old.Propose(old, 5)
	s.fence(t, undo)
	s.approved(t, next)
	s.standing(t, undo, old)
	mustBe(t, n.Accept(t.Context(), next), counting.ErrStale)
	s.approved(t, next)
}

func approvalIsReplaced(t *testing.T, s *stand) {
	s.open(t)
	old := s.ring
	s.approve(t, s.nextRing(t, "second", s.current(t)+2))
	undo := old.Propose(old, 5)
	s.approve(t, undo)
	s.approved(t, undo)
}

func laterOpeningEndsApproval(t *testing.T, s *stand) {
	s.open(t)
	old := s.ring
	s.approve(t, s.nextRing(t, "second", s.current(t)+2))
	s.enter(t, old.Propose(old, 5))
	s.approved(t, nil)
}

func approveUnfenced(t *testing.T, s *stand) {
	n := s.empty(t)
	mustBe(t, n.Accept(t.Context(), s.newRing(t, "first")), sharding.ErrConflict)
	_, err := n.RingState(t.Context())
	mustBe(t, err, counting.ErrUninitialized)
	s.enter(t, s.newRing(t, "first"))
	w := s.current(t) + 2
	next, other := s.nextRing(t, "second", w), s.nextRing(t, "other", w)
	mustBe(t, n.Accept(t.Context(), next), sharding.ErrConflict)
	s.fence(t, next)
	mustBe(t, n.Accept(t.Context(), other), sharding.ErrConflict)
	mustBe(t, n.Accept(t.Context(), s.ring.Propose(next, 5)), sharding.ErrConflict)
	s.approved(t, nil)
}

func approveElsewhere(t *testing.T, s *stand) {
	n := s.open(t)
	members := []sharding.Member{{ID: n.ID(), Addr: n.Addr(), Weight: 1}}
	r, err := sharding.New("elsewhere", 7, s.length(), "first", members)
	must(t, err)
	mustBe(t, n.Accept(t.Context(), r), counting.ErrWrongNode)
	s.approved(t, nil)
}

func approveOpened(t *testing.T, s *stand) {
	n := s.open(t)
	must(t, n.Accept(t.Context(), s.ring))
	s.approved(t, nil)
}

func openedUnderLaterEpoch(t *testing.T, s *stand) {
	s.open(t)
	old := s.ring
	next := s.nextRing(t, "second", s.current(t)+2)
	s.enter(t, next)
	again := old.Propose(next, 5)
	s.enter(t, again)
	s.standing(t, again, again)
	s.notFenced(t, old.Propose(old, 9), sharding.ErrConflict)
}

func newcomerMissedItsOpening(t *testing.T, s *stand) {
	s.empty(t)
	first := s.strangers(t)
	added, err := first.Add(sharding.Change{ID: "added"}, s.member())
	must(t, err)
	later := added.Propose(added, 5)
	s.notFenced(t, later, counting.ErrUninitialized) // it would have come back empty
	s.fence(t, added)
	s.enter(t, later)
	s.standing(t, later, later)
}

func memberMissedTheFirstOpening(t *testing.T, s *stand) {
	s.empty(t)
	first := s.newRing(t, "first")
	s.fence(t, first)
	later := first.Propose(first, 5)
	s.enter(t, later)
	s.standing(t, later, later)
}

func approvalSurvives(t *testing.T, s *stand) {
	s.open(t)
	old := s.ring
	next := s.nextRing(t, "second", s.current(t)+2)
	s.approve(t, next)
	undo := old.Propose(old, 5)
	s.fence(t, undo)
	s.reopen(t)
	s.approved(t, next)
	s.standing(t, undo, old)
	must(t, s.node.Open(t.Context(), undo))
	s.reopen(t)
	s.approved(t, nil)
}
