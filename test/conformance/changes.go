package conformance

import (
	"slices"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func changeCases() []testCase {
	return []testCase{
		{"the summary has the epochs of the state", empty, func(f *fixture) {
			first := f.firstRing("first", f.member())
			f.fence(first)
			f.summary(sharding.RingSummary{Fence: 1})
			f.openRing(first)
			f.summary(sharding.RingSummary{Fence: 1, Opened: 1})
			f.fence(f.next("second"))
			f.summary(sharding.RingSummary{Fence: 2, Opened: 1})
		}},
		{"a later fence may undo a change", open, func(f *fixture) {
			old, left := f.ring, f.next("left")
			f.fence(left)
			undo := old.Propose(old, left.Epoch())
			f.fence(undo)
			mustBe(f, f.node.Open(f.Context(), left), counting.ErrStale)
			f.rings(undo, old)
			check.Must(f, f.node.Open(f.Context(), undo))
			f.rings(undo, undo)
		}},
		{"an opened change can't be undone", open, func(f *fixture) {
			old, next := f.ring, f.next("second")
			f.openRing(next)
			f.refuseFence(old.Propose(old, next.Epoch()), sharding.ErrConflict)
			f.summary(sharding.RingSummary{Fence: 2, Opened: 2})
		}},
		{"an undone change can't be opened", open, func(f *fixture) {
			old, next := f.ring, f.next("second")
			undo := old.Propose(old, next.Epoch())
			f.openRing(undo)
			f.refuseFence(next, counting.ErrStale)
			mustBe(f, f.node.Open(f.Context(), next), counting.ErrStale)
		}},
		{"an empty node is fenced only for a ring that admits it", empty, func(f *fixture) {
			first := f.firstRing("first", f.member())
			f.ring = first
			next := check.Value(first.Add(sharding.Change{ID: "second"}, sharding.Member{ID: "other", Addr: "other:1", Weight: 1}))(f)
			f.refuseFence(next, counting.ErrUninitialized)
			f.refuseFence(first.Propose(first, 0), counting.ErrUninitialized)
			f.openRing(first)
		}},
		{"a joining node whose change was undone can be added again", empty, func(f *fixture) {
			first := f.otherRing()
			f.refuseFence(first, counting.ErrUninitialized)
			tried := check.Value(first.Add(sharding.Change{ID: "tried"}, f.member()))(f)
			f.fence(tried)
			undo := first.Propose(first, tried.Epoch())
			f.refuseFence(undo, counting.ErrUninitialized)
			again := check.Value(undo.Add(sharding.Change{ID: "again"}, f.member()))(f)
			f.fence(again)
			mustBe(f, f.node.Open(f.Context(), tried), counting.ErrStale)
			check.Must(f, f.node.Open(f.Context(), again))
			f.rings(again, again)
		}},
		{"a ring that can't follow the open table is ahead", open, func(f *fixture) {
			w := f.current()
			old := f.ring
			f.ring = f.nextRing("missed", w+2)
			third := f.nextRing("third", w+2)
			f.ring = old
			f.refuseFence(third, counting.ErrAhead)
		}},
		{"a node that missed an undone change can follow", open, func(f *fixture) {
			undone := f.ring.Propose(f.ring, 2)
			f.ring = undone.Propose(undone, 5)
			f.openRing(f.next("then"))
			f.summary(sharding.RingSummary{Fence: 7, Opened: 7})
		}},
		// Arcs of three nodes are incoming, and one of the nodes is abandoned.
		{"cancelled moves don't delay the change that abandons their node", moving, func(f *fixture) {
			f.empty()
			r := check.Value(f.firstRing("first", three()...).Add(sharding.Change{ID: "second"}, f.member()))(f)
			f.openRing(r)
			left := check.Value(r.Abandon(sharding.Change{ID: "third", From: f.current() + 2}, "other_2"))(f)
			ending := left.CancelledMoves(f.node.ID())
			staying := slices.DeleteFunc(r.Incoming(f.node.ID()), func(arc counting.Arc) bool { return slices.Contains(ending, arc) })
			for i, arc := range staying {
				if i == 0 || i == len(staying)-1 {
					f.refuseFence(left, sharding.ErrMoving)
				}
				check.Must(f, f.moves().CloseArc(f.Context(), r.Table(), arc, 0))
			}
			next := f.next("fourth")
			f.refuseFence(next, sharding.ErrMoving)
			f.summary(sharding.RingSummary{Fence: 2, Opened: 2, Incoming: len(ending)})
			f.importPages(ending[0], pagesOf(2)(ending[0]), 2)
			f.openRing(left)
			f.summary(sharding.RingSummary{Fence: 3, Opened: 3, Incoming: len(left.Incoming(f.node.ID()))})
			f.importsNothing(ending[0])
			f.tallies(pagesOf(2)(ending[0]))
		}},
		{"windows that an abandoned node may have had alone become waiting ones", moving, func(f *fixture) {
			f.source(nil)
			lost := f.other()
			f.openRing(f.next("third"))
			w := f.window()
			f.pass(w)
			f.seal(w)
			check.Must(f, f.node.Retire(f.Context(), w))
			f.pass(w + 1)
			f.seal(w + 1)                           // it waits for others
			f.elapse(4 * time.Duration(f.length())) // no instance asks this node meanwhile
			from := f.current() + 2
			left := check.Value(f.ring.Abandon(sharding.Change{ID: "lost", From: from}, lost))(f)
			f.openRing(left)
			f.pass(from - 1)
			f.openRing(left) // again
			var want []counting.Window
			for w++; w < from; w++ {
				want = append(want, w)
			}
			got := f.heartbeat().Waiting
			equalSlices(f, "waiting windows", got[:min(len(got), len(want))], want)
		}},
		{"moves go on after an abandoning change was undone", moving, func(f *fixture) {
			arc := f.destination()
			incoming := len(f.incoming())
			f.importPages(arc, pagesOf(2)(arc), 2)
			left := check.Value(f.ring.Abandon(sharding.Change{ID: "lost", From: f.current() + 2}, f.other()))(f)
			f.fence(left)
			f.summary(sharding.RingSummary{Fence: 3, Opened: 2, Incoming: incoming})
			f.openRing(f.ring.Propose(f.ring, left.Epoch()))
			f.summary(sharding.RingSummary{Fence: 4, Opened: 4, Incoming: incoming})
			f.importPages(arc, pagesOf(3)(arc), 3)
			f.tallies(pagesOf(3)(arc))
		}},
	}
}

// fence makes a fence that must succeed.
func (f *fixture) fence(r *sharding.Ring) {
	f.Helper()
	check.Value(f.node.Fence(f.Context(), r))(f)
}

// refuseFence checks that a fence is refused and changes nothing.
func (f *fixture) refuseFence(r *sharding.Ring, want error) {
	f.Helper()
	before, beforeErr := f.node.RingState(f.Context())
	mustBe(f, check.Err(f.node.Fence(f.Context(), r)), want)
	if beforeErr != nil {
		mustBe(f, check.Err(f.node.RingState(f.Context())), counting.ErrUninitialized)
		return
	}
	f.rings(before.Fenced, before.Opened)
}

// summary checks the summary, but for the number of pages and the disk.
func (f *fixture) summary(want sharding.RingSummary) {
	f.Helper()
	got := check.Value(f.node.RingSummary(f.Context()))(f)
	want.Pages, want.DiskFree = got.Pages, got.DiskFree
	equal(f, "summary", got, want)
}

// otherRing is a ring of epoch 1 without the node.
func (f *fixture) otherRing() *sharding.Ring {
	f.Helper()
	return f.firstRing("first", sharding.Member{ID: "other", Addr: "other:1"})
}
