package ringmodel_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"footfall/domain/counting"
	"footfall/test/chaos"
)

// mutant is a defect that is built in.
type mutant struct {
	name string
	// node is what stands in for a node, client for the network to one.
	node   func(chaos.Node) chaos.Node
	client func(*link) chaos.Node
	// noBarrier: nodes promise to keep what they don't; with the others they
	// don't wait for their disks in ClaimArcs, or before a change.
	noBarrier, lazyClaims, lazyChanges bool
}

// defect is a mutant and what shows it.
type defect struct {
	plan   func() plan
	mutant mutant
	stuck  bool // that a change doesn't come to its end shows it, too
}

// defects are those of nodes and of moves.
func defects() []defect {
	return []defect{
		{plan: storm, mutant: mutant{name: "an arc that is closed takes pages in", node: func(n chaos.Node) chaos.Node { return &open{Node: n} }}},
		{plan: storm, mutant: mutant{name: "a page is marked before it is added", node: func(n chaos.Node) chaos.Node { return &hasty{Node: n} }}},
		{plan: storm, mutant: mutant{name: "an arc is retired without its pages being counted", node: func(n chaos.Node) chaos.Node { return careless{n} }}},
		{plan: storm, mutant: mutant{name: "a mover's step is taken in any epoch", node: func(n chaos.Node) chaos.Node { return timeless{n} }}},
		{plan: storm, mutant: mutant{name: "a batch is taken in any epoch", node: func(n chaos.Node) chaos.Node { return fenceless{n} }}},
		{plan: scrutiny, mutant: mutant{name: "a moving page is read at its destination first", client: func(l *link) chaos.Node { return backward{l} }}},
		{plan: storm, mutant: mutant{name: "a moving page is read without its mark", client: func(l *link) chaos.Node { return markless{l} }}},
		{plan: storm, mutant: mutant{name: "a batch in doubt is routed again", client: func(l *link) chaos.Node { return impatient{l} }}},
		{plan: storm, mutant: mutant{name: "keys are not moved", node: func(n chaos.Node) chaos.Node { return keyless{n} }}},
		{plan: storm, mutant: mutant{name: "a key is not looked for at the source", client: func(l *link) chaos.Node { return sourceless{l} }}},
		{plan: storm, mutant: mutant{name: "a key is kept apart from its visit", node: func(n chaos.Node) chaos.Node { return &forgetful{Node: n} }}},
		{plan: roam, mutant: mutant{name: "an older copy of a node is taken for it", client: func(l *link) chaos.Node { return credulous{l} }}},
		{plan: thaw, mutant: mutant{name: "a step is answered before it is kept", noBarrier: true}, stuck: true},
	}
}

// rareDefects are those of the vote about a change, of nodes that are lost, of members
// that are let go, and those that a power cut shows in one of up to a few hundred runs.
func rareDefects() []defect {
	return []defect{
		{plan: quarrel, mutant: mutant{name: "an accepted ring is forgotten when a later fence comes", node: func(n chaos.Node) chaos.Node { return distracted{n} }}},
		{plan: quarrel, mutant: mutant{name: "a change is undone though it was accepted", client: func(l *link) chaos.Node { return stubborn{l} }}},
		{plan: pair, mutant: mutant{name: "one of two that does not answer is abandoned as if it were empty", client: func(l *link) chaos.Node { return hopeful{l} }}},
		{plan: bereft, mutant: mutant{name: "what was claimed for a lost node is thrown away", node: func(n chaos.Node) chaos.Node { return wasteful{n} }}},
		{plan: bereft, mutant: mutant{name: "what had left for a lost node comes back", node: func(n chaos.Node) chaos.Node { return &hoarder{Node: n} }}},
		{plan: bereft, mutant: mutant{name: "windows that a lost node alone had are forgotten", node: func(n chaos.Node) chaos.Node { return unaware{n} }}},
		{plan: bereft, mutant: mutant{name: "moves of others end when a node is abandoned", node: func(n chaos.Node) chaos.Node { return hurried{n} }}},
		{plan: bereft, mutant: mutant{name: "what arrived of moves that go on is forgotten", node: func(n chaos.Node) chaos.Node {
			return &repetitive{Node: n, imported: make(map[counting.Arc][]counting.Visit)}
		}}},
		{plan: storm, mutant: mutant{name: "what a node knew of windows goes with it", node: func(n chaos.Node) chaos.Node { return oblivious{n} }}},
		{plan: outage, mutant: mutant{name: "claims don't wait for the disk", lazyClaims: true}, stuck: true},
		{plan: outage, mutant: mutant{name: "a change doesn't wait for the disks before it", lazyChanges: true}, stuck: true},
	}
}

// Each defect breaks a promise that the model checks, within a few runs.
func TestEveryDefectOfTheProtocolIsFound(t *testing.T) {
	t.Parallel()       // with those on Redis, which wait most of the time
	const tries = 1000 // some need a coincidence of 1 in 100
	for _, c := range slices.Concat(defects(), rareDefects()) {
		t.Run(c.mutant.name, func(t *testing.T) {
			shows := func(v string) bool {
				return strings.HasPrefix(v, "P") || c.stuck && strings.HasPrefix(v, "the ring does not settle")
			}
			chaos.Find(t, tries, shows, func(try int) chaos.Result { return runOnce(t, try, c.plan(), c.mutant) })
		})
	}
}

// open takes in what comes after the arc was closed.
type open struct {
	chaos.Node
	mu  sync.Mutex
	seq int64
}

func (n *open) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (counting.ImportResult, error) {
	in, err := n.Node.Import(ctx, table, arc, c)
	if err == nil && in.Closed && len(c.Pages) > 0 {
		n.mu.Lock()
		defer n.mu.Unlock()
		p, _ := n.RingSummary(ctx)
		n.seq++
		_, _ = n.Apply(ctx, &counting.Batch{Epoch: p.Opened, Session: "open", Seq: n.seq, Visits: c.Pages})
	}
	return in, err
}

// hasty dies now and then between marking pages and adding them.
type hasty struct {
	chaos.Node
	calls atomic.Int64
}

func (n *hasty) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (counting.ImportResult, error) {
	if len(c.Pages) == 0 {
		return n.Node.Import(ctx, table, arc, c)
	}
	if n.calls.Add(1)%7 != 0 {
		return n.Node.Import(ctx, table, arc, c)
	}
	marked := make([]counting.Visit, len(c.Pages))
	for i, p := range c.Pages {
		marked[i] = counting.Visit{Arc: p.Arc, Page: p.Page}
	}
	_, _ = n.Node.Import(ctx, table, arc, counting.Chunk{Pages: marked})
	return counting.ImportResult{}, chaos.ErrCut
}

// careless forgets a part of what a mover fetches, and doesn't notice.
type careless struct{ chaos.Node }

func (n careless) Fetch(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (counting.Chunk, string, error) {
	c, next, err := n.Node.Fetch(ctx, table, arc, cursor)
	if len(c.Pages) > 0 {
		c.Pages, next = c.Pages[:1], ""
	}
	return c, next, err
}

func (n careless) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, _ int) error {
	r, err := n.ClaimArcs(ctx, table, []counting.Arc{arc})
	if err != nil {
		return err
	}
	return n.Node.RetireArc(ctx, table, arc, r[0].Pages)
}

func (n careless) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, _ int) error {
	return n.Node.CloseArc(ctx, table, arc, 0)
}

// keyless moves pages without their keys.
type keyless struct{ chaos.Node }

func (n keyless) Fetch(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (counting.Chunk, string, error) {
	c, next, err := n.Node.Fetch(ctx, table, arc, cursor)
	c.Keys, c.LastKeys = nil, false
	return c, next, err
}

// sourceless takes a source for one that has no keys.
type sourceless struct{ *link }

func (sourceless) FindKeys(_ context.Context, _ counting.Epoch, keys []counting.LocatedKey) ([]counting.KeyLookup, error) {
	return make([]counting.KeyLookup, len(keys)), nil
}

// forgetful dies now and then between adding visits and keeping their keys.
type forgetful struct {
	chaos.Node
	calls atomic.Int64
}

func (n *forgetful) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	if n.calls.Add(1)%50 != 0 {
		return n.Node.Apply(ctx, b)
	}
	without := *b
	without.Keyed = nil
	for _, k := range b.Keyed {
		if k.Count > 0 {
			without.Visits = append(slices.Clone(without.Visits), k.Visit)
		}
	}
	return n.Node.Apply(ctx, &without)
}

// timeless takes every step for one of the moves that are on.
type timeless struct{ chaos.Node }

func (n timeless) now(ctx context.Context, table counting.Epoch) counting.Epoch {
	s, err := n.RingState(ctx)
	if err != nil || s.Opened == nil {
		return table
	}
	return s.Opened.Table()
}

func (n timeless) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.FrozenPages, error) {
	return n.Node.ClaimArcs(ctx, n.now(ctx, table), arcs)
}

func (n timeless) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (counting.ImportResult, error) {
	return n.Node.Import(ctx, n.now(ctx, table), arc, c)
}

func (n timeless) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return n.Node.RetireArc(ctx, n.now(ctx, table), arc, pages)
}

func (n timeless) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return n.Node.CloseArc(ctx, n.now(ctx, table), arc, pages)
}

// fenceless takes a batch whatever its epoch.
type fenceless struct{ chaos.Node }

func (n fenceless) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	receipt, err := n.Node.Apply(ctx, b)
	if errors.Is(err, counting.ErrStale) {
		late := *b
		p, _ := n.RingSummary(ctx)
		late.Epoch = p.Opened
		receipt, again := n.Node.Apply(ctx, &late)
		if again == nil {
			return receipt, nil
		}
	}
	return receipt, err
}

// backward has the destination's part before it asks the source.
type backward struct{ *link }

type question struct{ first *counting.Located }

func (b backward) ReadParts(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Part, error) {
	early := &b.instance.early
	if parts, ok := early.LoadAndDelete(question{&pages[0]}); ok {
		return parts.([]counting.Part), nil
	}
	v := b.instance.cluster.View()
	owner := b.instance.world.serverOf(v.Members()[v.Owner(pages[0].Arc)].ID)
	parts, err := owner.ReadParts(ctx, e, pages)
	if err != nil {
		return nil, err
	}
	early.Store(question{&pages[0]}, parts)
	return b.link.ReadParts(ctx, e, pages)
}

// markless doesn't see what has been taken in.
type markless struct{ *link }

func (m markless) ReadParts(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Part, error) {
	parts, err := m.link.ReadParts(ctx, e, pages)
	for i := range parts {
		parts[i].Marked, parts[i].Closed = false, false
	}
	return parts, err
}

// impatient takes a batch without an answer for one that was not applied.
type impatient struct{ *link }

func (i impatient) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	r, err := i.link.Apply(ctx, b)
	if errors.Is(err, chaos.ErrCut) {
		return r, counting.ErrNotApplied
	}
	return r, err
}
