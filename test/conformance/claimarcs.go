package conformance

import (
	"footfall/domain/counting"
	"footfall/test/check"
)

func claimArcCases() []testCase {
	return []testCase{
		{"an arc of which the node has nothing is gone at once", moving, func(f *fixture) {
			arc := f.source(nil)
			for range 2 {
				f.claimArc(arc, released(0))
			}
			mustBe(f, errorOf(f.moves().Fetch(f.Context(), f.ring.Table(), arc, "")), counting.ErrUnfinished)
			check.Must(f, f.moves().RetireArc(f.Context(), f.ring.Table(), arc, 0))
		}},
		{"a claimed arc shows every page of its residue", moving, func(f *fixture) {
			for _, n := range []int{1, 100, 450} {
				arc := f.source(pagesOf(n))
				f.claimArc(arc, frozen(n))
				f.fetchPages(arc, pagesOf(n)(arc))
				f.fetchPages(arc, pagesOf(n)(arc))
			}
		}},
		{"a claim is answered again as it stands", moving, func(f *fixture) {
			arc := f.source(pagesOf(3))
			table := f.ring.Table()
			for range 2 {
				f.claimArc(arc, frozen(3))
			}
			f.fetchPages(arc, pagesOf(3)(arc))
			check.Must(f, f.moves().RetireArc(f.Context(), table, arc, 3))
			f.claimArc(arc, released(3))
		}},
		{"a claim leaves other arcs alone", moving, func(f *fixture) {
			var other []counting.Visit
			arc := f.source(func(arc counting.Arc) []counting.Visit {
				other = pagesOf(2)(arc + 1)
				return append(pagesOf(3)(arc), other...)
			})
			f.claimArc(arc, frozen(3))
			f.tallies(other)
			check.Must(f, f.moves().RetireArc(f.Context(), f.ring.Table(), arc, 3))
			f.tallies(other)
		}},
		{"many arcs are claimed at once, each as it is", moving, func(f *fixture) {
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
			check.Must(f, f.moves().RetireArc(f.Context(), f.ring.Table(), arcs[2], 2))
			want[2].Stage = counting.Released
			for range 2 {
				got := check.Value(f.moves().ClaimArcs(f.Context(), f.ring.Table(), arcs))(f)
				equalSlices(f, "claims", got, want)
			}
			got := check.Value(f.moves().ClaimArcs(f.Context(), f.ring.Table(), nil))(f)
			equal(f, "number of answers", len(got), 0)
			f.fetchPages(arcs[4], pagesOf(1)(arcs[4]))
		}},
		{"a page that is no count has the count -1", moving, func(f *fixture) {
			f.open()
			next := f.next("second")
			arc := next.Moves()[0].Arc
			f.apply(f.batch(pagesOf(2)(arc)...))
			f.corruptPage(counting.Located{Arc: arc, Page: "page/0"})
			f.openRing(next)
			f.claimArc(arc, frozen(2))
			want := pagesOf(2)(arc)
			want[0].Count = -1
			f.fetchPages(arc, want)
		}},
		{"a residue is there while it is frozen", moving, func(f *fixture) {
			arc := f.source(pagesOf(2))
			table := f.ring.Table()
			unfinished := func() {
				f.Helper()
				mustBe(f, errorOf(f.moves().Fetch(f.Context(), table, arc, "")), counting.ErrUnfinished)
			}
			unfinished()
			f.tallies(pagesOf(2)(arc))
			f.claimArc(arc, frozen(2))
			f.fetchPages(arc, pagesOf(2)(arc))
			check.Must(f, f.moves().RetireArc(f.Context(), table, arc, 2))
			unfinished()
		}},
		{"an arc is retired with all of its pages or not at all", moving, func(f *fixture) {
			arc := f.source(pagesOf(3))
			table := f.ring.Table()
			mustBe(f, f.moves().RetireArc(f.Context(), table, arc, 3), counting.ErrUnfinished)
			f.claimArc(arc, frozen(3))
			for _, wrong := range []int{0, 2, 4} {
				mustBe(f, f.moves().RetireArc(f.Context(), table, arc, wrong), counting.ErrUnfinished)
			}
			f.fetchPages(arc, pagesOf(3)(arc))
			for range 2 {
				check.Must(f, f.moves().RetireArc(f.Context(), table, arc, 3))
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
