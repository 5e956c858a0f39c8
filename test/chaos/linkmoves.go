package chaos

import (
	"context"
	"fmt"

	"footfall/domain/counting"
)

var errImmovable = fmt.Errorf("%w: arcs don't move to and from this kind of node", counting.ErrNotApplied)

// move is a call of a node whose arcs move, errImmovable of another one.
func move[T any](ctx context.Context, l *Link, c Call, do func(context.Context, counting.Movable) (T, error)) (T, error) {
	movable, ok := l.at().(counting.Movable)
	if !ok {
		var none T
		return none, errImmovable
	}
	return through(ctx, l, c, func(ctx context.Context) (T, error) { return do(ctx, movable) })
}

// moveStep is move for a call that returns an error alone.
func (l *Link) moveStep(ctx context.Context, c Call, do func(context.Context, counting.Movable) error) error {
	_, err := move(ctx, l, c, func(ctx context.Context, m counting.Movable) (struct{}, error) { return struct{}{}, do(ctx, m) })
	return err
}

// IncomingArcs implements counting.Movable.
func (l *Link) IncomingArcs(ctx context.Context, table counting.Epoch) ([]counting.Arc, error) {
	return move(ctx, l, Call{Method: "incomingarcs"}, func(ctx context.Context, m counting.Movable) ([]counting.Arc, error) {
		return m.IncomingArcs(ctx, table)
	})
}

// ClaimArcs implements counting.Movable.
func (l *Link) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.FrozenPages, error) {
	return move(ctx, l, Call{Method: "claimarcs", Table: table, Arcs: arcs}, func(ctx context.Context, m counting.Movable) ([]counting.FrozenPages, error) {
		return m.ClaimArcs(ctx, table, arcs)
	})
}

// Fetch implements counting.Movable.
func (l *Link) Fetch(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (counting.Chunk, string, error) {
	r, err := move(ctx, l, Call{Method: "fetch", Table: table, Arcs: []counting.Arc{arc}}, func(ctx context.Context, m counting.Movable) (two[counting.Chunk, string], error) {
		return both(m.Fetch(ctx, table, arc, cursor))
	})
	return r.a, r.b, err
}

// Import implements counting.Movable.
func (l *Link) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (counting.ImportResult, error) {
	return move(ctx, l, Call{Method: "import", Table: table, Arcs: []counting.Arc{arc}, Chunk: c}, func(ctx context.Context, m counting.Movable) (counting.ImportResult, error) {
		return m.Import(ctx, table, arc, c)
	})
}

// Confirm implements counting.Movable.
func (l *Link) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) ([]counting.ImportResult, error) {
	return move(ctx, l, Call{Method: "confirm", Table: table, Arcs: arcs}, func(ctx context.Context, m counting.Movable) ([]counting.ImportResult, error) {
		return m.Confirm(ctx, table, arcs)
	})
}

// FindKeys implements counting.Movable.
func (l *Link) FindKeys(ctx context.Context, epoch counting.Epoch, keys []counting.LocatedKey) ([]counting.KeyLookup, error) {
	return move(ctx, l, Call{Method: "findkeys"}, func(ctx context.Context, m counting.Movable) ([]counting.KeyLookup, error) {
		return m.FindKeys(ctx, epoch, keys)
	})
}

// RetireArc implements counting.Movable.
func (l *Link) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return l.moveStep(ctx, Call{Method: "retirearc", Table: table, Arcs: []counting.Arc{arc}}, func(ctx context.Context, m counting.Movable) error {
		return m.RetireArc(ctx, table, arc, pages)
	})
}

// CloseArc implements counting.Movable.
func (l *Link) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return l.moveStep(ctx, Call{Method: "closearc", Table: table, Arcs: []counting.Arc{arc}}, func(ctx context.Context, m counting.Movable) error {
		return m.CloseArc(ctx, table, arc, pages)
	})
}

// ImportEntries implements counting.Movable.
func (l *Link) ImportEntries(ctx context.Context, table counting.Epoch, entries []counting.FullEntry) error {
	return l.moveStep(ctx, Call{Method: "importentries", Table: table, Entries: entries}, func(ctx context.Context, m counting.Movable) error {
		return m.ImportEntries(ctx, table, entries)
	})
}

// Sweep implements counting.Movable.
func (l *Link) Sweep(ctx context.Context, table counting.Epoch, k counting.SweepPolicy, cursor string) (counting.SweepResult, string, error) {
	r, err := move(ctx, l, Call{Method: "sweep"}, func(ctx context.Context, m counting.Movable) (two[counting.SweepResult, string], error) {
		return both(m.Sweep(ctx, table, k, cursor))
	})
	return r.a, r.b, err
}

// ReadParts implements counting.Movable.
func (l *Link) ReadParts(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Part, error) {
	return move(ctx, l, Call{Method: "readparts"}, func(ctx context.Context, m counting.Movable) ([]counting.Part, error) {
		return m.ReadParts(ctx, e, pages)
	})
}
