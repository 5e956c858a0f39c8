package visits

import (
	"context"
	"errors"
	"slices"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

// readMoving reads pages whose arcs are moving: from the source first and the
// destination second, so that no visit is missed or counted twice (design: ring).
func readMoving(ctx context.Context, v *cluster.View, g group, located []counting.Located) ([]counting.Tally, error) {
	sources, err := parts(ctx, v, g.source, located)
	var gap *counting.GapError
	if errors.As(err, &gap) { // what the destination has is read there alone
		sources, err = slices.Repeat([]counting.Part{{Err: counting.ErrUnavailable}}, len(located)), nil
	}
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
	return cluster.ReadFrom(ctx, v, m, func(e counting.Expected) ([]counting.Part, error) { return m.ReadParts(ctx, e, located) })
}
