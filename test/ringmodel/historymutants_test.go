package ringmodel_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/chaos"
)

// historyDefects are those of histories.
func historyDefects() []defect {
	return []defect{
		{plan: chronicle, mutant: mutant{name: "a bucket is counted outside the atomic step", node: func(n chaos.Node) chaos.Node { return &apart{Node: n} }}},
		{plan: chronicle, mutant: mutant{name: "a move forgets buckets", node: func(n chaos.Node) chaos.Node { return pastless{n} }}},
		{plan: chronicle, mutant: mutant{name: "the clock of the instance chooses the bucket", node: func(n chaos.Node) chaos.Node { return obedient{n} }}},
		{plan: chronicle, mutant: mutant{name: "a repeated batch is counted in buckets again", node: func(n chaos.Node) chaos.Node { return &ghostly{Node: n, again: true} }}},
		{plan: chronicle, mutant: mutant{name: "a compaction that is repeated doubles buckets", node: func(n chaos.Node) chaos.Node { return &ghostly{Node: n} }}},
		{plan: chronicle, mutant: mutant{name: "a sweep drops buckets", node: func(n chaos.Node) chaos.Node { return sweeping{n} }}},
		{plan: chronicle, mutant: mutant{name: "a clock far ahead expires buckets", node: func(n chaos.Node) chaos.Node { return trustful{n} }}},
		{plan: chronicle, mutant: mutant{name: "a page that is set keeps its buckets", node: func(n chaos.Node) chaos.Node {
			return &nostalgic{Node: n, visits: make(map[counting.Page]counting.Packed)}
		}}},
		{plan: oblivion, mutant: mutant{name: "the clock chooses the bucket of a repetition", node: func(n chaos.Node) chaos.Node { return present{n} }}},
	}
}

// Each defect of histories breaks P11, within a few runs.
func TestP11EveryDefectOfHistoriesIsFound(t *testing.T) {
	for _, c := range historyDefects() {
		t.Run(c.mutant.name, func(t *testing.T) {
			p := c.plan()
			p.hunt = 3 * time.Minute
			chaos.Find(t, 60, func(v string) bool { return strings.HasPrefix(v, "P11") }, func(try int) chaos.Result {
				return runOnce(t, try, p, c.mutant)
			})
		})
	}
}

// apart dies now and then between counting visits and placing them.
type apart struct {
	chaos.Node
	calls atomic.Int64
}

func (n *apart) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	if n.calls.Add(1)%50 != 0 {
		return n.Node.Apply(ctx, b)
	}
	alone := *b
	alone.At = counting.Unplaced()
	return n.Node.Apply(ctx, &alone)
}

// pastless gives pages without their histories.
type pastless struct{ chaos.Node }

func (n pastless) Fetch(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (counting.Chunk, string, error) {
	c, next, err := n.Node.Fetch(ctx, table, arc, cursor)
	c.Histories = nil
	return c, next, err
}

// obedient places by the clock of the caller.
type obedient struct{ chaos.Node }

func (n obedient) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	placed := *b
	if placed.At.IsZero() {
		placed.At = b.Clock.Now
	}
	return n.Node.Apply(ctx, &placed)
}

// present places by its own clock alone.
type present struct{ chaos.Node }

func (n present) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	placed := *b
	placed.At = time.Time{}
	return n.Node.Apply(ctx, &placed)
}

// ghostly has buckets twice: those of a batch that is repeated, or of each tenth compaction,
// which dies between adding them and deleting them.
type ghostly struct {
	chaos.Node
	again bool

	mu     sync.Mutex
	calls  int
	placed []counting.Visit // since the last compaction
	at     []time.Time
	twice  map[counting.Page]counting.Packed
}

func (n *ghostly) double(v counting.Visit, at time.Time) {
	if n.twice == nil {
		n.twice = make(map[counting.Page]counting.Packed)
	}
	n.twice[v.Page] = n.twice[v.Page].Append(counting.Bucket{Unit: historySetting().UnitAt(at), Visits: v.Count})
}

func (n *ghostly) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	r, err := n.Node.Apply(ctx, b)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil || r.At.IsZero() || len(r.Refused) > 0 {
		return r, err
	}
	for _, v := range b.Visits {
		if r.Duplicate && n.again {
			n.double(v, r.At)
		}
		n.placed, n.at = append(n.placed, v), append(n.at, r.At)
	}
	return r, err
}

func (n *ghostly) Compact(ctx context.Context, c counting.Clock, cursor string) (string, error) {
	next, err := n.Node.Compact(ctx, c, cursor)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.calls++; n.calls%10 == 0 && !n.again {
		for i, v := range n.placed {
			n.double(v, n.at[i])
		}
	}
	n.placed, n.at = nil, nil
	return next, err
}

func (n *ghostly) ReadHistory(ctx context.Context, e counting.Expected, page counting.Located) (counting.PageHistory, error) {
	h, err := n.Node.ReadHistory(ctx, e, page)
	n.mu.Lock()
	defer n.mu.Unlock()
	h.History += n.twice[page.Page]
	return h, err
}

// sweeping takes buckets for leftovers.
type sweeping struct{ chaos.Node }

func (n sweeping) Sweep(ctx context.Context, table counting.Epoch, k counting.SweepPolicy, cursor string) (counting.SweepResult, string, error) {
	trusted := counting.Clock{MaxSkew: 1 << 62}
	if h, err := n.KeepHistory(ctx, counting.HistorySetting{}, time.Time{}, false, trusted); err == nil {
		_, _ = n.KeepHistory(ctx, counting.HistorySetting{}, time.Time{}, true, trusted)
		trusted.Now = time.Now()
		_, _ = n.KeepHistory(ctx, h.Setting, h.Since, false, trusted)
	}
	return n.Node.Sweep(ctx, table, k, cursor)
}

// trustful compacts by its clock, whatever the caller's shows.
type trustful struct{ chaos.Node }

func (n trustful) Compact(ctx context.Context, c counting.Clock, cursor string) (string, error) {
	c.MaxSkew = 1 << 62
	return n.Node.Compact(ctx, c, cursor)
}

// nostalgic adds the buckets of a page from before it was set.
type nostalgic struct {
	chaos.Node
	mu     sync.Mutex
	visits map[counting.Page]counting.Packed
}

func (n *nostalgic) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range b.SetCounts {
		if h, err := n.Node.ReadHistory(ctx, counting.Expected{Epoch: b.Epoch}, counting.Located{Arc: s.Arc, Page: s.Page}); err == nil {
			n.visits[s.Page] = h.History
		}
	}
	return n.Node.Apply(ctx, b)
}

func (n *nostalgic) ReadHistory(ctx context.Context, e counting.Expected, page counting.Located) (counting.PageHistory, error) {
	h, err := n.Node.ReadHistory(ctx, e, page)
	n.mu.Lock()
	defer n.mu.Unlock()
	h.History += n.visits[page.Page]
	return h, err
}
