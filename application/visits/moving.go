package visits

import (
	"context"
	"errors"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

// readMoving reads pages whose arcs are moving: from the source first and the
// destination second, so that no visit is missed or counted twice (design: ring). It is
// false when a node refused the view as stale.
func readMoving(ctx context.Context, v *cluster.View, g group, pages []counting.Page, readings []counting.Reading, indexes []int) bool {
	owner, located := v.Nodes[g.owner], locate(v, pages, indexes)
	sources, err := parts(ctx, v, g.source, located)
	var destinations []counting.Part
	if err == nil {
		destinations, err = parts(ctx, v, owner, located)
	}
	if errors.Is(err, counting.ErrStale) {
		return false
	}
	for k, i := range indexes {
		readings[i].Via = owner.ID()
		if err != nil {
			readings[i].Err = counting.ErrUnavailable
			continue
		}
		if destinations[k].Closed {
			v.Arrived(located[k].Arc)
		}
		readings[i].Tally = counting.Join(sources[k], destinations[k])
	}
	return true
}

func parts(ctx context.Context, v *cluster.View, m *cluster.Member, located []counting.Located) ([]counting.Part, error) {
	movable, err := m.Movable()
	if err != nil {
		return nil, err
	}
	return cluster.UntilOpen(ctx, func() ([]counting.Part, error) { return movable.ReadParts(ctx, v.Epoch(), located) })
}
