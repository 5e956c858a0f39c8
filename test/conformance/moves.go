package conformance

import (
	"context"
	"fmt"
	"maps"
	"math"
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
func (s *stand) everyMove(ctx context.Context, n Node, ended func(call string, err error)) {
	const arc = 5
	table := s.ring.Table()
	_, err := n.ComingArcs(ctx, table)
	ended("coming arcs", err)
	_, err = n.ClaimArcs(ctx, table, []counting.Arc{arc})
	ended("claim arcs", err)
	_, _, err = n.FetchResidue(ctx, table, arc, "")
	ended("fetch residue", err)
	_, err = n.TakeIn(ctx, table, arc, nil)
	ended("take in", err)
	_, err = n.Confirm(ctx, table, []counting.Arc{arc})
	ended("confirm", err)
	_, _, err = n.FetchKeys(ctx, table, arc, "")
	ended("fetch keys", err)
	_, err = n.TakeKeys(ctx, table, arc, nil)
	ended("take keys", err)
	_, err = n.FindKeys(ctx, s.ring.Epoch(), []counting.LocatedKey{{Arc: arc}})
	ended("find keys", err)
	ended("retire arc", n.RetireArc(ctx, table, arc, 0))
	ended("close arc", n.CloseArc(ctx, table, arc, 0))
	ended("take entries", n.TakeEntries(ctx, table, nil))
	_, _, err = n.Sweep(ctx, table, counting.Keep{}, "")
	ended("sweep", err)
	_, err = n.ReadParts(ctx, s.ring.Epoch(), []counting.Located{s.at("home")})
	ended("read parts", err)
}

func (s *stand) movable(t *testing.T) {
	t.Helper()
	needs(t, s.Immovable == "", s.Immovable)
}

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
	return r.Coming(s.node.ID())[0]
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

func (s *stand) claimArc(t *testing.T, arc counting.Arc, want counting.Residue) {
	t.Helper()
	got, err := s.node.ClaimArcs(t.Context(), s.ring.Table(), []counting.Arc{arc})
	must(t, err)
	equalSlices(t, "claim", got, []counting.Residue{want})
}

// residue checks what is fetched.
func (s *stand) residue(t *testing.T, arc counting.Arc, want []counting.Visit) {
	t.Helper()
	got := make(map[counting.Visit]bool)
	for cursor, again := "", true; again; again = cursor != "" {
		pages, next, err := s.node.FetchResidue(t.Context(), s.ring.Table(), arc, cursor)
		must(t, err)
		for _, p := range pages {
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
	got, err := s.node.TakeIn(t.Context(), s.ring.Table(), arc, pages)
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

func claimNothing(t *testing.T, s *stand) {
	arc := s.source(t, nil)
	for range 2 {
		s.claimArc(t, arc, counting.Residue{Stage: counting.Gone})
	}
	_, _, err := s.node.FetchResidue(t.Context(), s.ring.Table(), arc, "")
	mustBe(t, err, counting.ErrUnfinished)
	must(t, s.node.RetireArc(t.Context(), s.ring.Table(), arc, 0))
}

func claimShowsAll(t *testing.T, s *stand) {
	for _, n := range []int{1, 100, 450} {
		arc := s.source(t, some(n))
		s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: n})
		s.residue(t, arc, some(n)(arc))
		s.residue(t, arc, some(n)(arc))
	}
}

func claimAgain(t *testing.T, s *stand) {
	arc := s.source(t, some(3))
	table := s.ring.Table()
	for range 2 {
		s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 3})
	}
	s.residue(t, arc, some(3)(arc))
	must(t, s.node.RetireArc(t.Context(), table, arc, 3))
	s.claimArc(t, arc, counting.Residue{Stage: counting.Gone, Pages: 3})
}

func claimLeavesOthers(t *testing.T, s *stand) {
	var other []counting.Visit
	arc := s.source(t, func(arc counting.Arc) []counting.Visit {
		other = some(2)(arc + 1)
		return append(some(3)(arc), other...)
	})
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 3})
	s.live(t, other)
	must(t, s.node.RetireArc(t.Context(), s.ring.Table(), arc, 3))
	s.live(t, other)
}

func claimMany(t *testing.T, s *stand) {
	s.movable(t)
	s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	moves := next.Moves()[:counting.MaxTogether]
	arcs := make([]counting.Arc, len(moves))
	want := make([]counting.Residue, len(moves))
	for i, m := range moves {
		arcs[i] = m.Arc
		if n := i % 3; n > 0 {
			s.apply(t, s.batch(some(n)(m.Arc)...))
			want[i].Pages = n
		}
		want[i].Stage = counting.Frozen
		if i%3 == 0 {
			want[i].Stage = counting.Gone
		}
	}
	s.enter(t, next)
	s.claimArc(t, arcs[1], want[1])
	s.claimArc(t, arcs[2], want[2])
	must(t, s.node.RetireArc(t.Context(), s.ring.Table(), arcs[2], 2))
	want[2].Stage = counting.Gone
	for range 2 {
		got, err := s.node.ClaimArcs(t.Context(), s.ring.Table(), arcs)
		must(t, err)
		equalSlices(t, "claims", got, want)
	}
	got, err := s.node.ClaimArcs(t.Context(), s.ring.Table(), nil)
	must(t, err)
	equal(t, "number of answers", len(got), 0)
	s.residue(t, arcs[4], some(1)(arcs[4]))
}

func fetchCorrupt(t *testing.T, s *stand) {
	s.movable(t)
	needs(t, s.CorruptPage != nil, "its pages can't be corrupted")
	s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	arc := next.Moves()[0].Arc
	s.apply(t, s.batch(some(2)(arc)...))
	s.CorruptPage(t, s.node, counting.Located{Arc: arc, Page: "page/0"})
	s.enter(t, next)
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 2})
	want := some(2)(arc)
	want[0].Count = -1
	s.residue(t, arc, want)
}

func fetchWhileFrozen(t *testing.T, s *stand) {
	arc := s.source(t, some(2))
	table := s.ring.Table()
	unfinished := func() {
		t.Helper()
		_, _, err := s.node.FetchResidue(t.Context(), table, arc, "")
		mustBe(t, err, counting.ErrUnfinished)
	}
	unfinished()
	s.live(t, some(2)(arc))
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 2})
	s.residue(t, arc, some(2)(arc))
	must(t, s.node.RetireArc(t.Context(), table, arc, 2))
	unfinished()
}

func retireCounts(t *testing.T, s *stand) {
	arc := s.source(t, some(3))
	table := s.ring.Table()
	mustBe(t, s.node.RetireArc(t.Context(), table, arc, 3), counting.ErrUnfinished)
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 3})
	for _, wrong := range []int{0, 2, 4} {
		mustBe(t, s.node.RetireArc(t.Context(), table, arc, wrong), counting.ErrUnfinished)
	}
	s.residue(t, arc, some(3)(arc))
	for range 2 {
		must(t, s.node.RetireArc(t.Context(), table, arc, 3))
	}
}

func comingListed(t *testing.T, s *stand) {
	s.destination(t)
	want := s.ring.Coming(s.node.ID())
	got, err := s.node.ComingArcs(t.Context(), s.ring.Table())
	must(t, err)
	equalSlices(t, "coming arcs", got, want)
	s.pulse(t, sharding.Pulse{Fence: 2, Opened: 2, Coming: len(want)})
	standing, err := s.node.Standing(t.Context())
	must(t, err)
	equal(t, "coming arcs of the standing", standing.Coming, len(want))
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
	mustBe(t, s.node.CloseArc(t.Context(), s.ring.Table(), arc, 4), counting.ErrUnfinished)
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
	must(t, s.node.CloseArc(t.Context(), s.ring.Table(), stays, 7))
}

// takesNothing checks that an arc takes nothing in.
func (s *stand) takesNothing(t *testing.T, arc counting.Arc) {
	t.Helper()
	got, err := s.node.TakeIn(t.Context(), s.ring.Table(), arc, []counting.Visit{{Arc: arc, Page: "late", Count: 5}})
	must(t, err)
	if !got.Closed || got.Pages != 0 || got.Refused != nil {
		t.Fatalf("got the intake %+v, want that the arc is closed", got)
	}
	s.live(t, []counting.Visit{{Arc: arc, Page: "late", Count: 0}})
}

func confirmed(t *testing.T, s *stand) {
	arc := s.destination(t)
	arcs := s.ring.Coming(s.node.ID())[:3]
	stays := counting.Arc(0)
	for s.ring.Owner(stays) == s.ring.Index(s.node.ID()) {
		stays++
	}
	confirm := func(want ...counting.Intake) {
		t.Helper()
		got, err := s.node.Confirm(t.Context(), s.ring.Table(), append(slices.Clone(arcs), stays))
		must(t, err)
		for i, w := range append(want, counting.Intake{Closed: true}) {
			if got[i].Refused != nil || got[i].Pages != w.Pages || got[i].Keys != w.Keys || got[i].Closed != w.Closed {
				t.Fatalf("arc %d of them: got %+v, want %+v", i, got[i], w)
			}
		}
	}
	confirm(counting.Intake{}, counting.Intake{}, counting.Intake{})
	s.takeIn(t, arc, append(some(3)(arc), counting.Visit{Arc: arc, Page: "no count", Count: -1}), 3,
		counting.Refusal{Item: 3, Reason: counting.Corrupt})
	s.takeKeys(t, arc, false, s.kept(t, once("a")))
	s.takeIn(t, arcs[1], some(1)(arcs[1]), 1)
	s.takeKeys(t, arcs[1], false)
	s.takeKeys(t, arcs[2], false)
	confirm(counting.Intake{Pages: 3}, counting.Intake{Pages: 1, Keys: true}, counting.Intake{Keys: true})
	s.takeKeys(t, arc, false)
	s.takeIn(t, arc, nil, 3)
	mustBe(t, s.node.CloseArc(t.Context(), s.ring.Table(), arc, 4), counting.ErrUnfinished)
	must(t, s.node.CloseArc(t.Context(), s.ring.Table(), arcs[1], 1))
	confirm(counting.Intake{Pages: 3, Keys: true}, counting.Intake{Closed: true}, counting.Intake{Keys: true})
	got, err := s.node.Confirm(t.Context(), s.ring.Table(), nil)
	must(t, err)
	equal(t, "number of answers", len(got), 0)
}

func closeCounts(t *testing.T, s *stand) {
	arc := s.destination(t)
	n, table := s.node, s.ring.Table()
	all := len(s.ring.Coming(n.ID()))
	s.takeIn(t, arc, some(2)(arc), 2)
	mustBe(t, n.CloseArc(t.Context(), table, arc, 3), counting.ErrUnfinished)
	s.pulse(t, sharding.Pulse{Fence: 2, Opened: 2, Coming: all})
	for _, pages := range []int{2, 2, 9} { // a closed one stays so
		must(t, n.CloseArc(t.Context(), table, arc, pages))
		s.pulse(t, sharding.Pulse{Fence: 2, Opened: 2, Coming: all - 1})
	}
	coming, err := n.ComingArcs(t.Context(), table)
	must(t, err)
	equalSlices(t, "coming arcs", coming, s.ring.Coming(n.ID())[1:])
	s.live(t, some(2)(arc))
}

func closedTakesNothing(t *testing.T, s *stand) {
	arc := s.destination(t)
	s.takeIn(t, arc, some(1)(arc), 1)
	must(t, s.node.CloseArc(t.Context(), s.ring.Table(), arc, 1))
	s.takesNothing(t, arc)
}

// closeAll ends all moves to the node.
func (s *stand) closeAll(t *testing.T) {
	t.Helper()
	for _, arc := range s.ring.Coming(s.node.ID()) {
		must(t, s.node.CloseArc(t.Context(), s.ring.Table(), arc, 0))
	}
}

func noChangeWhileMoving(t *testing.T, s *stand) {
	arc := s.destination(t)
	next := s.nextRing(t, "third", s.current(t)+2)
	s.notFenced(t, next, sharding.ErrMoving)
	s.takeIn(t, arc, some(1)(arc), 1)
	s.closeAll(t)
	s.enter(t, next)
	s.pulse(t, sharding.Pulse{Fence: 3, Opened: 3})
}

func movesOutliveUndoing(t *testing.T, s *stand) {
	arc := s.destination(t)
	coming := len(s.ring.Coming(s.node.ID()))
	s.takeIn(t, arc, some(2)(arc), 2)
	must(t, s.node.CloseArc(t.Context(), s.ring.Table(), s.ring.Coming(s.node.ID())[1], 0))
	s.enter(t, s.ring.Propose(s.ring, 6))
	s.pulse(t, sharding.Pulse{Fence: 7, Opened: 7, Coming: coming - 1})
	s.takeIn(t, arc, some(3)(arc), 3)
	s.live(t, some(3)(arc))
	s.closeAll(t)
	s.pulse(t, sharding.Pulse{Fence: 7, Opened: 7})
}

func claimsOutliveUndoing(t *testing.T, s *stand) {
	arc := s.source(t, some(3))
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 3})
	s.enter(t, s.ring.Propose(s.ring, 6))
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 3})
	s.residue(t, arc, some(3)(arc))
	must(t, s.node.RetireArc(t.Context(), s.ring.Table(), arc, 3))
	s.enter(t, s.ring.Propose(s.ring, 9))
	s.claimArc(t, arc, counting.Residue{Stage: counting.Gone, Pages: 3})
}

func movesOfOtherTables(t *testing.T, s *stand) {
	arc := s.source(t, some(1))
	n := s.node
	for _, c := range []struct {
		table counting.Epoch
		want  error
	}{{1, counting.ErrStale}, {3, counting.ErrAhead}} {
		_, err := n.ComingArcs(t.Context(), c.table)
		mustBe(t, err, c.want)
		_, err = n.ClaimArcs(t.Context(), c.table, []counting.Arc{arc})
		mustBe(t, err, c.want)
		_, _, err = n.FetchResidue(t.Context(), c.table, arc, "")
		mustBe(t, err, c.want)
		_, err = n.TakeIn(t.Context(), c.table, arc, some(1)(arc))
		mustBe(t, err, c.want)
		_, err = n.Confirm(t.Context(), c.table, []counting.Arc{arc})
		mustBe(t, err, c.want)
		_, _, err = n.FetchKeys(t.Context(), c.table, arc, "")
		mustBe(t, err, c.want)
		_, err = n.TakeKeys(t.Context(), c.table, arc, nil)
		mustBe(t, err, c.want)
		mustBe(t, n.RetireArc(t.Context(), c.table, arc, 1), c.want)
		mustBe(t, n.CloseArc(t.Context(), c.table, arc, 1), c.want)
	}
	s.fence(t, s.nextRing(t, "third", s.current(t)+2)) // and is not opened
	_, err := n.ClaimArcs(t.Context(), 3, []counting.Arc{arc})
	mustBe(t, err, counting.ErrAhead)
	s.pulse(t, sharding.Pulse{Fence: 3, Opened: 2})
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 1})
}

func arcComesBack(t *testing.T, s *stand) {
	arc := s.source(t, some(3))
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 3})
	must(t, s.node.RetireArc(t.Context(), s.ring.Table(), arc, 3))
	s.comesBack(t)
	s.takeIn(t, arc, some(2)(arc), 2)
	s.apply(t, s.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 10}))
	s.closeAll(t)
	s.enter(t, s.nextRing(t, "fourth", s.current(t)+2))
	want := some(2)(arc)
	want[0].Count = 11
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 2})
	s.residue(t, arc, want)
}

func movesSurvive(t *testing.T, s *stand) {
	s.movable(t)
	needs(t, s.Reopen != nil, "it doesn't outlive its process")
	arc := s.source(t, some(2))
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 2})
	s.node = s.Reopen(t, s.node)
	s.claimArc(t, arc, counting.Residue{Stage: counting.Frozen, Pages: 2})
	s.residue(t, arc, some(2)(arc))
	must(t, s.node.RetireArc(t.Context(), s.ring.Table(), arc, 2))
	s.node = s.Reopen(t, s.node)
	s.claimArc(t, arc, counting.Residue{Stage: counting.Gone, Pages: 2})

	arc = s.destination(t)
	s.takeIn(t, arc, some(2)(arc), 2)
	s.node = s.Reopen(t, s.node)
	s.takeIn(t, arc, some(3)(arc), 3)
	must(t, s.node.CloseArc(t.Context(), s.ring.Table(), arc, 3))
	s.node = s.Reopen(t, s.node)
	s.takesNothing(t, arc)
	s.live(t, some(3)(arc))
}
