package cluster

import (
	"context"
	"errors"

	"footfall/domain/counting"
	"footfall/domain/watching"
)

// Nodes asks every node of the ring whether it answers, and takes CallTimeout
// at most. There are none before Start.
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
		// In a change of the ring a node and the view may differ for a moment.
		nodes[i].Answers = err == nil || errors.Is(err, counting.ErrStale) || errors.Is(err, counting.ErrAhead)
		return nil
	})
	return nodes
}
