package resharding

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// surveyNodes asks all nodes for their windows, and checks that they are at the
// view's epoch and that no arc is moving. The lost members, given by their indexes,
// are to be abandoned: they are left out, arcs may be incoming then (checkArrived),
// and the new change passes over one that those members left undecided.
func (s *Service) surveyNodes(ctx context.Context, v *cluster.View, lost []int) (sharding.Change, error) {
	var c sharding.Change
	if err := s.ensureDurable(ctx, v, lost); err != nil {
		return c, err
	}
	type answer struct {
		sharding.RingSummary
		counting.HeartbeatResult
	}
	answers, err := cluster.Gather(ctx, v.Present(lost...), func(ctx context.Context, m *cluster.Member) (a answer, err error) {
		if a.RingSummary, err = idle(ctx, m, lost); err != nil {
			return a, err
		}
		if a.Opened != v.Epoch() || a.Fence != v.Epoch() && len(lost) == 0 {
			return a, fmt.Errorf("%w: it is at epoch %d of %d", sharding.ErrBusy, a.Opened, a.Fence)
		}
		if a.HeartbeatResult, err = m.Heartbeat(ctx); err != nil {
			return a, fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		}
		return a, nil
	})
	for _, a := range answers {
		c.From = max(c.From, a.Current+2)
		c.Above = max(c.Above, a.Fence)
		for _, w := range append(a.Waiting, a.Current) {
			if c.Oldest == 0 || w < c.Oldest {
				c.Oldest = w
			}
		}
	}
	return c, err
}

// idle is the summary of a node. It is an error while arcs move to the node, unless
// members are to be abandoned.
func idle(ctx context.Context, m *cluster.Member, lost []int) (sharding.RingSummary, error) {
	p, err := m.RingSummary(ctx)
	switch {
	case err != nil:
		return p, fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
	case p.Incoming > 0 && len(lost) == 0:
		return p, fmt.Errorf("%w: %d arcs are still coming", sharding.ErrBusy, p.Incoming)
	}
	return p, nil
}

// ensureDurable waits until the nodes' stores are durable, so that a power cut rolls
// no node back to before it opened the view's ring and closed its incoming arcs. A
// later ring could not be opened on such a node. No node is fenced meanwhile.
func (s *Service) ensureDurable(ctx context.Context, v *cluster.View, lost []int) error {
	return v.Each(ctx, func(call context.Context, _ int, m *cluster.Member) error {
		if _, err := idle(call, m, lost); err != nil {
			return err
		}
		// The wait for the disk may take longer than a call.
		err := m.CallMovable(ctx, cluster.SyncTime, func(ctx context.Context, n counting.Movable) error {
			_, err := n.Confirm(ctx, v.Table(), nil)
			return err
		})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, counting.ErrAhead), errors.Is(err, counting.ErrStale):
			return fmt.Errorf("%w: %w", sharding.ErrBusy, err)
		}
		return fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
	}, lost...)
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
	return v.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error {
		incoming, err := incomingArcs(ctx, v, m)
		if err != nil {
			return fmt.Errorf("%w: %w; nodes that are permanently lost are abandoned together", counting.ErrUnavailable, err)
		}
		for _, arc := range incoming {
			if from := v.From(arc); from != v.Owner(arc) && !slices.Contains(lost, from) {
				return fmt.Errorf("%w: arcs of other nodes are still coming", sharding.ErrBusy)
			}
		}
		return nil
	}, lost...)
}

func incomingArcs(ctx context.Context, v *cluster.View, m *cluster.Member) (arcs []counting.Arc, err error) {
	err = m.CallMovable(ctx, cluster.CallTimeout, func(ctx context.Context, n counting.Movable) error {
		arcs, err = n.IncomingArcs(ctx, v.Table())
		return err
	})
	return arcs, err
}
