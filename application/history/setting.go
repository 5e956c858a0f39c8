package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/timeline"
)

// Status asks all nodes what they keep. A node that is no Histories keeps nothing.
func (s *Service) Status(ctx context.Context) timeline.Status {
	return s.ask(ctx, counting.HistorySetting{}, false)
}

// Set changes the setting of all nodes, and begins the history of those that keep none. A node
// where that can't begin yet keeps what it did, and so does one that is to keep days for longer if its clock
// disagrees. What nodes have that are turned off is deleted in the background. The error is counting.ErrUnavailable: a
// node did not answer, and others are changed.
func (s *Service) Set(ctx context.Context, h counting.HistorySetting) (timeline.Status, error) {
	status := s.ask(ctx, h, true)
	if h.Unit == 0 {
		select {
		case s.off <- struct{}{}:
		default: // the next pass is due
		}
	}
	for _, n := range status.Nodes {
		if n.Err != nil {
			return status, counting.Mark(fmt.Errorf("%w; nodes that answered are changed, so repeat it", cluster.Named(n.ID, n.Err)), counting.ErrUnavailable)
		}
	}
	return status, nil
}

func (s *Service) ask(ctx context.Context, h counting.HistorySetting, change bool) timeline.Status {
	status := timeline.Status{Configured: s.Setting}
	for _, a := range cluster.Ask(ctx, cluster.CallTimeout, s.Cluster.View().Present(), func(ctx context.Context, m *cluster.Member) (counting.HistoryState, error) {
		if m.Histories == nil {
			return counting.HistoryState{}, nil
		}
		return m.KeepHistory(ctx, h, time.Time{}, change)
	}) {
		status.Nodes = append(status.Nodes, timeline.NodeState{ID: a.From.ID(), HistoryState: a.Value, Err: a.Err})
	}
	slices.SortFunc(status.Nodes, func(a, b timeline.NodeState) int { return cmp.Compare(a.ID, b.ID) })
	return status
}
