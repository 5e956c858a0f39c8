package conformance

import (
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

func asideCases() []testCase {
	return []testCase{
		{"what a node has of an arc that comes to it is set aside", asideWhenItComes},
		{"what a node has of an arc of a lost node is set aside", asideOfTheLost},
		{"what came to an arc since it came is not set aside", asideOnce},
		{"keys of an arc that comes are forgotten", asideForgetsKeys},
		{"arcs that stay are not set aside", asideLeavesOthers},
		{"the residue of a move that did not end is told", residueOutlivesTable},
		{"what was not claimed for a node that is lost counts on", retainsHeld},
		{"what was claimed for a node that is lost counts again", retainsClaimed},
		{"what has left for a node that is lost is not there", retainsNothingGone},
		{"what came to a claimed arc is set aside when the arc is retained", retainedIsSetAside},
		{"keys alone are retained", retainsKeys},
	}
}

// other is the member that is not this node.
func (s *stand) other() counting.NodeID {
	return s.ring.Members()[1-s.ring.Index(s.node.ID())].ID
}

// comesBack opens the ring in which the node has all arcs again.
func (s *stand) comesBack(t *testing.T) {
	t.Helper()
	w := s.current(t) + 2
	back, err := s.ring.Remove(sharding.Change{ID: "back", From: w, Oldest: w - 100}, s.other())
	must(t, err)
	s.enter(t, back)
}

// abandons opens the ring in which the other node is lost.
func (s *stand) abandons(t *testing.T) {
	t.Helper()
	w := s.current(t) + 2
	left, err := s.ring.Abandon(sharding.Change{ID: "lost", From: w, Oldest: w - 100}, s.other())
	must(t, err)
	s.enter(t, left)
}

func (s *stand) setAside(arc counting.Arc, pages int) counting.Orphan {
	return counting.Orphan{Arc: arc, Table: s.ring.Table(), Quarantined: true, Pages: pages}
}

func asideWhenItComes(t *testing.T, s *stand) {
	arc := s.source(t, some(3)) // it is never claimed, as after a fall behind that
	s.comesBack(t)
	s.live(t, []counting.Visit{{Arc: arc, Page: "page/0"}, {Arc: arc, Page: "page/2"}})
	s.takeIn(t, arc, some(2)(arc), 2)
	s.live(t, append(some(2)(arc), counting.Visit{Arc: arc, Page: "page/2"}))
	s.closeAll(t)
	stray := s.setAside(arc, 3)
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: s.ring.Table()}, 0, stray)
	s.enter(t, s.nextRing(t, "away again", s.current(t)+2))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 2})
	s.residue(t, arc, some(2)(arc))
	s.sweep(t, counting.SweepPolicy{Ended: s.ring.Table() - 1}, 0, stray)
}

func asideOfTheLost(t *testing.T, s *stand) {
	s.source(t, nil)
	lost := s.other()
	s.enter(t, s.nextRing(t, "third", s.current(t)+2)) // the moves to the one that is lost have ended
	left, err := s.ring.Abandon(sharding.Change{ID: "lost", From: s.current(t) + 2}, lost)
	must(t, err)
	arc := left.AddedArcs(s.node.ID())[0]
	s.apply(t, s.batch(some(2)(arc)...))
	s.enter(t, left)
	s.live(t, []counting.Visit{{Arc: arc, Page: "page/0"}, {Arc: arc, Page: "page/1"}})
	s.apply(t, s.batch(some(1)(arc)...))
	s.live(t, append(some(1)(arc), counting.Visit{Arc: arc, Page: "page/1"}))
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: s.ring.Table(), Since: s.ring.Table()}, 0, s.setAside(arc, 2))
}

func asideOnce(t *testing.T, s *stand) {
	arc := s.source(t, nil)
	s.comesBack(t)
	s.takeIn(t, arc, some(2)(arc), 2)
	must(t, s.node.Open(t.Context(), s.ring))
	s.enter(t, s.ring.Propose(s.ring, s.ring.Epoch()+3)) // a change that was undone
	s.live(t, some(2)(arc))
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: s.ring.Table() - 1}, 0)
}

func asideForgetsKeys(t *testing.T, s *stand) {
	arc, keys := s.leaving(t, 3)
	s.comesBack(t)
	s.found(t, arc, keys[0], counting.KeyLookup{})
	s.closeAll(t)
	b := s.keyBatch(keyed(once("new"), s.visit("home", 1)))
	b.KeyLimit = 1 // those that are gone don't count
	s.apply(t, b)
}

func asideLeavesOthers(t *testing.T, s *stand) {
	stays := counting.Visit{Page: "stays", Count: 7}
	s.source(t, func(arc counting.Arc) []counting.Visit {
		leaves := make(map[counting.Arc]bool)
		for _, m := range s.nextRing(t, "second", s.current(t)+2).Moves() {
			leaves[m.Arc] = true
		}
		for stays.Arc = arc; leaves[stays.Arc]; {
			stays.Arc++
		}
		return []counting.Visit{stays}
	})
	s.comesBack(t)
	s.live(t, []counting.Visit{stays})
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{stays.Arc}, Ended: s.ring.Table() - 1}, 0)
}

func residueOutlivesTable(t *testing.T, s *stand) {
	arc := s.claimed(t)
	stray := counting.Orphan{Arc: arc, Table: s.ring.Table(), Pages: 2}
	s.comesBack(t)
	s.closeAll(t)
	k := counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: s.ring.Table(), Since: s.ring.Table()}
	s.sweep(t, k, 0, stray)
	s.sweep(t, k, 0, stray)
	k.Since = 0
	s.sweep(t, k, 1) // it is surely a copy
	s.sweep(t, k, 0)
}

// countsOn checks that the pages of an arc are live, and can leave once more.
func (s *stand) countsOn(t *testing.T, arc counting.Arc, pages int) {
	t.Helper()
	s.live(t, some(pages)(arc))
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: s.ring.Table(), Since: s.ring.Table()}, 0)
	s.enter(t, s.nextRing(t, "away again", s.current(t)+2))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: pages})
	s.residue(t, arc, some(pages)(arc))
}

func retainsHeld(t *testing.T, s *stand) {
	arc := s.source(t, some(2))
	s.abandons(t)
	s.countsOn(t, arc, 2)
}

func retainsClaimed(t *testing.T, s *stand) {
	arc := s.claimed(t)
	s.abandons(t)
	s.countsOn(t, arc, 2)
}

func retainsNothingGone(t *testing.T, s *stand) {
	arc := s.claimed(t)
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 2))
	s.apply(t, s.batch(some(3)(arc)...)) // nobody sends that
	s.abandons(t)
	s.live(t, []counting.Visit{{Arc: arc, Page: "page/0"}, {Arc: arc, Page: "page/2"}})
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: s.ring.Table(), Since: s.ring.Table()}, 0, s.setAside(arc, 3))
}

func retainedIsSetAside(t *testing.T, s *stand) {
	arc := s.claimed(t)
	s.apply(t, s.batch(some(3)(arc)...)) // nobody sends that
	s.abandons(t)
	s.live(t, append(some(2)(arc), counting.Visit{Arc: arc, Page: "page/2"}))
	s.sweep(t, counting.SweepPolicy{Arcs: []counting.Arc{arc}, Ended: s.ring.Table(), Since: s.ring.Table()}, 0, s.setAside(arc, 3))
}

func retainsKeys(t *testing.T, s *stand) {
	arc, keys := s.leaving(t, 1)
	kept := counting.KeyLookup{Stored: true, Print: keys[0].Print}
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 1})
	s.abandons(t)
	s.found(t, arc, keys[0], kept)
	s.apply(t, s.keyBatch(keyed(keys[0], counting.Visit{Arc: arc, Page: "page", Count: 1})))
	s.live(t, []counting.Visit{{Arc: arc, Page: "page", Count: 1}})
}
