package conformance

import (
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// continuedCases are about moves that go on while a third node is abandoned.
func continuedCases() []testCase {
	return []testCase{
		{"arcs that come to the node come on by the next table", moving, func(f *fixture) {
			f.empty()
			before := check.Value(f.firstRing("first", three()...).Add(sharding.Change{ID: "second"}, f.member()))(f)
			f.openRing(before)
			left := f.abandonOneOf(before)
			going := left.ContinuedMoves(f.node.ID())
			if len(going) < 3 || !slices.Equal(going, left.Incoming(f.node.ID())) {
				f.Fatalf("%d moves go on", len(going))
			}
			some, all, none := going[0], going[1], going[2]
			f.importPages(some, pagesOf(2)(some), 2)
			f.importKeys(some, false)
			f.importPages(all, pagesOf(3)(all), 3)
			check.Must(f, f.closeArc(all, 3))

			f.openRing(left)
			f.reopen()
			f.summary(sharding.RingSummary{Fence: 3, Opened: 3, Incoming: len(going) - 1})
			equalSlices(f, "incoming arcs", check.Value(f.moves().IncomingArcs(f.Context(), left.Table()))(f), slices.Delete(slices.Clone(going), 1, 2))
			_, err := f.moves().Import(f.Context(), before.Table(), none, counting.Chunk{Pages: pagesOf(1)(none)})
			mustBe(f, err, counting.ErrStale)
			f.importsNothing(all)
			f.importPages(some, pagesOf(3)(some), 3) // two of them are marked
			equal(f, "confirmed", check.Value(f.moves().Confirm(f.Context(), left.Table(), []counting.Arc{some}))(f)[0].Keys, true)
			f.importPages(none, pagesOf(1)(none), 1)
			for _, arc := range []counting.Arc{some, all} {
				f.tallies(pagesOf(3)(arc))
			}
			f.refuseFence(f.next("fourth"), sharding.ErrMoving)
			check.Must(f, f.closeArc(some, 3))
			check.Must(f, f.closeArc(none, 1))
			f.closeArcs()
			f.openRing(f.next("fourth"))
			f.tallies(pagesOf(3)(some))
		}},
		{"arcs that leave the node leave on by the next table", moving, func(f *fixture) {
			f.empty()
			members := append(three(), f.member())
			f.openRing(f.firstRing("first", members...))
			before := f.next("second")
			var going []counting.Arc
			for _, m := range before.Moves() {
				if before.Members()[m.From].ID == f.node.ID() {
					going = append(going, m.Arc)
				}
			}
			frozenArc, gone, untouched := going[0], going[1], going[2]
			for _, arc := range []counting.Arc{frozenArc, gone, untouched} {
				f.apply(f.batch(pagesOf(2)(arc)...))
			}
			f.openRing(before)
			f.claimArc(frozenArc, frozen(2))
			f.claimArc(gone, frozen(2))
			check.Must(f, f.retireArc(gone, 2))

			left := f.abandonOneOf(before)
			equalSlices(f, "moves that go on", left.ContinuedMoves(f.node.ID()), going)
			f.openRing(left)
			f.reopen()
			_, err := f.moves().ClaimArcs(f.Context(), before.Table(), going[:1])
			mustBe(f, err, counting.ErrStale)
			f.claimArc(frozenArc, frozen(2))
			f.fetchPages(frozenArc, pagesOf(2)(frozenArc))
			f.claimArc(gone, released(2))
			f.claimArc(untouched, frozen(2))
			check.Must(f, f.retireArc(frozenArc, 2))
			f.claimArc(frozenArc, released(2))
			f.openRing(f.next("fourth"))
			f.claimArc(frozenArc, released(0)) // of other moves
		}},
	}
}

// three are members of other nodes.
func three() (members []sharding.Member) {
	for _, id := range []counting.NodeID{"other_1", "other_2", "other_3"} {
		members = append(members, sharding.Member{ID: id, Addr: string(id) + ":1"})
	}
	return members
}

// abandonOneOf is the ring after one in which other_2 is abandoned while arcs of other
// nodes move.
func (f *fixture) abandonOneOf(r *sharding.Ring) *sharding.Ring {
	f.Helper()
	return check.Value(r.Abandon(sharding.Change{ID: "third", From: f.current() + 2, Moving: true}, "other_2"))(f)
}
