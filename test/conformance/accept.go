package conformance

import (
	"bytes"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func acceptCases() []testCase {
	return []testCase{
		{"an accepted ring is stored until it is opened", open, func(f *fixture) {
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
		{"an accepted ring is stored whatever the node is fenced for later", open, func(f *fixture) {
			old, next := f.ring, f.next("second")
			f.accept(next)
			undo := old.Propose(old, 5)
			f.fence(undo)
			f.accepted(next)
			f.rings(undo, old)
			mustBe(f, f.node.Accept(f.Context(), next), counting.ErrStale)
			f.accepted(next)
		}},
		{"a ring accepted later replaces the older one", open, func(f *fixture) {
			old := f.ring
			f.accept(f.next("second"))
			undo := old.Propose(old, 5)
			f.accept(undo)
			f.accepted(undo)
		}},
		{"opening a later ring ends what was accepted", open, func(f *fixture) {
			old := f.ring
			f.accept(f.next("second"))
			f.openRing(old.Propose(old, 5))
			f.accepted(nil)
		}},
		{"only the ring that the node is fenced for is accepted or opened", empty, func(f *fixture) {
			refused := func(r *sharding.Ring) {
				f.Helper()
				mustBe(f, f.node.Accept(f.Context(), r), sharding.ErrConflict)
				mustBe(f, f.node.Open(f.Context(), r), sharding.ErrConflict)
			}
			first := f.firstRing("first", f.member())
			refused(first)
			mustBe(f, check.Err(f.node.RingState(f.Context())), counting.ErrUninitialized)
			f.openRing(first)
			w := f.current() + 2
			next, other := f.nextRing("second", w), f.nextRing("other", w)
			refused(next)
			f.fence(next)
			refused(other)
			refused(first.Propose(next, 5))
			f.accepted(nil)
			f.rings(next, first)
		}},
		{"accepting the open ring changes nothing", open, func(f *fixture) {
			check.Must(f, f.node.Accept(f.Context(), f.ring))
			f.accepted(nil)
		}},
		{"an opened table may be opened again at a later epoch", open, func(f *fixture) {
			old, next := f.ring, f.next("second")
			f.openRing(next)
			again := old.Propose(next, 5)
			f.openRing(again)
			f.rings(again, again)
			f.refuseFence(old.Propose(old, 9), sharding.ErrConflict)
		}},
		{"a joining node that was admitted may open a later ring of its table", empty, func(f *fixture) {
			first := f.otherRing()
			added := check.Value(first.Add(sharding.Change{ID: "added"}, f.member()))(f)
			later := added.Propose(added, 5)
			f.refuseFence(later, counting.ErrUninitialized) // it may have lost what it had
			f.fence(added)
			f.openRing(later)
			f.rings(later, later)
		}},
		{"a node of the first ring may open a later ring of its table", empty, func(f *fixture) {
			first := f.firstRing("first", f.member())
			f.fence(first)
			later := first.Propose(first, 5)
			f.openRing(later)
			f.rings(later, later)
		}},
		{"what was accepted survives a restart", open, func(f *fixture) {
			old, next := f.ring, f.next("second")
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

// accepted checks which ring the node has accepted.
func (f *fixture) accepted(want *sharding.Ring) {
	f.Helper()
	got := check.Value(f.node.RingState(f.Context()))(f)
	if a := got.Accepted; (a == nil) != (want == nil) || a != nil && !bytes.Equal(a.Encode(), want.Encode()) {
		f.Fatalf("accepted ring: got %v, want %v", changeOf(a), changeOf(want))
	}
}

// accept fences and accepts a ring, which must succeed.
func (f *fixture) accept(r *sharding.Ring) {
	f.Helper()
	f.fence(r)
	check.Must(f, f.node.Accept(f.Context(), r))
}
