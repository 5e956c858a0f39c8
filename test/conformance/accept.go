package conformance

import (
	"bytes"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func acceptCases() []testCase {
	return []testCase{
		{"an approval is kept until the ring is opened", open, func(f *fixture) {
			old := f.ring
			f.accepted(nil)
			next := f.next("second")
			f.fence(next)
			f.accepted(nil)
			for range 2 {
				check.Must(f, f.node.Accept(f.Context(), next))
				f.accepted(next)
				f.rings(next, old)
				f.summary(sharding.RingSummary{Fence: 2, Opened: 1})
			}
			check.Must(f, f.node.Open(f.Context(), next))
			f.accepted(nil)
			f.rings(next, next)
		}},
		{"an approval is not forgotten by a later fence", open, func(f *fixture) {
			old := f.ring
			next := f.next("second")
			f.accept(next)
			undo := old.Propose(old, 5)
			f.fence(undo)
			f.accepted(next)
			f.rings(undo, old)
			mustBe(f, f.node.Accept(f.Context(), next), counting.ErrStale)
			f.accepted(next)
		}},
		{"a later approval takes the place of an older one", open, func(f *fixture) {
			old := f.ring
			f.accept(f.next("second"))
			undo := old.Propose(old, 5)
			f.accept(undo)
			f.accepted(undo)
		}},
		{"opening a later ring forgets an approval", open, func(f *fixture) {
			old := f.ring
			f.accept(f.next("second"))
			f.openRing(old.Propose(old, 5))
			f.accepted(nil)
		}},
		{"only the ring that the node is fenced for is approved", empty, func(f *fixture) {
			mustBe(f, f.node.Accept(f.Context(), f.firstRing("first", f.member())), sharding.ErrConflict)
			mustBe(f, errorOf(f.node.RingState(f.Context())), counting.ErrUninitialized)
			f.openRing(f.firstRing("first", f.member()))
			w := f.current() + 2
			next, other := f.nextRing("second", w), f.nextRing("other", w)
			mustBe(f, f.node.Accept(f.Context(), next), sharding.ErrConflict)
			f.fence(next)
			mustBe(f, f.node.Accept(f.Context(), other), sharding.ErrConflict)
			mustBe(f, f.node.Accept(f.Context(), f.ring.Propose(next, 5)), sharding.ErrConflict)
			f.accepted(nil)
		}},
		{"a ring of another deployment is not approved", open, func(f *fixture) {
			members := []sharding.Member{{ID: f.node.ID(), Addr: f.node.Addr(), Weight: 1}}
			r := check.Value(sharding.New("elsewhere", 7, f.length(), "first", members))(f)
			mustBe(f, f.node.Accept(f.Context(), r), counting.ErrWrongNode)
			f.accepted(nil)
		}},
		{"what is open is approved without a trace", open, func(f *fixture) {
			check.Must(f, f.node.Accept(f.Context(), f.ring))
			f.accepted(nil)
		}},
		{"what a change made may be opened again under a later epoch", open, func(f *fixture) {
			old := f.ring
			next := f.next("second")
			f.openRing(next)
			again := old.Propose(next, 5)
			f.openRing(again)
			f.rings(again, again)
			f.refuseFence(old.Propose(old, 9), sharding.ErrConflict)
		}},
		{"a newcomer that was let in may open a later ring of its table", empty, func(f *fixture) {
			first := f.otherRing()
			added := check.Value(first.Add(sharding.Change{ID: "added"}, f.member()))(f)
			later := added.Propose(added, 5)
			f.refuseFence(later, counting.ErrUninitialized) // it would have come back empty
			f.fence(added)
			f.openRing(later)
			f.rings(later, later)
		}},
		{"a newcomer of the first start may open a later ring of its table", empty, func(f *fixture) {
			first := f.firstRing("first", f.member())
			f.fence(first)
			later := first.Propose(first, 5)
			f.openRing(later)
			f.rings(later, later)
		}},
		{"approvals survive", open, func(f *fixture) {
			old := f.ring
			next := f.next("second")
			f.accept(next)
			undo := old.Propose(old, 5)
			f.fence(undo)
			f.reopen()
			f.accepted(next)
			f.rings(undo, old)
			check.Must(f, f.node.Open(f.Context(), undo))
			f.reopen()
			f.accepted(nil)
		}},
	}
}

// accepted checks which ring the node says that it has approved.
func (f *fixture) accepted(want *sharding.Ring) {
	f.Helper()
	got := check.Value(f.node.RingState(f.Context()))(f)
	if a := got.Accepted; (a == nil) != (want == nil) || a != nil && !bytes.Equal(a.Encode(), want.Encode()) {
		f.Fatalf("approved ring: got %v, want %v", changeOf(a), changeOf(want))
	}
}

// accept must be taken.
func (f *fixture) accept(r *sharding.Ring) {
	f.Helper()
	f.fence(r)
	check.Must(f, f.node.Accept(f.Context(), r))
}
