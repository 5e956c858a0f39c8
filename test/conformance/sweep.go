package conformance

import (
	"slices"
	"testing"

	"footfall/domain/counting"
)

func sweepCases() []testCase {
	return []testCase{
		{"a sweep leaves a move alone that is under way", sweepLeavesMoves},
		{"a sweep forgets the residue of a move that has ended", sweepForgetsResidue},
		{"a sweep leaves what may be all that is left of an arc", sweepLeavesLoss},
		{"a sweep tells of live pages in an arc that isn't kept, and leaves them", sweepTellsStrays},
		{"a sweep forgets keys of arcs that aren't kept, and no others", sweepForgetsKeys},
		{"a sweep leaves marks of a coming arc alone", sweepLeavesMarks},
		{"a sweep that is repeated finds nothing more to forget", sweepAgain},
		{"a sweep goes by the open table", sweepOfOtherTables},
	}
}

// sweep looks through the whole node.
func (s *stand) sweep(t *testing.T, k counting.SweepPolicy, forgotten int, strays ...counting.Orphan) {
	t.Helper()
	slices.Sort(k.Arcs)
	var all counting.SweepResult
	for cursor, more := "", true; more; more = cursor != "" {
		some, next, err := s.moves().Sweep(t.Context(), s.ring.Table(), k, cursor)
		must(t, err)
		all.Forgotten += some.Forgotten
		all.Orphans = append(all.Orphans, some.Orphans...)
		cursor = next
	}
	equal(t, "forgotten", all.Forgotten, forgotten)
	equalSlices(t, "strays", all.Orphans, strays)
}

// claimed is an arc with two pages that was claimed and goes no further.
func (s *stand) claimed(t *testing.T) counting.Arc {
	t.Helper()
	arc := s.source(t, some(2))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 2})
	return arc
}

func sweepLeavesMoves(t *testing.T, s *stand) {
	arc := s.claimed(t)
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: s.ring.Table() - 1}, 0)
	s.residue(t, arc, some(2)(arc))
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 2))
}

func sweepForgetsResidue(t *testing.T, s *stand) {
	arc := s.claimed(t)
	s.sweep(t, counting.SweepPolicy{Ended: s.ring.Table()}, 1)
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Released, Pages: 2})
	_, _, err := s.moves().Fetch(t.Context(), s.ring.Table(), arc, "")
	mustBe(t, err, counting.ErrUnfinished)
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 2))
}

func sweepLeavesLoss(t *testing.T, s *stand) {
	arc := s.claimed(t)
	table := s.ring.Table()
	s.sweep(t, counting.SweepPolicy{Ended: table, Since: table + 1}, 0, counting.Orphan{Arc: arc, Table: table, Pages: 2})
	s.residue(t, arc, some(2)(arc))
}

func sweepTellsStrays(t *testing.T, s *stand) {
	var other []counting.Visit
	arc := s.source(t, func(arc counting.Arc) []counting.Visit {
		other = some(3)(arc + 1)
		return append(some(2)(arc), other...)
	})
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{arc + 1}, Ended: s.ring.Table()}, 0, counting.Orphan{Arc: arc, Pages: 2})
	s.live(t, append(some(2)(arc), other...))
}

func sweepForgetsKeys(t *testing.T, s *stand) {
	arc, keys := s.leaving(t, 3)
	kept := counting.KeyLookup{Stored: true, Print: keys[0].Print}
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{arc}}, 0)
	s.found(t, arc, keys[0], kept)
	s.sweep(t, counting.SweepPolicy{}, 1, counting.Orphan{Arc: arc, Pages: 1})
	s.found(t, arc, keys[0], counting.KeyLookup{})
	b := s.keyBatch(keyed(once("new"), s.visit("home", 1)))
	b.KeyLimit = 1 // those that are gone don't count
	s.apply(t, b)
}

func sweepLeavesMarks(t *testing.T, s *stand) {
	arc := s.destination(t)
	s.takeIn(t, arc, some(2)(arc), 2)
	s.sweep(t, counting.SweepPolicy{Arcs: s.ring.Incoming(s.node.ID()), Ended: s.ring.Table()}, 0)
	s.takeIn(t, arc, some(2)(arc), 2)
	s.live(t, some(2)(arc))
}

func sweepAgain(t *testing.T, s *stand) {
	s.claimed(t)
	s.sweep(t, counting.SweepPolicy{Ended: s.ring.Table()}, 1)
	s.sweep(t, counting.SweepPolicy{Ended: s.ring.Table()}, 0)
}

func sweepOfOtherTables(t *testing.T, s *stand) {
	s.claimed(t)
	_, _, err := s.moves().Sweep(t.Context(), s.ring.Table()-1, counting.SweepPolicy{Ended: 9}, "")
	mustBe(t, err, counting.ErrStale)
	_, _, err = s.moves().Sweep(t.Context(), s.ring.Table()+1, counting.SweepPolicy{Ended: 9}, "")
	mustBe(t, err, counting.ErrAhead)
}
