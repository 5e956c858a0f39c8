package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

// Forgetful takes every batch for a new one.
type Forgetful struct {
	cluster.Node
	mu    sync.Mutex
	calls int
}

// Apply implements counting.Counts, wrongly.
func (f *Forgetful) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	f.mu.Lock()
	f.calls++
	fresh := Fresh(b, f.calls)
	f.mu.Unlock()
	return f.Node.Apply(ctx, fresh)
}

// Fresh is b as the first batch of a session of its own.
func Fresh(b *counting.Batch, number int) *counting.Batch {
	c := *b
	c.Session, c.Seq = counting.Session(fmt.Sprint(b.Session, "-fresh", number)), 1
	return &c
}

// Lenient forgets what it refused.
type Lenient struct{ cluster.Node }

// Apply implements counting.Counts, wrongly.
func (l Lenient) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	r, err := l.Node.Apply(ctx, b)
	if r.Duplicate {
		r.Refused = nil
	}
	return r, err
}

// Confident says that nothing happened where it doesn't know, so that its
// callers' items are free to be sent again.
type Confident struct{ cluster.Node }

// Apply implements counting.Counts, wrongly.
func (c Confident) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	r, err := c.Node.Apply(ctx, b)
	var gap *counting.GapError
	if err != nil && !errors.As(err, &gap) {
		err = fmt.Errorf("%w: %w", counting.ErrNotApplied, err)
	}
	return r, err
}
