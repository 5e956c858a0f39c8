package resharding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// surveyNodes asks all nodes for their windows, and checks that they are at the
// view's epoch and that no arc is moving. The lost members, given by their indexes,
// are to be abandoned: they are left out, arcs may be incoming then (checkArrived),
// and the new change passes over one that those members left undecided.
func (s *Service) surveyNodes(ctx context.Context, v *cluster.View, lost []int) (sharding.Change, error) {
	if err := s.ensureDurable(ctx, v, lost); err != nil {
		return sharding.Change{}, err
	}
	var c sharding.Change
	var mu sync.Mutex
	err := v.EachBut(ctx, lost, func(ctx context.Context, _ int, m *cluster.Member) error {
		p, err := m.RingSummary(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		case p.Opened != v.Epoch() || p.Fence != v.Epoch() && len(lost) == 0:
			return fmt.Errorf("%w: it is at epoch %d of %d", sharding.ErrBusy, p.Opened, p.Fence)
		case p.Incoming > 0 && len(lost) == 0:
			return fmt.Errorf("%w: %d arcs are still coming", sharding.ErrBusy, p.Incoming)
		}
		a, err := m.Heartbeat(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		}
		mu.Lock()
		defer mu.Unlock()
		c.From = max(c.From, a.Current+2)
		c.Above = max(c.Above, p.Fence)
		for _, w := range append(a.Waiting, a.Current) {
			if c.Oldest == 0 || w < c.Oldest {
				c.Oldest = w
			}
		}
		return nil
	})
	return c, err
}

// ensureDurable waits until the nodes' stores are durable, so that a power cut rolls
// no node back to before it opened the view's ring and closed its incoming arcs. A
// later ring could not be opened on such a node. No node is fenced meanwhile.
func (s *Service) ensureDurable(ctx context.Context, v *cluster.View, lost []int) error {
	return v.EachBut(ctx, lost, func(call context.Context, _ int, m *cluster.Member) error {
		p, err := m.RingSummary(call)
		if err == nil && p.Incoming > 0 && len(lost) == 0 {
			return fmt.Errorf("%w: %d arcs are still coming", sharding.ErrBusy, p.Incoming)
		}
		if err == nil {
			long, cancel := context.WithTimeout(ctx, cluster.SyncTime)
			defer cancel()
			err = syncNode(long, v, m)
		}
		if errors.Is(err, counting.ErrAhead) || errors.Is(err, counting.ErrStale) {
			return fmt.Errorf("%w: %w", sharding.ErrBusy, err)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		}
		return nil
	})
}

// checkAway is sharding.ErrAnswers when a node that is to be abandoned answers and
// has its data.
func (s *Service) checkAway(ctx context.Context, v *cluster.View, lost []int) error {
	return v.Each(ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if !slices.Contains(lost, i) {
			return nil
		}
		if p, err := m.RingSummary(ctx); err == nil && p.Opened >= v.Epoch() {
			return sharding.ErrAnswers
		}
		return nil
	})
}

// checkArrived is an error while arcs move between members that are not abandoned,
// or such a member does not answer. Moves from abandoned members go on if those
// come back before the ring without them is opened.
func (s *Service) checkArrived(ctx context.Context, v *cluster.View, lost []int) error {
	from := make(map[counting.Arc]int)
	for _, m := range v.Ring.Moves() {
		from[m.Arc] = m.From
	}
	return v.EachBut(ctx, lost, func(ctx context.Context, _ int, m *cluster.Member) error {
		incoming, err := incomingArcs(ctx, v, m)
		if err != nil {
			return fmt.Errorf("%w: %w; nodes that are permanently lost are abandoned together", counting.ErrUnavailable, err)
		}
		for _, arc := range incoming {
			if source, ok := from[arc]; ok && !slices.Contains(lost, source) {
				return fmt.Errorf("%w: arcs of other nodes are still coming", sharding.ErrBusy)
			}
		}
		return nil
	})
}

// syncNode returns when the node's store is durable.
func syncNode(ctx context.Context, v *cluster.View, m *cluster.Member) error {
	movable, err := m.Movable()
	if err != nil {
		return err
	}
	_, err = movable.Confirm(ctx, v.Table(), nil)
	return err
}

func incomingArcs(ctx context.Context, v *cluster.View, m *cluster.Member) ([]counting.Arc, error) {
	movable, err := m.Movable()
	if err != nil {
		return nil, err
	}
	return movable.IncomingArcs(ctx, v.Table())
}
