package conformance

import (
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func quarantineCases() []testCase {
	return []testCase{
		{"live pages of an incoming arc are quarantined", moving, func(f *fixture) {
			arc := f.source(pagesOf(3)) // it is never claimed, as after a rollback to before the claim
			f.removeOther()
			f.tallies([]counting.Visit{{Arc: arc, Page: "page/0"}, {Arc: arc, Page: "page/2"}})
			f.importPages(arc, pagesOf(2)(arc), 2)
			f.tallies(append(pagesOf(2)(arc), counting.Visit{Arc: arc, Page: "page/2"}))
			f.closeArcs()
			orphan := f.quarantined(arc, 3)
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: f.ring.Table()}, 0, orphan)
			f.openRing(f.next("away again"))
			f.claimArc(arc, frozen(2))
			f.fetchPages(arc, pagesOf(2)(arc))
			f.sweep(counting.SweepPolicy{Ended: f.ring.Table() - 1}, 0, orphan)
		}},
		{"live pages of an arc of an abandoned node are quarantined", moving, func(f *fixture) {
			f.source(nil)
			lost := f.other()
			f.openRing(f.next("third")) // the moves to the one that is lost have ended
			left := check.Value(f.ring.Abandon(sharding.Change{ID: "lost", From: f.current() + 2}, lost))(f)
			arc := left.AddedArcs(f.node.ID())[0]
			f.apply(f.batch(pagesOf(2)(arc)...))
			f.openRing(left)
			f.tallies([]counting.Visit{{Arc: arc, Page: "page/0"}, {Arc: arc, Page: "page/1"}})
			f.apply(f.batch(pagesOf(1)(arc)...))
			f.tallies(append(pagesOf(1)(arc), counting.Visit{Arc: arc, Page: "page/1"}))
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: f.ring.Table(), Since: f.ring.Table()}, 0, f.quarantined(arc, 2))
		}},
		{"pages that were imported are not quarantined later", moving, func(f *fixture) {
			arc := f.source(nil)
			f.removeOther()
			f.importPages(arc, pagesOf(2)(arc), 2)
			check.Must(f, f.node.Open(f.Context(), f.ring))
			f.openRing(f.ring.Propose(f.ring, f.ring.Epoch()+3)) // a change that was undone
			f.tallies(pagesOf(2)(arc))
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: f.ring.Table() - 1}, 0)
		}},
		{"keys of an incoming arc are deleted", moving, func(f *fixture) {
			arc, keys := f.keySource(3)
			f.removeOther()
			f.findKey(arc, keys[0], counting.KeyLookup{})
			f.closeArcs()
			f.apply(f.limited(1, f.keyed("new", "home", 1))) // deleted keys don't count
		}},
		{"arcs that stay are not quarantined", moving, func(f *fixture) {
			stays := counting.Visit{Page: "stays", Count: 7}
			f.source(func(arc counting.Arc) []counting.Visit {
				leaves := make(map[counting.Arc]bool)
				for _, m := range f.next("second").Moves() {
					leaves[m.Arc] = true
				}
				for stays.Arc = arc; leaves[stays.Arc]; {
					stays.Arc++
				}
				return []counting.Visit{stays}
			})
			f.removeOther()
			f.tallies([]counting.Visit{stays})
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{stays.Arc}, Ended: f.ring.Table() - 1}, 0)
		}},
		{"a sweep reports frozen pages of a move that did not end", moving, func(f *fixture) {
			arc := f.claimedArc()
			orphan := counting.Orphan{Arc: arc, Table: f.ring.Table(), Pages: 2}
			f.removeOther()
			f.closeArcs()
			k := counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: f.ring.Table(), Since: f.ring.Table()}
			f.sweep(k, 0, orphan)
			f.sweep(k, 0, orphan)
			k.Since = 0
			f.sweep(k, 1) // it is surely a copy
			f.sweep(k, 0)
		}},
		{"pages of a reclaimed arc are live, whether it was claimed or not, and can leave again", moving, func(f *fixture) {
			for _, claimed := range []bool{false, true} {
				arc := f.source(pagesOf(2))
				if claimed {
					f.claimArc(arc, frozen(2))
				}
				f.abandonOther()
				f.tallies(pagesOf(2)(arc))
				f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: f.ring.Table(), Since: f.ring.Table()}, 0)
				f.openRing(f.next("away again"))
				f.claimArc(arc, frozen(2))
				f.fetchPages(arc, pagesOf(2)(arc))
			}
		}},
		{"pages that were released to an abandoned node are gone", moving, func(f *fixture) {
			arc := f.claimedArc()
			check.Must(f, f.retireArc(arc, 2))
			f.apply(f.batch(pagesOf(3)(arc)...)) // no client sends that
			f.abandonOther()
			f.tallies([]counting.Visit{{Arc: arc, Page: "page/0"}, {Arc: arc, Page: "page/2"}})
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: f.ring.Table(), Since: f.ring.Table()}, 0, f.quarantined(arc, 3))
		}},
		{"pages that arrived since the claim are quarantined when the arc is reclaimed", moving, func(f *fixture) {
			arc := f.claimedArc()
			f.apply(f.batch(pagesOf(3)(arc)...)) // no client sends that
			f.abandonOther()
			f.tallies(append(pagesOf(2)(arc), counting.Visit{Arc: arc, Page: "page/2"}))
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: f.ring.Table(), Since: f.ring.Table()}, 0, f.quarantined(arc, 3))
		}},
		{"keys of a reclaimed arc are known again", moving, func(f *fixture) {
			arc, keys := f.keySource(1)
			kept := counting.KeyLookup{Stored: true, Print: keys[0].Print}
			f.claimArc(arc, frozen(1))
			f.abandonOther()
			f.findKey(arc, keys[0], kept)
			f.apply(f.keyBatch(keyed(keys[0], counting.Visit{Arc: arc, Page: "page", Count: 1})))
			f.tallies([]counting.Visit{{Arc: arc, Page: "page", Count: 1}})
		}},
	}
}

// other is the member that is not this node.
func (f *fixture) other() counting.NodeID {
	return f.ring.Members()[1-f.ring.Index(f.node.ID())].ID
}

// removeOther opens the ring in which the node has all arcs again.
func (f *fixture) removeOther() {
	f.Helper()
	w := f.current() + 2
	back := check.Value(f.ring.Remove(sharding.Change{ID: "back", From: w, Oldest: w - 100}, f.other()))(f)
	f.openRing(back)
}

// abandonOther opens the ring in which the other node is lost.
func (f *fixture) abandonOther() {
	f.Helper()
	w := f.current() + 2
	left := check.Value(f.ring.Abandon(sharding.Change{ID: "lost", From: w, Oldest: w - 100}, f.other()))(f)
	f.openRing(left)
}

func (f *fixture) quarantined(arc counting.Arc, pages int) counting.Orphan {
	return counting.Orphan{Arc: arc, Table: f.ring.Table(), Quarantined: true, Pages: pages}
}
