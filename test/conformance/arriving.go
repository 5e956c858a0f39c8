package conformance

import (
	"math"
	"slices"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

func comingListed(t *testing.T, s *stand) {
	s.destination(t)
	want := s.ring.Incoming(s.node.ID())
	got, err := s.moves().IncomingArcs(t.Context(), s.ring.Table())
	must(t, err)
	equalSlices(t, "coming arcs", got, want)
	s.pulse(t, sharding.RingSummary{Fence: 2, Opened: 2, Incoming: len(want)})
	standing, err := s.node.RingState(t.Context())
	must(t, err)
	equal(t, "coming arcs of the standing", standing.Incoming, len(want))
}

func takeInOnce(t *testing.T, s *stand) {
	arc := s.destination(t)
	pages := some(5)(arc)
	s.takeIn(t, arc, pages[:3], 3)
	s.takeIn(t, arc, pages[2:], 5)
	other := slices.Clone(pages)
	other[0].Count = 77 // a page is marked, whatever comes with it
	s.takeIn(t, arc, other, 5)
	s.takeIn(t, arc, nil, 5)
	s.live(t, pages)
}

func takeInRefuses(t *testing.T, s *stand) {
	arc := s.destination(t)
	s.apply(t, s.batch(counting.Visit{Arc: arc, Page: "full", Count: math.MaxInt64 - 1}))
	pages := []counting.Visit{
		{Arc: arc, Page: "before", Count: 1},
		{Arc: arc, Page: "full", Count: 2},
		{Arc: arc, Page: "no count", Count: -1},
		{Arc: arc, Page: "behind", Count: 4},
	}
	refused := []counting.Refusal{{Item: 1, Reason: counting.Overflow}, {Item: 2, Reason: counting.Corrupt}}
	for range 2 {
		s.takeIn(t, arc, pages, 2, refused...)
	}
	s.live(t, []counting.Visit{pages[0], {Arc: arc, Page: "full", Count: math.MaxInt64 - 1}, pages[3]})
	mustBe(t, s.moves().CloseArc(t.Context(), s.ring.Table(), arc, 4), counting.ErrUnfinished)
	pages[1].Count = 1
	s.takeIn(t, arc, pages[1:2], 3)
}

func takeInAdds(t *testing.T, s *stand) {
	arc := s.destination(t)
	s.apply(t, s.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 10}))
	s.takeIn(t, arc, some(1)(arc), 1)
	s.apply(t, s.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 100}))
	s.live(t, []counting.Visit{{Arc: arc, Page: "page/0", Count: 111}})
}

func takeInElsewhere(t *testing.T, s *stand) {
	s.destination(t)
	stays := counting.Arc(0)
	for s.ring.Owner(stays) == s.ring.Index(s.node.ID()) {
		stays++
	}
	s.takesNothing(t, stays)
	must(t, s.moves().CloseArc(t.Context(), s.ring.Table(), stays, 7))
}

// takesNothing checks that an arc takes nothing in.
func (s *stand) takesNothing(t *testing.T, arc counting.Arc) {
	t.Helper()
	got, err := s.moves().Import(t.Context(), s.ring.Table(), arc, counting.Chunk{Pages: []counting.Visit{{Arc: arc, Page: "late", Count: 5}}})
	must(t, err)
	if !got.Closed || got.Pages != 0 || got.Refused != nil {
		t.Fatalf("got the intake %+v, want that the arc is closed", got)
	}
	s.live(t, []counting.Visit{{Arc: arc, Page: "late", Count: 0}})
}

func confirmed(t *testing.T, s *stand) {
	arc := s.destination(t)
	arcs := s.ring.Incoming(s.node.ID())[:3]
	stays := counting.Arc(0)
	for s.ring.Owner(stays) == s.ring.Index(s.node.ID()) {
		stays++
	}
	confirm := func(want ...counting.ImportResult) {
		t.Helper()
		got, err := s.moves().Confirm(t.Context(), s.ring.Table(), append(slices.Clone(arcs), stays))
		must(t, err)
		for i, w := range append(want, counting.ImportResult{Closed: true}) {
			if got[i].Refused != nil || got[i].Pages != w.Pages || got[i].Keys != w.Keys || got[i].Closed != w.Closed {
				t.Fatalf("arc %d of them: got %+v, want %+v", i, got[i], w)
			}
		}
	}
	confirm(counting.ImportResult{}, counting.ImportResult{}, counting.ImportResult{})
	s.takeIn(t, arc, append(some(3)(arc), counting.Visit{Arc: arc, Page: "no count", Count: -1}), 3,
		counting.Refusal{Item: 3, Reason: counting.Corrupt})
	s.takeKeys(t, arc, false, s.kept(t, once("a")))
	s.takeIn(t, arcs[1], some(1)(arcs[1]), 1)
	s.takeKeys(t, arcs[1], false)
	s.takeKeys(t, arcs[2], false)
	confirm(counting.ImportResult{Pages: 3}, counting.ImportResult{Pages: 1, Keys: true}, counting.ImportResult{Keys: true})
	s.takeKeys(t, arc, false)
	s.takeIn(t, arc, nil, 3)
	mustBe(t, s.moves().CloseArc(t.Context(), s.ring.Table(), arc, 4), counting.ErrUnfinished)
	must(t, s.moves().CloseArc(t.Context(), s.ring.Table(), arcs[1], 1))
	confirm(counting.ImportResult{Pages: 3, Keys: true}, counting.ImportResult{Closed: true}, counting.ImportResult{Keys: true})
	got, err := s.moves().Confirm(t.Context(), s.ring.Table(), nil)
	must(t, err)
	equal(t, "number of answers", len(got), 0)
}

func closeCounts(t *testing.T, s *stand) {
	arc := s.destination(t)
	n, table := s.node, s.ring.Table()
	all := len(s.ring.Incoming(n.ID()))
	s.takeIn(t, arc, some(2)(arc), 2)
	mustBe(t, s.moves().CloseArc(t.Context(), table, arc, 3), counting.ErrUnfinished)
	s.pulse(t, sharding.RingSummary{Fence: 2, Opened: 2, Incoming: all})
	for _, pages := range []int{2, 2, 9} { // a closed one stays so
		must(t, s.moves().CloseArc(t.Context(), table, arc, pages))
		s.pulse(t, sharding.RingSummary{Fence: 2, Opened: 2, Incoming: all - 1})
	}
	coming, err := s.moves().IncomingArcs(t.Context(), table)
	must(t, err)
	equalSlices(t, "coming arcs", coming, s.ring.Incoming(n.ID())[1:])
	s.live(t, some(2)(arc))
}

func closedTakesNothing(t *testing.T, s *stand) {
	arc := s.destination(t)
	s.takeIn(t, arc, some(1)(arc), 1)
	must(t, s.moves().CloseArc(t.Context(), s.ring.Table(), arc, 1))
	s.takesNothing(t, arc)
}
