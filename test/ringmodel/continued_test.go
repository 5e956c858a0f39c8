package ringmodel_test

import (
	"context"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// hurried closes the arcs that are still coming when another node is abandoned.
type hurried struct{ chaos.Node }

func (n hurried) Open(ctx context.Context, r *sharding.Ring) error {
	err := n.Node.Open(ctx, r)
	if err == nil {
		for _, arc := range r.ContinuedMoves(n.ID()) {
			_ = n.CloseArc(ctx, r.Table(), arc, 0)
		}
	}
	return err
}

// repetitive adds the pages once more that it imported before another node was abandoned.
type repetitive struct {
	chaos.Node
	imported map[counting.Arc][]counting.Visit
	seq      int64
}

func (n *repetitive) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (counting.ImportResult, error) {
	in, err := n.Node.Import(ctx, table, arc, c)
	if err == nil && !in.Closed && len(c.Pages) > 0 {
		n.imported[arc] = append(n.imported[arc], c.Pages...)
	}
	return in, err
}

func (n *repetitive) Open(ctx context.Context, r *sharding.Ring) error {
	err := n.Node.Open(ctx, r)
	for _, arc := range r.ContinuedMoves(n.ID()) {
		if err == nil && len(n.imported[arc]) > 0 {
			n.seq++
			_, _ = n.Apply(ctx, &counting.Batch{Epoch: r.Epoch(), Session: "repetitive", Seq: n.seq, Visits: n.imported[arc][:1]})
		}
	}
	if err == nil {
		n.imported = make(map[counting.Arc][]counting.Visit)
	}
	return err
}
