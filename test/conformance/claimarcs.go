package conformance

import (
	"footfall/domain/counting"
	"footfall/test/check"
)

func claimArcCases() []testCase {
	return []testCase{
		{"an arc of which the node has nothing is released immediately", moving, func(f *fixture) {
			arc := f.source(nil)
			for range 2 {
				f.claimArc(arc, released(0))
			}
			f.notFrozen(arc)
			check.Must(f, f.retireArc(arc, 0))
		}},
		{"every frozen page of a claimed arc is fetched", moving, func(f *fixture) {
			for _, n := range []int{1, 100, 450} {
				arc := f.source(pagesOf(n))
				f.claimArc(arc, frozen(n))
				f.fetchPages(arc, pagesOf(n)(arc))
				f.fetchPages(arc, pagesOf(n)(arc))
			}
		}},
		{"a claim leaves other arcs alone", moving, func(f *fixture) {
			var other []counting.Visit
			arc := f.source(func(arc counting.Arc) []counting.Visit {
				other = pagesOf(2)(arc + 1)
				return append(pagesOf(3)(arc), other...)
			})
			f.claimArc(arc, frozen(3))
			f.tallies(other)
			check.Must(f, f.retireArc(arc, 3))
			f.tallies(other)
		}},
		{"many arcs are claimed in one call, each as it is", moving, func(f *fixture) {
			f.open()
			next := f.next("second")
			moves := next.Moves()[:counting.MaxTogether]
			arcs := make([]counting.Arc, len(moves))
			want := make([]counting.FrozenPages, len(moves))
			for i, m := range moves {
				arcs[i] = m.Arc
				if n := i % 3; n > 0 {
					f.apply(f.batch(pagesOf(n)(m.Arc)...))
					want[i].Pages = n
				}
				want[i].Stage = counting.Frozen
				if i%3 == 0 {
					want[i].Stage = counting.Released
				}
			}
			f.openRing(next)
			f.claimArc(arcs[1], want[1])
			f.claimArc(arcs[2], want[2])
			check.Must(f, f.retireArc(arcs[2], 2))
			want[2].Stage = counting.Released
			for range 2 {
				equalSlices(f, "claims", check.Value(f.moves().ClaimArcs(f.Context(), f.ring.Table(), arcs))(f), want)
			}
			equal(f, "number of answers", len(check.Value(f.moves().ClaimArcs(f.Context(), f.ring.Table(), nil))(f)), 0)
			f.fetchPages(arcs[4], pagesOf(1)(arcs[4]))
		}},
		{"a frozen page that is no count is fetched as -1", moving, func(f *fixture) {
			arc := f.source(pagesOf(2))
			f.corruptPage(counting.Located{Arc: arc, Page: "page/0"})
			f.claimArc(arc, frozen(2))
			want := pagesOf(2)(arc)
			want[0].Count = -1
			f.fetchPages(arc, want)
		}},
		{"an arc is retired only if it has exactly that many pages", moving, func(f *fixture) {
			arc := f.source(pagesOf(3))
			mustBe(f, f.retireArc(arc, 3), counting.ErrUnfinished)
			f.claimArc(arc, frozen(3))
			for _, wrong := range []int{0, 2, 4} {
				mustBe(f, f.retireArc(arc, wrong), counting.ErrUnfinished)
			}
			f.fetchPages(arc, pagesOf(3)(arc))
			for range 2 {
				check.Must(f, f.retireArc(arc, 3))
			}
		}},
	}
}

func frozen(pages int) counting.FrozenPages {
	return counting.FrozenPages{Stage: counting.Frozen, Pages: pages}
}

func released(pages int) counting.FrozenPages {
	return counting.FrozenPages{Stage: counting.Released, Pages: pages}
}
