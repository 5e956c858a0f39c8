package conformance

import (
	"math"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func importCases() []testCase {
	return []testCase{
		{"coming arcs are counted and listed", moving, func(f *fixture) {
			f.destination()
			want := f.ring.Incoming(f.node.ID())
			got := check.Value(f.moves().IncomingArcs(f.Context(), f.ring.Table()))(f)
			equalSlices(f, "coming arcs", got, want)
			f.summary(sharding.RingSummary{Fence: 2, Opened: 2, Incoming: len(want)})
			standing := check.Value(f.node.RingState(f.Context()))(f)
			equal(f, "coming arcs of the standing", standing.Incoming, len(want))
		}},
		{"what is taken in is added, and once", moving, func(f *fixture) {
			arc := f.destination()
			pages := pagesOf(5)(arc)
			f.importPages(arc, pages[:3], 3)
			f.importPages(arc, pages[2:], 5)
			other := slices.Clone(pages)
			other[0].Count = 77 // a page is marked, whatever comes with it
			f.importPages(arc, other, 5)
			f.importPages(arc, nil, 5)
			f.tallies(pages)
		}},
		{"pages that can't be added are refused alone", moving, func(f *fixture) {
			arc := f.destination()
			f.apply(f.batch(counting.Visit{Arc: arc, Page: "full", Count: math.MaxInt64 - 1}))
			pages := []counting.Visit{
				{Arc: arc, Page: "before", Count: 1},
				{Arc: arc, Page: "full", Count: 2},
				{Arc: arc, Page: "no count", Count: -1},
				{Arc: arc, Page: "behind", Count: 4},
			}
			refused := []counting.Refusal{{Item: 1, Reason: counting.Overflow}, {Item: 2, Reason: counting.Corrupt}}
			for range 2 {
				f.importPages(arc, pages, 2, refused...)
			}
			f.tallies([]counting.Visit{pages[0], {Arc: arc, Page: "full", Count: math.MaxInt64 - 1}, pages[3]})
			mustBe(f, f.moves().CloseArc(f.Context(), f.ring.Table(), arc, 4), counting.ErrUnfinished)
			pages[1].Count = 1
			f.importPages(arc, pages[1:2], 3)
		}},
		{"what is taken in adds to what is live", moving, func(f *fixture) {
			arc := f.destination()
			f.apply(f.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 10}))
			f.importPages(arc, pagesOf(1)(arc), 1)
			f.apply(f.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 100}))
			f.tallies([]counting.Visit{{Arc: arc, Page: "page/0", Count: 111}})
		}},
		{"an arc that isn't coming takes nothing in", moving, func(f *fixture) {
			f.destination()
			stays := counting.Arc(0)
			for f.ring.Owner(stays) == f.ring.Index(f.node.ID()) {
				stays++
			}
			f.importsNothing(stays)
			check.Must(f, f.moves().CloseArc(f.Context(), f.ring.Table(), stays, 7))
		}},
		{"what was taken in is confirmed, arc by arc", moving, func(f *fixture) {
			arc := f.destination()
			arcs := f.ring.Incoming(f.node.ID())[:3]
			stays := counting.Arc(0)
			for f.ring.Owner(stays) == f.ring.Index(f.node.ID()) {
				stays++
			}
			confirm := func(want ...counting.ImportResult) {
				f.Helper()
				got := check.Value(f.moves().Confirm(f.Context(), f.ring.Table(), append(slices.Clone(arcs), stays)))(f)
				for i, w := range append(want, counting.ImportResult{Closed: true}) {
					if got[i].Refused != nil || got[i].Pages != w.Pages || got[i].Keys != w.Keys || got[i].Closed != w.Closed {
						f.Fatalf("arc %d of them: got %+v, want %+v", i, got[i], w)
					}
				}
			}
			confirm(counting.ImportResult{}, counting.ImportResult{}, counting.ImportResult{})
			f.importPages(arc, append(pagesOf(3)(arc), counting.Visit{Arc: arc, Page: "no count", Count: -1}), 3,
				refusal(3, counting.Corrupt))
			f.importKeys(arc, false, f.storedKey(requestKey("a")))
			f.importPages(arcs[1], pagesOf(1)(arcs[1]), 1)
			f.importKeys(arcs[1], false)
			f.importKeys(arcs[2], false)
			confirm(counting.ImportResult{Pages: 3}, counting.ImportResult{Pages: 1, Keys: true}, counting.ImportResult{Keys: true})
			f.importKeys(arc, false)
			f.importPages(arc, nil, 3)
			mustBe(f, f.moves().CloseArc(f.Context(), f.ring.Table(), arc, 4), counting.ErrUnfinished)
			check.Must(f, f.moves().CloseArc(f.Context(), f.ring.Table(), arcs[1], 1))
			confirm(counting.ImportResult{Pages: 3, Keys: true}, counting.ImportResult{Closed: true}, counting.ImportResult{Keys: true})
			got := check.Value(f.moves().Confirm(f.Context(), f.ring.Table(), nil))(f)
			equal(f, "number of answers", len(got), 0)
		}},
		{"an arc is closed when its pages are marked", moving, func(f *fixture) {
			arc := f.destination()
			n, table := f.node, f.ring.Table()
			all := len(f.ring.Incoming(n.ID()))
			f.importPages(arc, pagesOf(2)(arc), 2)
			mustBe(f, f.moves().CloseArc(f.Context(), table, arc, 3), counting.ErrUnfinished)
			f.summary(sharding.RingSummary{Fence: 2, Opened: 2, Incoming: all})
			for _, pages := range []int{2, 2, 9} { // a closed one stays so
				check.Must(f, f.moves().CloseArc(f.Context(), table, arc, pages))
				f.summary(sharding.RingSummary{Fence: 2, Opened: 2, Incoming: all - 1})
			}
			coming := check.Value(f.moves().IncomingArcs(f.Context(), table))(f)
			equalSlices(f, "coming arcs", coming, f.ring.Incoming(n.ID())[1:])
			f.tallies(pagesOf(2)(arc))
		}},
		{"a closed arc takes nothing in", moving, func(f *fixture) {
			arc := f.destination()
			f.importPages(arc, pagesOf(1)(arc), 1)
			check.Must(f, f.moves().CloseArc(f.Context(), f.ring.Table(), arc, 1))
			f.importsNothing(arc)
		}},
	}
}

// importsNothing checks that an arc takes nothing in.
func (f *fixture) importsNothing(arc counting.Arc) {
	f.Helper()
	got := check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, counting.Chunk{Pages: []counting.Visit{{Arc: arc, Page: "late", Count: 5}}}))(f)
	if !got.Closed || got.Pages != 0 || got.Refused != nil {
		f.Fatalf("got the intake %+v, want that the arc is closed", got)
	}
	f.tallies([]counting.Visit{{Arc: arc, Page: "late", Count: 0}})
}
