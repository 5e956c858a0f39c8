package conformance

import (
	"testing"

	"footfall/domain/counting"
)

func claimNothing(t *testing.T, s *stand) {
	arc := s.source(t, nil)
	for range 2 {
		s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Released})
	}
	_, _, err := s.moves().Fetch(t.Context(), s.ring.Table(), arc, "")
	mustBe(t, err, counting.ErrUnfinished)
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 0))
}

func claimShowsAll(t *testing.T, s *stand) {
	for _, n := range []int{1, 100, 450} {
		arc := s.source(t, some(n))
		s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: n})
		s.residue(t, arc, some(n)(arc))
		s.residue(t, arc, some(n)(arc))
	}
}

func claimAgain(t *testing.T, s *stand) {
	arc := s.source(t, some(3))
	table := s.ring.Table()
	for range 2 {
		s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 3})
	}
	s.residue(t, arc, some(3)(arc))
	must(t, s.moves().RetireArc(t.Context(), table, arc, 3))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Released, Pages: 3})
}

func claimLeavesOthers(t *testing.T, s *stand) {
	var other []counting.Visit
	arc := s.source(t, func(arc counting.Arc) []counting.Visit {
		other = some(2)(arc + 1)
		return append(some(3)(arc), other...)
	})
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 3})
	s.live(t, other)
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 3))
	s.live(t, other)
}

func claimMany(t *testing.T, s *stand) {
	s.movable(t)
	s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	moves := next.Moves()[:counting.MaxTogether]
	arcs := make([]counting.Arc, len(moves))
	want := make([]counting.FrozenPages, len(moves))
	for i, m := range moves {
		arcs[i] = m.Arc
		if n := i % 3; n > 0 {
			s.apply(t, s.batch(some(n)(m.Arc)...))
			want[i].Pages = n
		}
		want[i].Stage = counting.Frozen
		if i%3 == 0 {
			want[i].Stage = counting.Released
		}
	}
	s.enter(t, next)
	s.claimArc(t, arcs[1], want[1])
	s.claimArc(t, arcs[2], want[2])
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arcs[2], 2))
	want[2].Stage = counting.Released
	for range 2 {
		got, err := s.moves().ClaimArcs(t.Context(), s.ring.Table(), arcs)
		must(t, err)
		equalSlices(t, "claims", got, want)
	}
	got, err := s.moves().ClaimArcs(t.Context(), s.ring.Table(), nil)
	must(t, err)
	equal(t, "number of answers", len(got), 0)
	s.residue(t, arcs[4], some(1)(arcs[4]))
}

func fetchCorrupt(t *testing.T, s *stand) {
	s.movable(t)
	needs(t, s.CorruptPage != nil, "its pages can't be corrupted")
	s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	arc := next.Moves()[0].Arc
	s.apply(t, s.batch(some(2)(arc)...))
	s.CorruptPage(t, s.node, counting.Located{Arc: arc, Page: "page/0"})
	s.enter(t, next)
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 2})
	want := some(2)(arc)
	want[0].Count = -1
	s.residue(t, arc, want)
}

func fetchWhileFrozen(t *testing.T, s *stand) {
	arc := s.source(t, some(2))
	table := s.ring.Table()
	unfinished := func() {
		t.Helper()
		_, _, err := s.moves().Fetch(t.Context(), table, arc, "")
		mustBe(t, err, counting.ErrUnfinished)
	}
	unfinished()
	s.live(t, some(2)(arc))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 2})
	s.residue(t, arc, some(2)(arc))
	must(t, s.moves().RetireArc(t.Context(), table, arc, 2))
	unfinished()
}

func retireCounts(t *testing.T, s *stand) {
	arc := s.source(t, some(3))
	table := s.ring.Table()
	mustBe(t, s.moves().RetireArc(t.Context(), table, arc, 3), counting.ErrUnfinished)
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 3})
	for _, wrong := range []int{0, 2, 4} {
		mustBe(t, s.moves().RetireArc(t.Context(), table, arc, wrong), counting.ErrUnfinished)
	}
	s.residue(t, arc, some(3)(arc))
	for range 2 {
		must(t, s.moves().RetireArc(t.Context(), table, arc, 3))
	}
}
