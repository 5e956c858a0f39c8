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

// checkNotSuperseded is an error when a change of an earlier epoch, which this one
// passes over, may have been decided. All nodes are fenced, so nothing is accepted
// for that epoch any more.
func (t *transition) checkNotSuperseded(ctx context.Context, nodes []*cluster.Member) error {
	all, err := cluster.Gather(ctx, nodes, func(ctx context.Context, n *cluster.Member) (sharding.RingState, error) { return n.RingState(ctx) })
	if err != nil {
		return refused(err)
	}
	if due := t.view.MustPropose(all); due != t.view.Ring {
		return fmt.Errorf("%w: change %s was accepted before", sharding.ErrBusy, due.ChangeID())
	}
	return nil
}

// fenceAll fences the nodes, the first one before the others, and returns the highest
// window that a node has. errUntouched: the first node was fenced for another change.
func fenceAll(ctx context.Context, nodes []*cluster.Member, next *sharding.Ring) (counting.Window, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.FenceTime)
	defer cancel()
	// Gather bounds calls by CallTimeout, which is longer.
	fence := func(ctx context.Context, n *cluster.Member) (counting.Window, error) { return n.Fence(ctx, next) }
	windows, err := cluster.Gather(ctx, nodes[:1], fence)
	if err = refused(err); err != nil {
		if errors.Is(err, sharding.ErrBusy) {
			err = counting.Mark(err, errUntouched)
		}
		return 0, err
	}
	others, err := cluster.Gather(ctx, nodes[1:], fence)
	return slices.Max(append(windows, others...)), refused(err)
}

// refused wraps a node's error as ErrBusy, if the node refused the step because of
// another change or of moves, and as ErrUnavailable otherwise.
func refused(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sharding.ErrConflict), errors.Is(err, counting.ErrStale), errors.Is(err, sharding.ErrMoving):
		return fmt.Errorf("%w: %w", sharding.ErrBusy, err)
	}
	return counting.Mark(err, counting.ErrUnavailable)
}
