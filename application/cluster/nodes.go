package cluster

import (
	"context"
	"errors"

	"footfall/domain/counting"
	"footfall/domain/watching"
)

// Nodes asks every node of the ring whether it answers, for CallTimeout at most. It
// returns nil before Start.
func (c *Cluster) Nodes(ctx context.Context) []watching.Node {
	v := c.View()
	if v == nil {
		return nil
	}
	nodes := make([]watching.Node, len(v.Nodes))
	for i, m := range v.Nodes {
		nodes[i] = watching.Node{ID: m.ID(), Share: v.Share(i)}
	}
	_ = v.Each(ctx, func(ctx context.Context, i int, m *Member) error {
		_, err := m.Read(ctx, v.Epoch(), nil)
		// During a change of the ring, the epochs of node and view may differ.
		nodes[i].Answers = err == nil || errors.Is(err, counting.ErrStale) || errors.Is(err, counting.ErrAhead)
		return nil
	})
	return nodes
}
