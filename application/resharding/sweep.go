package resharding

import (
	"context"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// sweepTime bounds the sweep of a node, which takes many calls.
const sweepTime = 10 * cluster.CallTimeout

// sweep sweeps every node, and stores the result for Status.
func (s *Service) sweep(ctx context.Context, v *cluster.View) {
	found := &sharding.Sweep{At: time.Now().UTC().Truncate(time.Second), Orphans: []sharding.Orphan{}, Unswept: make(map[counting.NodeID]string)}
	keep := counting.SweepPolicy{Ended: ended(ctx, v)}
	for _, l := range v.Losses() {
		keep.Since = max(keep.Since, l.Epoch)
	}
	answers := cluster.Ask(ctx, sweepTime, v.Present(), func(ctx context.Context, m *cluster.Member) (counting.SweepResult, error) {
		k := keep
		k.Arcs = needed(v, v.Index(m.ID()), keep.Ended)
		return sweepNode(ctx, m, v.Table(), k)
	})
	for _, a := range answers {
		node := a.From.ID()
		add(found, node, a.Value)
		if a.Err != nil {
			found.Unswept[node] = whyAway(a.Err)
			s.Log.Warn("sweep node failed", "node", node, "error", a.Err)
		}
	}
	s.Log.Info("ring swept", "forgotten", found.Forgotten, "orphans", len(found.Orphans)+found.More)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swept = found
}

func sweepNode(ctx context.Context, m *cluster.Member, table counting.Epoch, k counting.SweepPolicy) (all counting.SweepResult, err error) {
	if m.Movable == nil {
		return all, nil // no move has left anything on such a node
	}
	for cursor, more := "", true; more; more = cursor != "" {
		some, err := cluster.Call(ctx, cluster.CallTimeout, func(ctx context.Context) (some counting.SweepResult, err error) {
			some, cursor, err = m.Sweep(ctx, table, k, cursor)
			return some, err
		})
		if err != nil {
			return all, err
		}
		all.Forgotten += some.Forgotten
		all.Orphans = append(all.Orphans, some.Orphans...)
	}
	return all, nil
}

// ended is the newest table whose moves have ended on all nodes. No table is opened
// before the moves of the last one have ended.
func ended(ctx context.Context, v *cluster.View) counting.Epoch {
	err := v.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error {
		p, err := m.RingSummary(ctx)
		if err == nil && (p.Opened != v.Epoch() || p.Incoming > 0) {
			err = sharding.ErrMoving
		}
		return err
	})
	if err != nil {
		return v.Table() - 1
	}
	return v.Table()
}

// needed are the arcs of which a member has something that is needed.
func needed(v *cluster.View, member int, ended counting.Epoch) []counting.Arc {
	var arcs []counting.Arc
	for arc := range counting.Arc(sharding.Arcs) {
		if v.Owner(arc) == member || v.From(arc) == member && v.Table() > ended {
			arcs = append(arcs, arc)
		}
	}
	return arcs
}

func add(to *sharding.Sweep, node counting.NodeID, s counting.SweepResult) {
	to.Forgotten += s.Forgotten
	for _, orphan := range s.Orphans {
		if len(to.Orphans) == sharding.MaxOrphans {
			to.More++
			continue
		}
		to.Orphans = append(to.Orphans, sharding.Orphan{Node: node, Orphan: orphan})
	}
}
