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

// whyAway says for people why a node can't be asked.
func whyAway(err error) string {
	switch {
	case errors.Is(err, counting.ErrUninitialized):
		return "it came back empty"
	case errors.Is(err, counting.ErrWrongNode):
		return "it is another node"
	case errors.Is(err, counting.ErrAhead), errors.Is(err, counting.ErrStale):
		return "it has another ring"
	}
	return "it does not answer"
}

// Repair ends what was broken off: a change that was begun and left, nodes
// that are behind, moves; arcs that are stuck are tried again at once. Then it
// sweeps the nodes, and the status tells what it found.
func (s *Service) Repair(ctx context.Context) error {
	st := s.Status(ctx)
	v := s.Cluster.View()
	var err error
	if st.Fence > v.Epoch() {
		err = s.Cluster.Resolve(ctx, v, st.Fence)
	} else {
		err = s.Cluster.Publish(ctx, v.Ring)
	}
	s.obstacles.retry()
	s.nudge()
	if err == nil {
		s.sweep(ctx, s.Cluster.View())
	}
	return err
}

// Abandon gives up nodes that are away for good, with all that they have: their
// pages begin elsewhere with what had not left for them yet, mostly at 0, and that
// stays on record. All nodes that are away have to be given up at once, since the
// others are asked what they have. sharding.ErrMinority says, beside the errors of
// the other changes, that nothing was changed.
func (s *Service) Abandon(ctx context.Context, ids ...counting.NodeID) (sharding.Plan, error) {
	v := s.Cluster.View()
	if _, err := v.Abandon(sharding.Change{}, ids...); err != nil { // before anyone is asked
		return sharding.Plan{}, err
	}
	var lost []int
	for _, id := range ids {
		lost = append(lost, v.Index(id))
	}
	if err := s.away(ctx, v, lost); err != nil {
		return sharding.Plan{}, err
	}
	if err := s.othersArrived(ctx, v, lost); err != nil {
		return s.explainBusy(sharding.Plan{}, err)
	}
	c, err := s.prepareWithout(ctx, v, lost)
	if err != nil {
		return s.explainBusy(sharding.Plan{}, err)
	}
	next, err := v.Abandon(c, ids...)
	if err != nil {
		return sharding.Plan{}, err
	}
	if err := s.away(ctx, v, lost); err != nil { // the disks of the others may have taken seconds
		return sharding.Plan{}, err
	}
	if _, err := s.install(ctx, v, next); err != nil {
		return sharding.Plan{}, err
	}
	s.Log.Error("nodes were given up with all that they had", "nodes", ids, "epoch", next.Epoch())
	return next.Plan(), nil
}

// away is an error when one of some nodes is there with what it had.
func (s *Service) away(ctx context.Context, v *cluster.View, lost []int) error {
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

// othersArrived is an error while arcs of other nodes than those that are given
// up are on their way, or a node can't be asked. What is on its way from those that
// are given up goes on if they come back before the ring without them is made.
func (s *Service) othersArrived(ctx context.Context, v *cluster.View, lost []int) error {
	from := make(map[counting.Arc]int)
	for _, m := range v.Ring.Moves() {
		from[m.Arc] = m.From
	}
	return v.Each(ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if slices.Contains(lost, i) {
			return nil
		}
		coming, err := m.IncomingArcs(ctx, v.Table())
		if err != nil {
			return fmt.Errorf("%w: %w; nodes that are gone for good are given up together", counting.ErrUnavailable, err)
		}
		for _, arc := range coming {
			if source, ok := from[arc]; ok && !slices.Contains(lost, source) {
				return fmt.Errorf("%w: arcs of other nodes are still coming", sharding.ErrBusy)
			}
		}
		return nil
	})
}
