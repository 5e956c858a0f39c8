package conformance

import (
	"slices"

	"footfall/domain/counting"
	"footfall/test/check"
)

func sweepCases() []testCase {
	return []testCase{
		{"a sweep leaves moves alone that have not ended", moving, func(f *fixture) {
			arc := f.claimedArc()
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: f.ring.Table() - 1}, 0)
			f.fetchPages(arc, pagesOf(2)(arc))
			check.Must(f, f.retireArc(arc, 2))
		}},
		{"a sweep deletes frozen pages of a move that has ended", moving, func(f *fixture) {
			arc := f.claimedArc()
			f.sweep(counting.SweepPolicy{Ended: f.ring.Table()}, 1)
			f.sweep(counting.SweepPolicy{Ended: f.ring.Table()}, 0)
			f.claimArc(arc, released(2))
			f.notFrozen(arc)
			check.Must(f, f.retireArc(arc, 2))
		}},
		{"a sweep leaves frozen pages that may be the only ones", moving, func(f *fixture) {
			arc := f.claimedArc()
			table := f.ring.Table()
			f.sweep(counting.SweepPolicy{Ended: table, Since: table + 1}, 0, counting.Orphan{Arc: arc, Table: table, Pages: 2})
			f.fetchPages(arc, pagesOf(2)(arc))
		}},
		{"a sweep reports live pages of arcs of other nodes, and leaves them", moving, func(f *fixture) {
			var other []counting.Visit
			arc := f.source(func(arc counting.Arc) []counting.Visit {
				other = pagesOf(3)(arc + 1)
				return append(pagesOf(2)(arc), other...)
			})
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc + 1}, Ended: f.ring.Table()}, 0, counting.Orphan{Arc: arc, Pages: 2})
			f.tallies(append(pagesOf(2)(arc), other...))
		}},
		{"a sweep deletes keys of arcs of other nodes, and no others", moving, func(f *fixture) {
			arc, keys := f.keySource(3)
			kept := counting.KeyLookup{Stored: true, Print: keys[0].Print}
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc}}, 0)
			f.findKey(arc, keys[0], kept)
			f.sweep(counting.SweepPolicy{}, 1, counting.Orphan{Arc: arc, Pages: 1})
			f.findKey(arc, keys[0], counting.KeyLookup{})
			f.apply(f.limited(1, f.keyed("new", "home", 1))) // deleted keys don't count
		}},
		{"a sweep leaves marks of incoming arcs alone", moving, func(f *fixture) {
			arc := f.destination()
			f.importPages(arc, pagesOf(2)(arc), 2)
			f.sweep(counting.SweepPolicy{Arcs: f.incoming(), Ended: f.ring.Table()}, 0)
			f.importPages(arc, pagesOf(2)(arc), 2)
			f.tallies(pagesOf(2)(arc))
		}},
	}
}

// sweep sweeps the whole node.
func (f *fixture) sweep(k counting.SweepPolicy, forgotten int, orphans ...counting.Orphan) {
	f.Helper()
	slices.Sort(k.Arcs)
	var all counting.SweepResult
	follow(f, func(cursor string) (counting.SweepResult, string, error) {
		return f.moves().Sweep(f.Context(), f.ring.Table(), k, cursor)
	}, func(part counting.SweepResult) {
		all.Forgotten += part.Forgotten
		all.Orphans = append(all.Orphans, part.Orphans...)
	})
	equal(f, "forgotten", all.Forgotten, forgotten)
	equalSlices(f, "orphans", all.Orphans, orphans)
}

// claimedArc opens a node with an arc of two pages that is claimed.
func (f *fixture) claimedArc() counting.Arc {
	f.Helper()
	arc := f.source(pagesOf(2))
	f.claimArc(arc, frozen(2))
	return arc
}
