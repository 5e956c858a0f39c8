package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func moveCases() []testCase {
	return []testCase{
		{"a change of the table must wait for incoming arcs", moving, func(f *fixture) {
			arc := f.destination()
			next := f.next("third")
			f.refuseFence(next, sharding.ErrMoving)
			f.importPages(arc, pagesOf(1)(arc), 1)
			f.closeArcs()
			f.openRing(next)
			f.summary(sharding.RingSummary{Fence: 3, Opened: 3})
		}},
		{"moves go on after a change was undone", moving, func(f *fixture) {
			arc := f.destination()
			incoming := len(f.incoming())
			f.importPages(arc, pagesOf(2)(arc), 2)
			check.Must(f, f.moves().CloseArc(f.Context(), f.ring.Table(), f.incoming()[1], 0))
			f.openRing(f.ring.Propose(f.ring, 6))
			f.summary(sharding.RingSummary{Fence: 7, Opened: 7, Incoming: incoming - 1})
			f.importPages(arc, pagesOf(3)(arc), 3)
			f.tallies(pagesOf(3)(arc))
			f.closeArcs()
			f.summary(sharding.RingSummary{Fence: 7, Opened: 7})
		}},
		{"claims outlive a change that was undone", moving, func(f *fixture) {
			arc := f.source(pagesOf(3))
			f.claimArc(arc, frozen(3))
			f.openRing(f.ring.Propose(f.ring, 6))
			f.claimArc(arc, frozen(3))
			f.fetchPages(arc, pagesOf(3)(arc))
			check.Must(f, f.retireArc(arc, 3))
			f.openRing(f.ring.Propose(f.ring, 9))
			f.claimArc(arc, released(3))
		}},
		{"steps of another table are stale or ahead", moving, func(f *fixture) {
			arc := f.source(pagesOf(1))
			for table, want := range map[counting.Epoch]error{1: counting.ErrStale, 3: counting.ErrAhead} {
				f.everyStepOfMove(f.Context(), f.moves(), table, arc, func(call string, err error) {
					f.Helper()
					if !errors.Is(err, want) {
						f.Errorf("%s by table %d: got the error %v, want %v", call, table, err, want)
					}
				})
			}
			f.fence(f.next("third")) // and is not opened
			mustBe(f, check.Err(f.moves().ClaimArcs(f.Context(), 3, []counting.Arc{arc})), counting.ErrAhead)
			f.summary(sharding.RingSummary{Fence: 3, Opened: 2})
			f.newest(10)
			f.claimArc(arc, frozen(1))
		}},
		{"an arc that came back can leave again", moving, func(f *fixture) {
			arc := f.source(pagesOf(3))
			f.claimArc(arc, frozen(3))
			check.Must(f, f.retireArc(arc, 3))
			f.removeOther()
			f.importPages(arc, pagesOf(2)(arc), 2)
			f.apply(f.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 10}))
			f.closeArcs()
			f.openRing(f.next("fourth"))
			want := pagesOf(2)(arc)
			want[0].Count = 11
			f.claimArc(arc, frozen(2))
			f.fetchPages(arc, want)
		}},
		{"steps of a move survive a restart", moving, func(f *fixture) {
			arc := f.source(pagesOf(2))
			f.claimArc(arc, frozen(2))
			f.reopen()
			f.claimArc(arc, frozen(2))
			f.fetchPages(arc, pagesOf(2)(arc))
			check.Must(f, f.retireArc(arc, 2))
			f.reopen()
			f.claimArc(arc, released(2))

			arc = f.destination()
			f.importPages(arc, pagesOf(2)(arc), 2)
			f.reopen()
			f.importPages(arc, pagesOf(3)(arc), 3)
			check.Must(f, f.closeArc(arc, 3))
			f.reopen()
			f.importsNothing(arc)
			f.tallies(pagesOf(3)(arc))
		}},
	}
}

// everyMove makes each call of Movable once, for everyCall.
func (f *fixture) everyMove(ctx context.Context, n counting.Movable, ended func(call string, err error)) {
	f.everyStepOfMove(ctx, n, f.ring.Table(), 5, ended)
	ended("find keys", check.Err(n.FindKeys(ctx, f.ring.Epoch(), []counting.LocatedKey{{Arc: 5}})))
	ended("read parts", check.Err(n.ReadParts(ctx, counting.Expected{Epoch: f.ring.Epoch()}, []counting.Located{f.at("home")})))
}

// everyStepOfMove makes each call once that is by the newest open table.
func (f *fixture) everyStepOfMove(ctx context.Context, n counting.Movable, table counting.Epoch, arc counting.Arc, ended func(call string, err error)) {
	ended("incoming arcs", check.Err(n.IncomingArcs(ctx, table)))
	ended("claim arcs", check.Err(n.ClaimArcs(ctx, table, []counting.Arc{arc})))
	ended("fetch", check.Err(n.Fetch(ctx, table, arc, "")))
	for _, c := range []counting.Chunk{{}, {LastKeys: true}, {Pages: pagesOf(1)(arc)}} {
		ended("import", check.Err(n.Import(ctx, table, arc, c)))
	}
	ended("confirm", check.Err(n.Confirm(ctx, table, []counting.Arc{arc})))
	ended("retire arc", n.RetireArc(ctx, table, arc, 1))
	ended("close arc", n.CloseArc(ctx, table, arc, 1))
	ended("import entries", n.ImportEntries(ctx, table, []counting.FullEntry{done(100, 7)}))
	ended("sweep", check.Err(n.Sweep(ctx, table, counting.SweepPolicy{Ended: 9}, "")))
}

// incoming are the arcs that the ring moves to the node.
func (f *fixture) incoming() []counting.Arc { return f.ring.Incoming(f.node.ID()) }

func (f *fixture) retireArc(arc counting.Arc, pages int) error {
	return f.moves().RetireArc(f.Context(), f.ring.Table(), arc, pages)
}

func (f *fixture) closeArc(arc counting.Arc, pages int) error {
	return f.moves().CloseArc(f.Context(), f.ring.Table(), arc, pages)
}

// notFrozen checks that nothing of an arc can be fetched.
func (f *fixture) notFrozen(arc counting.Arc) {
	f.Helper()
	mustBe(f, check.Err(f.moves().Fetch(f.Context(), f.ring.Table(), arc, "")), counting.ErrUnfinished)
}

// moves is the node whose arcs move.
func (f *fixture) moves() counting.Movable { return f.node.(counting.Movable) }

// source opens a node with these visits, and the ring that moves an arc away
// from it.
func (f *fixture) source(visits func(arc counting.Arc) []counting.Visit) counting.Arc {
	f.Helper()
	f.open()
	next := f.next("second")
	arc := next.Moves()[0].Arc
	if visits != nil {
		f.apply(f.batch(visits(arc)...))
	}
	f.openRing(next)
	return arc
}

// destination opens a node with incoming arcs, and returns the first.
func (f *fixture) destination() counting.Arc {
	f.Helper()
	f.empty()
	r := check.Value(f.otherRing().Add(sharding.Change{ID: "second"}, f.member()))(f)
	f.openRing(r)
	return r.Incoming(f.node.ID())[0]
}

// pagesOf are visits of n pages of an arc, of 1, 2, 3 ... each.
func pagesOf(n int) func(counting.Arc) []counting.Visit {
	return func(arc counting.Arc) []counting.Visit {
		var visits []counting.Visit
		for i := range n {
			visits = append(visits, counting.Visit{Arc: arc, Page: counting.Page(fmt.Sprint("page/", i)), Count: int64(i + 1)})
		}
		return visits
	}
}

func (f *fixture) claimArc(arc counting.Arc, want counting.FrozenPages) {
	f.Helper()
	equalSlices(f, "claim", check.Value(f.moves().ClaimArcs(f.Context(), f.ring.Table(), []counting.Arc{arc}))(f), []counting.FrozenPages{want})
}

// fetchPages checks which pages are fetched.
func (f *fixture) fetchPages(arc counting.Arc, want []counting.Visit) {
	f.Helper()
	got := make(map[counting.Visit]bool)
	f.fetch(arc, func(chunk counting.Chunk) {
		for _, p := range chunk.Pages {
			got[p] = true
		}
	})
	all := make(map[counting.Visit]bool)
	for _, v := range want {
		all[v] = true
	}
	if !maps.Equal(got, all) {
		f.Fatalf("got %d frozen pages, want %d: %v", len(got), len(all), got)
	}
}

func (f *fixture) importPages(arc counting.Arc, pages []counting.Visit, marked int, refused ...counting.Refusal) {
	f.Helper()
	got := check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, counting.Chunk{Pages: pages}))(f)
	if got.Closed || got.Pages != marked || !slices.Equal(got.Refused, refused) {
		f.Fatalf("got the import result %+v, want %d pages and the refusals %v", got, marked, refused)
	}
}

// closeArcs closes all incoming arcs, without pages.
func (f *fixture) closeArcs() {
	f.Helper()
	for _, arc := range f.incoming() {
		check.Must(f, f.closeArc(arc, 0))
	}
}

// fetch hands on every chunk of a claimed arc.
func (f *fixture) fetch(arc counting.Arc, each func(counting.Chunk)) {
	f.Helper()
	follow(f, func(cursor string) (counting.Chunk, string, error) {
		return f.moves().Fetch(f.Context(), f.ring.Table(), arc, cursor)
	}, each)
}
