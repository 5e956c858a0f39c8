package conformance

import (
	"testing"

	"footfall/domain/counting"
)

func movingReadCases() []testCase {
	return []testCase{
		{"the source shows what it has at every stage", partsOfSource},
		{"the destination shows what it has taken in", partsOfDestination},
		{"a part that is no count has an error of its own", corruptPart},
		{"parts are read in the node's epoch alone", partsOfEpoch},
	}
}

func (s *stand) parts(t *testing.T, arc counting.Arc, want map[counting.Page]counting.Part) {
	t.Helper()
	var at []counting.Located
	for page := range want {
		at = append(at, counting.Located{Arc: arc, Page: page})
	}
	got, err := s.moves().ReadParts(t.Context(), s.ring.Epoch(), at)
	must(t, err)
	equal(t, "number of parts", len(got), len(want))
	for i, p := range at {
		equal(t, "part of "+string(p.Page), got[i], want[p.Page])
	}
}

func partsOfSource(t *testing.T, s *stand) {
	arc := s.source(t, some(2))
	s.parts(t, arc, map[counting.Page]counting.Part{
		"page/0": {Visits: 1, Closed: true}, "page/1": {Visits: 2, Closed: true}, "none": {Closed: true},
	})
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 2})
	s.parts(t, arc, map[counting.Page]counting.Part{
		"page/0": {Stage: counting.Frozen, Frozen: 1, Closed: true},
		"page/1": {Stage: counting.Frozen, Frozen: 2, Closed: true},
		"none":   {Stage: counting.Frozen, Closed: true},
	})
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 2))
	s.parts(t, arc, map[counting.Page]counting.Part{
		"page/0": {Stage: counting.Released, Closed: true}, "none": {Stage: counting.Released, Closed: true},
	})
}

func partsOfDestination(t *testing.T, s *stand) {
	arc := s.destination(t)
	s.apply(t, s.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 10}, counting.Visit{Arc: arc, Page: "new", Count: 5}))
	s.parts(t, arc, map[counting.Page]counting.Part{"page/0": {Visits: 10}, "page/1": {}, "new": {Visits: 5}})
	s.takeIn(t, arc, some(1)(arc), 1)
	s.parts(t, arc, map[counting.Page]counting.Part{
		"page/0": {Visits: 11, Marked: true}, "page/1": {}, "new": {Visits: 5},
	})
	must(t, s.moves().CloseArc(t.Context(), s.ring.Table(), arc, 1))
	s.parts(t, arc, map[counting.Page]counting.Part{
		"page/0": {Visits: 11, Closed: true}, "page/1": {Closed: true}, "new": {Visits: 5, Closed: true},
	})
}

func corruptPart(t *testing.T, s *stand) {
	s.movable(t)
	needs(t, s.CorruptPage != nil, "its pages can't be corrupted")
	arc := s.destination(t)
	s.takeIn(t, arc, some(2)(arc), 2)
	s.CorruptPage(t, s.node, counting.Located{Arc: arc, Page: "page/0"})
	s.parts(t, arc, map[counting.Page]counting.Part{
		"page/0": {Err: counting.Corrupt}, "page/1": {Visits: 2, Marked: true},
	})
}

func partsOfEpoch(t *testing.T, s *stand) {
	arc := s.source(t, some(1))
	at := []counting.Located{{Arc: arc, Page: "page/0"}}
	epoch := s.ring.Epoch()
	_, err := s.moves().ReadParts(t.Context(), epoch-1, at)
	mustBe(t, err, counting.ErrStale)
	_, err = s.moves().ReadParts(t.Context(), epoch+1, at)
	mustBe(t, err, counting.ErrAhead)
	s.fence(t, s.nextRing(t, "third", s.current(t)+2))
	_, err = s.moves().ReadParts(t.Context(), epoch, at)
	mustBe(t, err, counting.ErrStale)
	_, err = s.moves().ReadParts(t.Context(), epoch+1, at)
	mustBe(t, err, counting.ErrAhead)
}
