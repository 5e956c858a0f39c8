package simulation_test

import (
	"context"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

// latency is that of one call, there and back.
const latency = 500 * time.Microsecond

// link is a memory node that is latency away.
type link struct {
	chaos.Link
	far  *localnode.Node
	sent *messages
}

func newLink(far *localnode.Node, sent *messages) *link {
	l := &link{Link: chaos.Link{Far: far}, far: far, sent: sent}
	l.Around = func(ctx context.Context, method string, do func(context.Context) (any, error)) (any, error) {
		defer l.travel(method)()
		return do(ctx)
	}
	return l
}

// travel gets to the node; what it returns gets back.
func (l *link) travel(method string) (back func()) {
	l.sent.add(method)
	time.Sleep(latency / 2)
	return func() { time.Sleep(latency / 2) }
}

func (l *link) ReadParts(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Part, error) {
	defer l.travel("read")()
	return l.far.ReadParts(ctx, epoch, pages)
}

func (l *link) IncomingArcs(ctx context.Context, table counting.Epoch) ([]counting.Arc, error) {
	defer l.travel("list")()
	return l.far.IncomingArcs(ctx, table)
}

func (l *link) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.FrozenPages, error) {
	defer l.travel("step")()
	return l.far.ClaimArcs(ctx, table, arcs)
}

func (l *link) FetchPages(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) ([]counting.Visit, string, error) {
	defer l.travel("step")()
	return l.far.FetchPages(ctx, table, arc, cursor)
}

func (l *link) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, pages []counting.Visit) (counting.ImportResult, error) {
	defer l.travel("step")()
	return l.far.Import(ctx, table, arc, pages)
}

func (l *link) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.ImportResult, error) {
	defer l.travel("step")()
	return l.far.Confirm(ctx, table, arcs)
}

func (l *link) Sweep(ctx context.Context, table counting.Epoch, k counting.SweepPolicy, cursor string) (counting.SweepResult, string, error) {
	defer l.travel("sweep")()
	return l.far.Sweep(ctx, table, k, cursor)
}

func (l *link) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	defer l.travel("step")()
	return l.far.RetireArc(ctx, table, arc, pages)
}

func (l *link) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	defer l.travel("step")()
	return l.far.CloseArc(ctx, table, arc, pages)
}

func (l *link) FetchKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) ([]counting.StoredKey, string, error) {
	defer l.travel("step")()
	return l.far.FetchKeys(ctx, table, arc, cursor)
}

func (l *link) ImportKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, keys []counting.StoredKey) (bool, error) {
	defer l.travel("step")()
	return l.far.ImportKeys(ctx, table, arc, keys)
}
