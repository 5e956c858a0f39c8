package visits

import (
	"context"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

// readMoving reads pages whose arcs are moving: from the source first and the
// destination second, so that no visit is missed or counted twice (design: ring).
func readMoving(ctx context.Context, v *cluster.View, g group, located []counting.Located) ([]counting.Tally, error) {
	sources, err := parts(ctx, v, g.source, located)
	if err != nil {
		return nil, err
	}
	destinations, err := parts(ctx, v, v.Nodes[g.owner], located)
	if err != nil {
		return nil, err
	}
	tallies := make([]counting.Tally, len(located))
	for i, d := range destinations {
		if d.Closed {
			v.Arrived(located[i].Arc)
		}
		tallies[i] = counting.Join(sources[i], d)
	}
	return tallies, nil
}

func parts(ctx context.Context, v *cluster.View, m *cluster.Member, located []counting.Located) ([]counting.Part, error) {
	return cluster.UntilOpen(ctx, func() ([]counting.Part, error) { return m.ReadParts(ctx, v.Epoch(), located) })
}
