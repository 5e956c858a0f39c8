package resharding

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// checkNotSuperseded is an error when a change of an earlier epoch, which this one
// passes over, may have been decided. All nodes are fenced, so nothing is accepted
// for that epoch any more.
func (t *transition) checkNotSuperseded(ctx context.Context, nodes []*cluster.Member) error {
	var all []sharding.RingState
	for _, a := range cluster.Ask(ctx, cluster.CallTimeout, nodes, func(ctx context.Context, n *cluster.Member) (sharding.RingState, error) { return n.RingState(ctx) }) {
		if a.Err != nil {
			return refused(a.From, a.Err)
		}
		all = append(all, a.Value)
	}
	if due := t.view.MustPropose(all); due != t.view.Ring {
		return fmt.Errorf("%w: change %s was accepted before", sharding.ErrBusy, due.ChangeID())
	}
	return nil
}

// nodes are the nodes that take part in a ring.
func (s *Service) nodes(r *sharding.Ring) ([]*cluster.Member, error) {
	var nodes []*cluster.Member
	for _, m := range r.Members() {
		if m.State == sharding.Lost {
			continue
		}
		n, err := s.Cluster.Node(m)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// fenceAll fences the nodes, the first one before the others, and returns the highest
// window that a node has. errUntouched: the first node was fenced for another change.
func fenceAll(ctx context.Context, nodes []*cluster.Member, next *sharding.Ring) (counting.Window, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.FenceTime)
	defer cancel()
	highest, err := nodes[0].Fence(ctx, next)
	if err = refused(nodes[0], err); err != nil {
		if errors.Is(err, sharding.ErrBusy) {
			err = fmt.Errorf("%w: %w", errUntouched, err)
		}
		return 0, err
	}
	answers := cluster.Ask(ctx, cluster.FenceTime, nodes[1:], func(ctx context.Context, n *cluster.Member) (counting.Window, error) { return n.Fence(ctx, next) })
	for _, a := range answers {
		highest = max(highest, a.Value)
		err = cmp.Or(err, refused(a.From, a.Err))
	}
	return highest, err
}

// refused wraps a node's error as ErrBusy, if the node refused the step because of
// another change or of moves, and as ErrUnavailable otherwise.
func refused(n *cluster.Member, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sharding.ErrConflict), errors.Is(err, counting.ErrStale), errors.Is(err, sharding.ErrMoving):
		return fmt.Errorf("%w: node %s: %w", sharding.ErrBusy, n.ID(), err)
	}
	return fmt.Errorf("%w: node %s: %w", counting.ErrUnavailable, n.ID(), err)
}
