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
		{"imported pages are added once", moving, func(f *fixture) {
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
			pages := []counting.Visit{
				{Arc: arc, Page: "before", Count: 1},
				{Arc: arc, Page: "no count", Count: -1},
				{Arc: arc, Page: "after", Count: 4},
			}
			for range 2 {
				f.importPages(arc, pages, 2, refusal(1, counting.Corrupt))
			}
			f.tallies([]counting.Visit{pages[0], pages[2]})
			mustBe(f, f.closeArc(arc, 3), counting.ErrUnfinished)
			pages[1].Count = 1
			f.importPages(arc, pages[1:2], 3)
		}},
		{"a page whose sum passes the maximum is imported, and the excess is put in quarantine", moving, func(f *fixture) {
			arc := f.destination()
			live := f.batch(counting.Visit{Arc: arc, Page: "by one", Count: math.MaxInt64 - 1}, counting.Visit{Arc: arc, Page: "by all", Count: math.MaxInt64},
				counting.Visit{Arc: arc, Page: "by half", Count: 1<<62 + 12345})
			f.apply(live)
			pages := []counting.Visit{
				{Arc: arc, Page: "by one", Count: 2},
				{Arc: arc, Page: "fits", Count: math.MaxInt64},
				{Arc: arc, Page: "by all", Count: math.MaxInt64},
				{Arc: arc, Page: "by half", Count: 1<<62 + 678},
			}
			excess := []counting.Visit{{Arc: arc, Page: "by one", Count: 1}, {Arc: arc, Page: "by all", Count: math.MaxInt64}, {Arc: arc, Page: "by half", Count: 13024}}
			for _, want := range [][]counting.Visit{excess, nil} { // once
				got := check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, counting.Chunk{Pages: pages}))(f)
				equal(f, "marked pages", got.Pages, len(pages))
				equal(f, "refused pages", len(got.Refused), 0)
				equalSlices(f, "excess", got.Excess, want)
				for _, p := range pages {
					f.tallies([]counting.Visit{{Arc: arc, Page: p.Page, Count: math.MaxInt64}})
				}
			}
			f.closeArcsOf(pages)
			k := counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: f.ring.Table(), Since: f.ring.Table()}
			for range 2 {
				f.sweep(k, 0, counting.Orphan{Arc: arc, Table: f.ring.Table(), Excess: true, Pages: len(excess)})
			}
		}},
		{"an arc that is not incoming imports nothing", moving, func(f *fixture) {
			f.destination()
			stays := f.staying()
			f.importsNothing(stays)
			check.Must(f, f.closeArc(stays, 7))
		}},
		{"imports are confirmed arc by arc", moving, func(f *fixture) {
			arc := f.destination()
			arcs := f.incoming()[:3]
			stays := f.staying()
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
			mustBe(f, f.closeArc(arc, 4), counting.ErrUnfinished)
			check.Must(f, f.closeArc(arcs[1], 1))
			confirm(counting.ImportResult{Pages: 3, Keys: true}, counting.ImportResult{Closed: true}, counting.ImportResult{Keys: true})
			equal(f, "number of answers", len(check.Value(f.moves().Confirm(f.Context(), f.ring.Table(), nil))(f)), 0)
		}},
		{"an arc is closed if at least that many pages are marked, and imports nothing then", moving, func(f *fixture) {
			arc := f.destination()
			incoming := func(want []counting.Arc) {
				f.Helper()
				equalSlices(f, "incoming arcs", check.Value(f.moves().IncomingArcs(f.Context(), f.ring.Table()))(f), want)
				f.summary(sharding.RingSummary{Fence: 2, Opened: 2, Incoming: len(want)})
				equal(f, "incoming arcs of the state", check.Value(f.node.RingState(f.Context()))(f).Incoming, len(want))
			}
			f.importPages(arc, pagesOf(2)(arc), 2)
			mustBe(f, f.closeArc(arc, 3), counting.ErrUnfinished)
			incoming(f.incoming())
			for _, pages := range []int{2, 2, 9} { // a closed one stays so
				check.Must(f, f.closeArc(arc, pages))
				incoming(f.incoming()[1:])
			}
			f.importsNothing(arc)
			f.tallies(pagesOf(2)(arc))
		}},
	}
}

// closeArcsOf closes the arc of imported pages, and then all others.
func (f *fixture) closeArcsOf(pages []counting.Visit) {
	f.Helper()
	check.Must(f, f.closeArc(pages[0].Arc, len(pages)))
	f.closeArcs()
}

// importsNothing checks that an arc is closed to imports.
func (f *fixture) importsNothing(arc counting.Arc) {
	f.Helper()
	got := check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, counting.Chunk{Pages: []counting.Visit{{Arc: arc, Page: "late", Count: 5}}}))(f)
	if !got.Closed || got.Pages != 0 || got.Refused != nil {
		f.Fatalf("got the import result %+v, want that the arc is closed", got)
	}
	f.tallies([]counting.Visit{{Arc: arc, Page: "late", Count: 0}})
}

// staying is an arc of the other node, which is not incoming.
func (f *fixture) staying() counting.Arc {
	arc := counting.Arc(0)
	for f.ring.Owner(arc) == f.ring.Index(f.node.ID()) {
		arc++
	}
	return arc
}
