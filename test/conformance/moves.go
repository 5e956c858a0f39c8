package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

func moveCases() []testCase {
	return []testCase{
		{"an arc of which the node has nothing is gone at once", claimNothing},
		{"a claimed arc shows every page of its residue", claimShowsAll},
		{"a claim is answered again as it stands", claimAgain},
		{"a claim leaves other arcs alone", claimLeavesOthers},
		{"many arcs are claimed at once, each as it is", claimMany},
		{"a page that is no count has the count -1", fetchCorrupt},
		{"a residue is there while it is frozen", fetchWhileFrozen},
		{"an arc is retired with all of its pages or not at all", retireCounts},
		{"coming arcs are counted and listed", comingListed},
		{"what is taken in is added, and once", takeInOnce},
		{"pages that can't be added are refused alone", takeInRefuses},
		{"what is taken in adds to what is live", takeInAdds},
		{"an arc that isn't coming takes nothing in", takeInElsewhere},
		{"what was taken in is confirmed, arc by arc", confirmed},
		{"an arc is closed when its pages are marked", closeCounts},
		{"a closed arc takes nothing in", closedTakesNothing},
		{"no change begins while arcs are coming", noChangeWhileMoving},
		{"moves go on after a change was undone", movesOutliveUndoing},
		{"claims outlive the undoing of a change", claimsOutliveUndoing},
		{"moves of another table are stale or ahead", movesOfOtherTables},
		{"an arc that comes back goes again", arcComesBack},
		{"steps of a move survive", movesSurvive},
	}
}

// everyMove makes each call of the port once; everyCall says why.
func (s *stand) everyMove(ctx context.Context, n counting.Movable, ended func(call string, err error)) {
	s.everyStepOfMove(ctx, n, s.ring.Table(), 5, ended)
	_, err := n.FindKeys(ctx, s.ring.Epoch(), []counting.LocatedKey{{Arc: 5}})
	ended("find keys", err)
	ended("import entries", n.ImportEntries(ctx, s.ring.Table(), nil))
	_, _, err = n.Sweep(ctx, s.ring.Table(), counting.SweepPolicy{}, "")
	ended("sweep", err)
	_, err = n.ReadParts(ctx, s.ring.Epoch(), []counting.Located{s.at("home")})
	ended("read parts", err)
}

// everyStepOfMove makes each call by which an arc moves once.
func (s *stand) everyStepOfMove(ctx context.Context, n counting.Movable, table counting.Epoch, arc counting.Arc, ended func(call string, err error)) {
	_, err := n.IncomingArcs(ctx, table)
	ended("incoming arcs", err)
	_, err = n.ClaimArcs(ctx, table, []counting.Arc{arc})
	ended("claim arcs", err)
	_, _, err = n.Fetch(ctx, table, arc, "")
	ended("fetch", err)
	for _, c := range []counting.Chunk{{}, {LastKeys: true}, {Pages: some(1)(arc)}} {
		_, err = n.Import(ctx, table, arc, c)
		ended("import", err)
	}
	_, err = n.Confirm(ctx, table, []counting.Arc{arc})
	ended("confirm", err)
	ended("retire arc", n.RetireArc(ctx, table, arc, 1))
	ended("close arc", n.CloseArc(ctx, table, arc, 1))
}

// movable skips a case that needs a node whose arcs move.
func (s *stand) movable(t *testing.T) {
	t.Helper()
	needs(t, s.Immovable == "", s.Immovable)
}

// moves is the node whose arcs move.
func (s *stand) moves() counting.Movable { return s.node.(counting.Movable) }

// source opens a node with these visits, of which the next ring takes an arc.
func (s *stand) source(t *testing.T, visits func(arc counting.Arc) []counting.Visit) counting.Arc {
	t.Helper()
	s.movable(t)
	s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	arc := next.Moves()[0].Arc
	if visits != nil {
		s.apply(t, s.batch(visits(arc)...))
	}
	s.enter(t, next)
	return arc
}

// destination opens a node to which an arc is coming.
func (s *stand) destination(t *testing.T) counting.Arc {
	t.Helper()
	s.movable(t)
	s.empty(t)
	r, err := s.strangers(t).Add(sharding.Change{ID: "second"}, s.member())
	must(t, err)
	s.enter(t, r)
	return r.Incoming(s.node.ID())[0]
}

// some are visits of n pages of an arc, of 1, 2, 3 ... each.
func some(n int) func(counting.Arc) []counting.Visit {
	return func(arc counting.Arc) []counting.Visit {
		var visits []counting.Visit
		for i := range n {
			visits = append(visits, counting.Visit{Arc: arc, Page: counting.Page(fmt.Sprint("page/", i)), Count: int64(i + 1)})
		}
		return visits
	}
}

func (s *stand) claimArc(t *testing.T, arc counting.Arc, want counting.FrozenPages) {
	t.Helper()
	got, err := s.moves().ClaimArcs(t.Context(), s.ring.Table(), []counting.Arc{arc})
	must(t, err)
	equalSlices(t, "claim", got, []counting.FrozenPages{want})
}

// residue checks what is fetched.
func (s *stand) residue(t *testing.T, arc counting.Arc, want []counting.Visit) {
	t.Helper()
	got := make(map[counting.Visit]bool)
	for cursor, again := "", true; again; again = cursor != "" {
		chunk, next, err := s.moves().Fetch(t.Context(), s.ring.Table(), arc, cursor)
		must(t, err)
		for _, p := range chunk.Pages {
			got[p] = true
		}
		cursor = next
	}
	all := make(map[counting.Visit]bool)
	for _, v := range want {
		all[v] = true
	}
	if !maps.Equal(got, all) {
		t.Fatalf("got %d pages of the residue, want %d: %v", len(got), len(all), got)
	}
}

func (s *stand) takeIn(t *testing.T, arc counting.Arc, pages []counting.Visit, marked int, refused ...counting.Refusal) {
	t.Helper()
	got, err := s.moves().Import(t.Context(), s.ring.Table(), arc, counting.Chunk{Pages: pages})
	must(t, err)
	if got.Closed || got.Pages != marked || !slices.Equal(got.Refused, refused) {
		t.Fatalf("got the intake %+v, want %d pages and the refusals %v", got, marked, refused)
	}
}

// live checks what an arc's pages are.
func (s *stand) live(t *testing.T, want []counting.Visit) {
	t.Helper()
	var at []counting.Located
	for _, v := range want {
		at = append(at, counting.Located{Arc: v.Arc, Page: v.Page})
	}
	got, err := s.node.Read(t.Context(), s.ring.Epoch(), at)
	must(t, err)
	for i := range want {
		if got[i] != (counting.Tally{Visits: want[i].Count}) {
			t.Fatalf("page %q: got %+v, want %d", want[i].Page, got[i], want[i].Count)
		}
	}
}

// closeAll ends all moves to the node.
func (s *stand) closeAll(t *testing.T) {
	t.Helper()
	for _, arc := range s.ring.Incoming(s.node.ID()) {
		must(t, s.moves().CloseArc(t.Context(), s.ring.Table(), arc, 0))
	}
}

func noChangeWhileMoving(t *testing.T, s *stand) {
	arc := s.destination(t)
	next := s.nextRing(t, "third", s.current(t)+2)
	s.notFenced(t, next, sharding.ErrMoving)
	s.takeIn(t, arc, some(1)(arc), 1)
	s.closeAll(t)
	s.enter(t, next)
	s.pulse(t, sharding.RingSummary{Fence: 3, Opened: 3})
}

func movesOutliveUndoing(t *testing.T, s *stand) {
	arc := s.destination(t)
	coming := len(s.ring.Incoming(s.node.ID()))
	s.takeIn(t, arc, some(2)(arc), 2)
	must(t, s.moves().CloseArc(t.Context(), s.ring.Table(), s.ring.Incoming(s.node.ID())[1], 0))
	s.enter(t, s.ring.Propose(s.ring, 6))
	s.pulse(t, sharding.RingSummary{Fence: 7, Opened: 7, Incoming: coming - 1})
	s.takeIn(t, arc, some(3)(arc), 3)
	s.live(t, some(3)(arc))
	s.closeAll(t)
	s.pulse(t, sharding.RingSummary{Fence: 7, Opened: 7})
}

func claimsOutliveUndoing(t *testing.T, s *stand) {
	arc := s.source(t, some(3))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 3})
	s.enter(t, s.ring.Propose(s.ring, 6))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 3})
	s.residue(t, arc, some(3)(arc))
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 3))
	s.enter(t, s.ring.Propose(s.ring, 9))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Released, Pages: 3})
}

func movesOfOtherTables(t *testing.T, s *stand) {
	arc := s.source(t, some(1))
	for _, c := range []struct {
		table counting.Epoch
		want  error
	}{{1, counting.ErrStale}, {3, counting.ErrAhead}} {
		s.everyStepOfMove(t.Context(), s.moves(), c.table, arc, func(call string, err error) {
			t.Helper()
			if !errors.Is(err, c.want) {
				t.Errorf("%s by table %d: got the error %v, want %v", call, c.table, err, c.want)
			}
		})
	}
	s.fence(t, s.nextRing(t, "third", s.current(t)+2)) // and is not opened
	_, err := s.moves().ClaimArcs(t.Context(), 3, []counting.Arc{arc})
	mustBe(t, err, counting.ErrAhead)
	s.pulse(t, sharding.RingSummary{Fence: 3, Opened: 2})
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 1})
}

func arcComesBack(t *testing.T, s *stand) {
	arc := s.source(t, some(3))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 3})
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 3))
	s.comesBack(t)
	s.takeIn(t, arc, some(2)(arc), 2)
	s.apply(t, s.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 10}))
	s.closeAll(t)
	s.enter(t, s.nextRing(t, "fourth", s.current(t)+2))
	want := some(2)(arc)
	want[0].Count = 11
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 2})
	s.residue(t, arc, want)
}

func movesSurvive(t *testing.T, s *stand) {
	s.movable(t)
	needs(t, s.Reopen != nil, "it doesn't outlive its process")
	arc := s.source(t, some(2))
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 2})
	s.node = s.Reopen(t, s.node)
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Frozen, Pages: 2})
	s.residue(t, arc, some(2)(arc))
	must(t, s.moves().RetireArc(t.Context(), s.ring.Table(), arc, 2))
	s.node = s.Reopen(t, s.node)
	s.claimArc(t, arc, counting.FrozenPages{Stage: counting.Released, Pages: 2})

	arc = s.destination(t)
	s.takeIn(t, arc, some(2)(arc), 2)
	s.node = s.Reopen(t, s.node)
	s.takeIn(t, arc, some(3)(arc), 3)
	must(t, s.moves().CloseArc(t.Context(), s.ring.Table(), arc, 3))
	s.node = s.Reopen(t, s.node)
	s.takesNothing(t, arc)
	s.live(t, some(3)(arc))
}
