package simulation_test

import (
	"context"
	"time"

	"footfall/adapters/memory"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

// latency is that of one call, there and back.
const latency = 500 * time.Microsecond

// link is a memory node that is latency away.
type link struct {
	chaos.Link
	far  *memory.Node
	sent *messages
}

func newLink(far *memory.Node, sent *messages) *link {
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

func (l *link) ComingArcs(ctx context.Context, table counting.Epoch) ([]counting.Arc, error) {
	defer l.travel("list")()
	return l.far.ComingArcs(ctx, table)
}

func (l *link) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.Residue, error) {
	defer l.travel("step")()
	return l.far.ClaimArcs(ctx, table, arcs)
}

func (l *link) FetchResidue(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) ([]counting.Visit, string, error) {
	defer l.travel("step")()
	return l.far.FetchResidue(ctx, table, arc, cursor)
}

func (l *link) TakeIn(ctx context.Context, table counting.Epoch, arc counting.Arc, pages []counting.Visit) (counting.Intake, error) {
	defer l.travel("step")()
	return l.far.TakeIn(ctx, table, arc, pages)
}

func (l *link) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.Intake, error) {
	defer l.travel("step")()
	return l.far.Confirm(ctx, table, arcs)
}

func (l *link) Sweep(ctx context.Context, table counting.Epoch, k counting.Keep, cursor string) (counting.Swept, string, error) {
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

func (l *link) FetchKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) ([]counting.KeptKey, string, error) {
	defer l.travel("step")()
	return l.far.FetchKeys(ctx, table, arc, cursor)
}

func (l *link) TakeKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, keys []counting.KeptKey) (bool, error) {
	defer l.travel("step")()
	return l.far.TakeKeys(ctx, table, arc, keys)
}
