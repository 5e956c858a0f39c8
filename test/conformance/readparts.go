package conformance

import (
	"footfall/domain/counting"
	"footfall/test/check"
)

func readPartsCases() []testCase {
	return []testCase{
		{"the source returns its part at every stage", moving, func(f *fixture) {
			arc := f.source(pagesOf(2))
			f.parts(arc, map[counting.Page]counting.Part{
				"page/0": {Visits: 1, Closed: true}, "page/1": {Visits: 2, Closed: true}, "none": {Closed: true},
			})
			f.claimArc(arc, frozen(2))
			f.parts(arc, map[counting.Page]counting.Part{
				"page/0": {Stage: counting.Frozen, Frozen: 1, Closed: true},
				"page/1": {Stage: counting.Frozen, Frozen: 2, Closed: true},
				"none":   {Stage: counting.Frozen, Closed: true},
			})
			check.Must(f, f.retireArc(arc, 2))
			f.parts(arc, map[counting.Page]counting.Part{
				"page/0": {Stage: counting.Released, Closed: true}, "none": {Stage: counting.Released, Closed: true},
			})
		}},
		{"the destination returns what it has imported", moving, func(f *fixture) {
			arc := f.destination()
			f.apply(f.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 10}, counting.Visit{Arc: arc, Page: "new", Count: 5}))
			f.parts(arc, map[counting.Page]counting.Part{"page/0": {Visits: 10}, "page/1": {}, "new": {Visits: 5}})
			f.importPages(arc, pagesOf(1)(arc), 1)
			f.parts(arc, map[counting.Page]counting.Part{
				"page/0": {Visits: 11, Marked: true}, "page/1": {}, "new": {Visits: 5},
			})
			check.Must(f, f.closeArc(arc, 1))
			f.parts(arc, map[counting.Page]counting.Part{
				"page/0": {Visits: 11, Closed: true}, "page/1": {Closed: true}, "new": {Visits: 5, Closed: true},
			})
		}},
		{"a part that is no count has an error of its own", moving, func(f *fixture) {
			arc := f.destination()
			f.importPages(arc, pagesOf(2)(arc), 2)
			f.corruptPage(counting.Located{Arc: arc, Page: "page/0"})
			f.parts(arc, map[counting.Page]counting.Part{
				"page/0": {Err: counting.Corrupt}, "page/1": {Visits: 2, Marked: true},
			})
		}},
	}
}

func (f *fixture) parts(arc counting.Arc, want map[counting.Page]counting.Part) {
	f.Helper()
	var at []counting.Located
	for page := range want {
		at = append(at, counting.Located{Arc: arc, Page: page})
	}
	got := check.Value(f.moves().ReadParts(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, at))(f)
	equal(f, "number of parts", len(got), len(want))
	for i, p := range at {
		equal(f, "part of "+string(p.Page), got[i], want[p.Page])
	}
}
