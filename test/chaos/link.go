package chaos

import (
	"context"
	"sync/atomic"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Node is a node whose arcs can move.
type Node interface {
	cluster.Node
	counting.Movable
	counting.Histories
}

// Call is a call of a node. Method is the method's name in lower case, or the action
// of a step (Advance). The others are what the call has of that kind, if anything.
type Call struct {
	Method  string
	Batch   *counting.Batch
	Window  counting.Window
	Clock   counting.Clock
	Ring    *sharding.Ring
	Table   counting.Epoch
	Arcs    []counting.Arc
	Chunk   counting.Chunk
	Entries []counting.FullEntry
}

// Link is a node with something around each of its calls: a network, an instance that
// dies, a fault of a test.
type Link struct {
	// Far is the node itself.
	Far cluster.Node
	// Around gets each call, and do, which makes the call each time it is called.
	// The caller gets what Around returns: do's value, or nil with an error. The
	// value of a claim is a Claim. Values of other calls with two results are
	// opaque.
	Around func(ctx context.Context, c Call, do func(context.Context) (any, error)) (any, error)
	// Lease, if it isn't 0, is the length of all leases.
	Lease time.Duration

	moved atomic.Pointer[cluster.Node]
}

// Move has the link lead to another node from now on.
func (l *Link) Move(far cluster.Node) { l.moved.Store(&far) }

// at is the node that the link leads to.
func (l *Link) at() cluster.Node {
	if far := l.moved.Load(); far != nil {
		return *far
	}
	return l.Far
}

// Claim is what Claim returned.
type Claim struct {
	Token string
	Entry counting.Entry
}

var _ Node = (*Link)(nil)

// through is a call that returns a T.
func through[T any](ctx context.Context, l *Link, c Call, do func(context.Context) (T, error)) (T, error) {
	v, err := l.Around(ctx, c, func(ctx context.Context) (any, error) { return do(ctx) })
	value, _ := v.(T)
	return value, err
}

// step is a call that returns an error alone.
func (l *Link) step(ctx context.Context, c Call, do func(context.Context) error) error {
	_, err := l.Around(ctx, c, func(ctx context.Context) (any, error) { return nil, do(ctx) })
	return err
}

// two are the results of a call that has two.
type two[A, B any] struct {
	a A
	b B
}

func both[A, B any](a A, b B, err error) (two[A, B], error) { return two[A, B]{a, b}, err }

func (l *Link) lease(asked time.Duration) time.Duration {
	if l.Lease > 0 {
		return l.Lease
	}
	return asked
}

// ID is the node's.
func (l *Link) ID() counting.NodeID { return l.at().ID() }

// Addr is the node's.
func (l *Link) Addr() string { return l.at().Addr() }

// Apply implements counting.Counts.
func (l *Link) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	sent := *b // what is on its way doesn't change when the sender goes on
	return through(ctx, l, Call{Method: "apply", Batch: &sent}, func(ctx context.Context) (counting.Receipt, error) { return l.at().Apply(ctx, &sent) })
}

// Read implements counting.Counts.
func (l *Link) Read(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Tally, error) {
	return through(ctx, l, Call{Method: "read"}, func(ctx context.Context) ([]counting.Tally, error) { return l.at().Read(ctx, e, pages) })
}

// List implements counting.Counts.
func (l *Link) List(ctx context.Context, e counting.Expected, cursor string) ([]counting.Visit, string, error) {
	r, err := through(ctx, l, Call{Method: "list"}, func(ctx context.Context) (two[[]counting.Visit, string], error) {
		return both(l.at().List(ctx, e, cursor))
	})
	return r.a, r.b, err
}

// Heartbeat implements counting.Windows.
func (l *Link) Heartbeat(ctx context.Context, c counting.Clock) (counting.HeartbeatResult, error) {
	return through(ctx, l, Call{Method: "heartbeat", Clock: c}, func(ctx context.Context) (counting.HeartbeatResult, error) {
		return l.at().Heartbeat(ctx, c)
	})
}

// Seal implements counting.Windows.
func (l *Link) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (int64, error) {
	return through(ctx, l, Call{Method: "seal", Window: w, Clock: c}, func(ctx context.Context) (int64, error) {
		return l.at().Seal(ctx, w, grace, c)
	})
}

// Waiting implements counting.Windows.
func (l *Link) Waiting(ctx context.Context, before counting.Window, limit int) ([]counting.Window, error) {
	return through(ctx, l, Call{Method: "waiting"}, func(ctx context.Context) ([]counting.Window, error) { return l.at().Waiting(ctx, before, limit) })
}

// Distinct implements counting.Windows.
func (l *Link) Distinct(ctx context.Context, w counting.Window) (int64, error) {
	return through(ctx, l, Call{Method: "distinct", Window: w}, func(ctx context.Context) (int64, error) { return l.at().Distinct(ctx, w) })
}

// Endpoints implements counting.Windows.
func (l *Link) Endpoints(ctx context.Context, w counting.Window) ([]string, error) {
	return through(ctx, l, Call{Method: "endpoints", Window: w}, func(ctx context.Context) ([]string, error) { return l.at().Endpoints(ctx, w) })
}

// Retire implements counting.Windows.
func (l *Link) Retire(ctx context.Context, w counting.Window) error {
	return l.step(ctx, Call{Method: "retire", Window: w}, func(ctx context.Context) error { return l.at().Retire(ctx, w) })
}

// Claim implements counting.Ledger.
func (l *Link) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (string, counting.Entry, error) {
	c, err := through(ctx, l, Call{Method: "claim", Window: w}, func(ctx context.Context) (Claim, error) {
		token, e, err := l.at().Claim(ctx, w, owner, l.lease(lease))
		return Claim{token, e}, err
	})
	return c.Token, c.Entry, err
}

// Advance implements counting.Ledger.
func (l *Link) Advance(ctx context.Context, w counting.Window, token string, s counting.Step) (counting.Entry, error) {
	if s.Action == counting.ActionRenew {
		s.Lease = l.lease(s.Lease)
	}
	return through(ctx, l, Call{Method: string(s.Action), Window: w}, func(ctx context.Context) (counting.Entry, error) {
		return l.at().Advance(ctx, w, token, s)
	})
}

// Entry implements counting.Ledger.
func (l *Link) Entry(ctx context.Context, w counting.Window) (counting.Entry, map[string]counting.Delivery, error) {
	r, err := through(ctx, l, Call{Method: "entry", Window: w}, func(ctx context.Context) (two[counting.Entry, map[string]counting.Delivery], error) {
		return both(l.at().Entry(ctx, w))
	})
	return r.a, r.b, err
}

// Entries implements counting.Ledger.
func (l *Link) Entries(ctx context.Context, before counting.Window, limit int) ([]counting.Entry, error) {
	return through(ctx, l, Call{Method: "entries"}, func(ctx context.Context) ([]counting.Entry, error) { return l.at().Entries(ctx, before, limit) })
}

// ListDeadLetters implements counting.DeadLetters.
func (l *Link) ListDeadLetters(ctx context.Context, after counting.DeadLetterKey, limit int) ([]counting.DeadLetter, error) {
	return through(ctx, l, Call{Method: "list dead letters"}, func(ctx context.Context) ([]counting.DeadLetter, error) {
		return l.at().ListDeadLetters(ctx, after, limit)
	})
}

// ClaimDeadLetters implements counting.DeadLetters.
func (l *Link) ClaimDeadLetters(ctx context.Context, owner string, lease time.Duration, keys []counting.DeadLetterKey) ([]counting.DeadLetterClaim, error) {
	return through(ctx, l, Call{Method: "claim dead letters"}, func(ctx context.Context) ([]counting.DeadLetterClaim, error) {
		return l.at().ClaimDeadLetters(ctx, owner, l.lease(lease), keys)
	})
}

// ReleaseDeadLetters implements counting.DeadLetters.
func (l *Link) ReleaseDeadLetters(ctx context.Context, owner string, letters []counting.DeadLetter) error {
	return l.step(ctx, Call{Method: "release dead letters"}, func(ctx context.Context) error { return l.at().ReleaseDeadLetters(ctx, owner, letters) })
}

// ForgetDeadLetters implements counting.DeadLetters.
func (l *Link) ForgetDeadLetters(ctx context.Context, keys []counting.DeadLetterKey) error {
	return l.step(ctx, Call{Method: "forget dead letters"}, func(ctx context.Context) error { return l.at().ForgetDeadLetters(ctx, keys) })
}

// AddDeadLetters implements counting.DeadLetters.
func (l *Link) AddDeadLetters(ctx context.Context, owner string, lease time.Duration, letters []counting.DeadLetter) error {
	return l.step(ctx, Call{Method: "add dead letters"}, func(ctx context.Context) error {
		return l.at().AddDeadLetters(ctx, owner, l.lease(lease), letters)
	})
}

// Bind implements sharding.RingStore. It is no call.
func (l *Link) Bind(deployment string) { l.at().Bind(deployment) }

// RingSummary implements sharding.RingStore.
func (l *Link) RingSummary(ctx context.Context) (sharding.RingSummary, error) {
	return through(ctx, l, Call{Method: "ringsummary"}, l.at().RingSummary)
}

// RingState implements sharding.RingStore.
func (l *Link) RingState(ctx context.Context) (sharding.RingState, error) {
	return through(ctx, l, Call{Method: "ringstate"}, l.at().RingState)
}

// Fence implements sharding.RingStore.
func (l *Link) Fence(ctx context.Context, r *sharding.Ring) (counting.Window, error) {
	return through(ctx, l, Call{Method: "fence", Ring: r}, func(ctx context.Context) (counting.Window, error) { return l.at().Fence(ctx, r) })
}

// Accept implements sharding.RingStore.
func (l *Link) Accept(ctx context.Context, r *sharding.Ring) error {
	return l.step(ctx, Call{Method: "accept", Ring: r}, func(ctx context.Context) error { return l.at().Accept(ctx, r) })
}

// Open implements sharding.RingStore.
func (l *Link) Open(ctx context.Context, r *sharding.Ring) error {
	return l.step(ctx, Call{Method: "open", Ring: r}, func(ctx context.Context) error { return l.at().Open(ctx, r) })
}
