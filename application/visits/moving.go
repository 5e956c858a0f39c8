package visits

import (
	"context"
	"errors"
	"slices"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

// readMoving reads pages whose arcs are on their way between two nodes, the
// source first and the destination second, so that nothing is missed or seen
// twice (protocols: resharding). What went over in between is read again.
func readMoving(ctx context.Context, v *cluster.View, g group, pages []counting.Page, readings []counting.Reading, indexes []int) bool {
	owner := v.Nodes[g.owner]
	left := slices.Clone(indexes)
	for len(left) > 0 {
		located := locate(v, pages, left)
		sources, err := parts(ctx, v, g.source, located)
		var destinations []counting.Part
		if err == nil {
			destinations, err = parts(ctx, v, owner, located)
		}
		if errors.Is(err, counting.ErrStale) {
			return false
		}
		again := left[:0]
		for k, i := range left {
			readings[i].Via = owner.ID()
			if err != nil || ctx.Err() != nil {
				readings[i].Err = counting.ErrUnavailable
				continue
			}
			if destinations[k].Closed {
				v.Arrived(located[k].Arc)
			}
			tally, ok := counting.Join(sources[k], destinations[k])
			if !ok {
				again = append(again, i)
				continue
			}
			readings[i].Tally = tally
		}
		left = again
	}
	return true
}

func parts(ctx context.Context, v *cluster.View, m *cluster.Member, located []counting.Located) ([]counting.Part, error) {
	return cluster.UntilOpen(ctx, func() ([]counting.Part, error) { return m.ReadParts(ctx, v.Epoch(), located) })
}
