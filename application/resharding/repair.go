package resharding

import (
	"context"
	"errors"
	"fmt"

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
		err = s.Cluster.Settle(ctx, v, st.Fence)
	} else {
		err = s.Cluster.Bring(ctx, v.Ring)
	}
	s.obstacles.retry()
	s.nudge()
	if err == nil {
		s.sweep(ctx, s.Cluster.View())
	}
	return err
}

// Abandon gives up a node that is away for good, with all that it has: its
// pages begin at 0 elsewhere, and that stays on record.
func (s *Service) Abandon(ctx context.Context, id counting.NodeID) (sharding.Plan, error) {
	v := s.Cluster.View()
	at := v.Index(id)
	if at < 0 {
		return sharding.Plan{}, fmt.Errorf("%w: node %s is not in it", sharding.ErrBadChange, id)
	}
	if err := s.away(ctx, v, at); err != nil {
		return sharding.Plan{}, err
	}
	if err := s.othersArrived(ctx, v, at); err != nil {
		return s.told(sharding.Plan{}, err)
	}
	s.dropMoves(ctx, v, at)
	c, err := s.prepareWithout(ctx, v, at)
	if err != nil {
		return s.told(sharding.Plan{}, err)
	}
	next, err := v.Abandon(c, id)
	if err != nil {
		return sharding.Plan{}, err
	}
	if err := s.handOver(ctx, v, next); err != nil {
		return sharding.Plan{}, err
	}
	if _, err := s.install(ctx, v, next); err != nil {
		return sharding.Plan{}, err
	}
	s.Log.Error("a node was given up with all that it had", "node", id, "epoch", next.Epoch())
	return next.Plan(), nil
}

// away is an error when a node is there with what it had.
func (s *Service) away(ctx context.Context, v *cluster.View, at int) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	if p, err := v.Nodes[at].Pulse(ctx); err == nil && p.Opened >= v.Epoch() {
		return sharding.ErrAnswers
	}
	return nil
}

// othersArrived is an error while arcs of other nodes than the one that is given
// up are on their way, or a node can't be asked: the change would be refused,
// and nothing may be dropped for it.
func (s *Service) othersArrived(ctx context.Context, v *cluster.View, lost int) error {
	from := make(map[counting.Arc]int)
	for _, m := range v.Ring.Moves() {
		from[m.Arc] = m.From
	}
	return v.Each(ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if i == lost {
			return nil
		}
		coming, err := m.ComingArcs(ctx, v.Table())
		if err != nil {
			return fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		}
		for _, arc := range coming {
			if source, ok := from[arc]; ok && source != lost {
				return fmt.Errorf("%w: arcs of other nodes are still coming", sharding.ErrBusy)
			}
		}
		return nil
	})
}

// dropMoves ends the moves from a node that is given up. What was on its way to
// that node stays where it is, and a sweep tells it: it is nowhere else.
func (s *Service) dropMoves(ctx context.Context, v *cluster.View, lost int) {
	for _, m := range v.Ring.Moves() {
		if m.From == lost && v.Coming(m.To) {
			call, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
			_ = v.Nodes[m.To].CloseArc(call, v.Table(), m.Arc, 0)
			cancel()
		}
	}
}
