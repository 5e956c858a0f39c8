package chaos

import (
	"context"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Link is a node with something around each of its calls: a network, an
// instance that dies.
type Link struct {
	counting.Immovable // but Confirm, which each change asks for; test/ringmodel moves arcs

	// Far is the node itself.
	Far cluster.Node
	// Around gets each call: the name of its method, in lower case, and do,
	// which makes the call, each time anew. What it returns is what the caller
	// gets: do's value, or nil with an error. Publish is "mark", SaveDelivery is
	// "call". A claim's value is a Claim.
	Around func(ctx context.Context, method string, do func(context.Context) (any, error)) (any, error)
	// Lease, if it isn't 0, is the length of all leases.
	Lease time.Duration
}

// Claim is what Claim returned.
type Claim struct {
	Token string
	Entry counting.Entry
}

var _ cluster.Node = (*Link)(nil)

// through is a call that returns a T.
func through[T any](ctx context.Context, l *Link, method string, do func(context.Context) (T, error)) (T, error) {
	v, err := l.Around(ctx, method, func(ctx context.Context) (any, error) { return do(ctx) })
	value, _ := v.(T)
	return value, err
}

// step is a call that returns an error alone.
func (l *Link) step(ctx context.Context, method string, do func(context.Context) error) error {
	_, err := l.Around(ctx, method, func(ctx context.Context) (any, error) { return nil, do(ctx) })
	return err
}

func (l *Link) lease(asked time.Duration) time.Duration {
	if l.Lease > 0 {
		return l.Lease
	}
	return asked
}

// ID is the node's.
func (l *Link) ID() counting.NodeID { return l.Far.ID() }

// Addr is the node's.
func (l *Link) Addr() string { return l.Far.Addr() }

// Apply implements counting.Counts.
func (l *Link) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	sent := *b // what is on its way doesn't change when the sender goes on
	return through(ctx, l, "apply", func(ctx context.Context) (counting.Receipt, error) { return l.Far.Apply(ctx, &sent) })
}

// Read implements counting.Counts.
func (l *Link) Read(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Tally, error) {
	return through(ctx, l, "read", func(ctx context.Context) ([]counting.Tally, error) { return l.Far.Read(ctx, epoch, pages) })
}

// List implements counting.Counts.
func (l *Link) List(ctx context.Context, epoch counting.Epoch, cursor string) ([]counting.Visit, string, error) {
	type listed struct {
		pages []counting.Visit
		next  string
	}
	some, err := through(ctx, l, "list", func(ctx context.Context) (listed, error) {
		pages, next, err := l.Far.List(ctx, epoch, cursor)
		return listed{pages, next}, err
	})
	return some.pages, some.next, err
}

// Heartbeat implements counting.Windows.
func (l *Link) Heartbeat(ctx context.Context) (counting.HeartbeatResult, error) {
	return through(ctx, l, "attend", l.Far.Heartbeat)
}

// Seal implements counting.Windows.
func (l *Link) Seal(ctx context.Context, w counting.Window, grace time.Duration) (int64, error) {
	return through(ctx, l, "seal", func(ctx context.Context) (int64, error) { return l.Far.Seal(ctx, w, grace) })
}

// Distinct implements counting.Windows.
func (l *Link) Distinct(ctx context.Context, w counting.Window) (int64, error) {
	return through(ctx, l, "distinct", func(ctx context.Context) (int64, error) { return l.Far.Distinct(ctx, w) })
}

// Endpoints implements counting.Windows.
func (l *Link) Endpoints(ctx context.Context, w counting.Window) ([]string, error) {
	return through(ctx, l, "endpoints", func(ctx context.Context) ([]string, error) { return l.Far.Endpoints(ctx, w) })
}

// Retire implements counting.Windows.
func (l *Link) Retire(ctx context.Context, w counting.Window) error {
	return l.step(ctx, "retire", func(ctx context.Context) error { return l.Far.Retire(ctx, w) })
}

// Claim implements counting.Ledger.
func (l *Link) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (string, counting.Entry, error) {
	c, err := through(ctx, l, "claim", func(ctx context.Context) (Claim, error) {
		token, e, err := l.Far.Claim(ctx, w, owner, l.lease(lease))
		return Claim{token, e}, err
	})
	return c.Token, c.Entry, err
}

// Renew implements counting.Ledger.
func (l *Link) Renew(ctx context.Context, w counting.Window, token string, lease time.Duration) error {
	return l.step(ctx, "renew", func(ctx context.Context) error { return l.Far.Renew(ctx, w, token, l.lease(lease)) })
}

// Record implements counting.Ledger.
func (l *Link) Record(ctx context.Context, w counting.Window, token string, count int64) (int64, error) {
	return through(ctx, l, "record", func(ctx context.Context) (int64, error) { return l.Far.Record(ctx, w, token, count) })
}

// MarkLost implements counting.Ledger.
func (l *Link) MarkLost(ctx context.Context, w counting.Window, token string) error {
	return l.step(ctx, "lose", func(ctx context.Context) error { return l.Far.MarkLost(ctx, w, token) })
}

// Publish implements counting.Ledger.
func (l *Link) Publish(ctx context.Context, w counting.Window, token, sink string) error {
	return l.step(ctx, "mark", func(ctx context.Context) error { return l.Far.Publish(ctx, w, token, sink) })
}

// SaveDelivery implements counting.Ledger.
func (l *Link) SaveDelivery(ctx context.Context, w counting.Window, token, endpoint string, c counting.Delivery) error {
	return l.step(ctx, "call", func(ctx context.Context) error { return l.Far.SaveDelivery(ctx, w, token, endpoint, c) })
}

// Finish implements counting.Ledger.
func (l *Link) Finish(ctx context.Context, w counting.Window, token string, totals counting.DeliveryTotals) error {
	return l.step(ctx, "finish", func(ctx context.Context) error { return l.Far.Finish(ctx, w, token, totals) })
}

// Entry implements counting.Ledger.
func (l *Link) Entry(ctx context.Context, w counting.Window) (counting.Entry, map[string]counting.Delivery, error) {
	type entry struct {
		counting.Entry
		calls map[string]counting.Delivery
	}
	e, err := through(ctx, l, "entry", func(ctx context.Context) (entry, error) {
		e, calls, err := l.Far.Entry(ctx, w)
		return entry{e, calls}, err
	})
	return e.Entry, e.calls, err
}

// Entries implements counting.Ledger.
func (l *Link) Entries(ctx context.Context, before counting.Window, limit int) ([]counting.Entry, error) {
	return through(ctx, l, "entries", func(ctx context.Context) ([]counting.Entry, error) { return l.Far.Entries(ctx, before, limit) })
}

// Confirm implements counting.Movable.
func (l *Link) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.ImportResult, error) {
	return through(ctx, l, "confirm", func(ctx context.Context) ([]counting.ImportResult, error) { return l.Far.Confirm(ctx, table, arcs) })
}

// RingSummary implements sharding.RingStore.
func (l *Link) RingSummary(ctx context.Context) (sharding.RingSummary, error) {
	return through(ctx, l, "pulse", l.Far.RingSummary)
}

// RingState implements sharding.RingStore.
func (l *Link) RingState(ctx context.Context) (sharding.RingState, error) {
	return through(ctx, l, "standing", l.Far.RingState)
}

// Fence implements sharding.RingStore.
func (l *Link) Fence(ctx context.Context, r *sharding.Ring) (counting.Window, error) {
	return through(ctx, l, "fence", func(ctx context.Context) (counting.Window, error) { return l.Far.Fence(ctx, r) })
}

// Accept implements sharding.RingStore.
func (l *Link) Accept(ctx context.Context, r *sharding.Ring) error {
	return l.step(ctx, "approve", func(ctx context.Context) error { return l.Far.Accept(ctx, r) })
}

// Open implements sharding.RingStore.
func (l *Link) Open(ctx context.Context, r *sharding.Ring) error {
	return l.step(ctx, "open", func(ctx context.Context) error { return l.Far.Open(ctx, r) })
}
