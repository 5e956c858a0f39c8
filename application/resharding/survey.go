package resharding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// surveyNodes asks all nodes for their windows, and checks that they are at the
// view's epoch and that no arc is moving. If members are to be abandoned, they are left
// out, arcs may be incoming (checkMoving), and the new change passes over one that
// those members left undecided. If a member gets another address, arcs may be moving, and
// the change passes over one for which the server there alone is fenced.
func (t *transition) surveyNodes(ctx context.Context) (sharding.Change, error) {
	var c sharding.Change
	if err := t.ensureDurable(ctx); err != nil {
		return c, err
	}
	type answer struct {
		sharding.RingSummary
		counting.HeartbeatResult
	}
	answers, err := cluster.Gather(ctx, t.view.Present(t.lost...), func(ctx context.Context, m *cluster.Member) (a answer, err error) {
		if a.RingSummary, err = t.idleSummary(ctx, m); err != nil {
			return a, err
		}
		if (a.Opened != t.view.Epoch() || a.Fence != t.view.Epoch() && len(t.lost) == 0) && !t.isElsewhere(m) {
			return a, fmt.Errorf("%w: it is at epoch %d of %d", sharding.ErrBusy, a.Opened, a.Fence)
		}
		if a.HeartbeatResult, err = m.Heartbeat(ctx); err != nil {
			return a, counting.Mark(err, counting.ErrUnavailable)
		}
		return a, m.CheckClock()
	})
	for _, a := range answers {
		c.Above = max(c.Above, a.Fence)
		for _, w := range append(a.Waiting, a.Current) {
			c.From = max(c.From, w+windowsAhead) // also of a window ahead of the clock
			if c.Oldest == 0 || w < c.Oldest {
				c.Oldest = w
			}
		}
	}
	return c, err
}

// idleSummary is the summary of a node. It is an error while arcs move to the node, unless
// members are to be abandoned, or the change moves none.
func (t *transition) idleSummary(ctx context.Context, m *cluster.Member) (sharding.RingSummary, error) {
	p, err := m.RingSummary(ctx)
	switch {
	case err != nil:
		return p, counting.Mark(err, counting.ErrUnavailable)
	case p.Incoming > 0 && len(t.lost) == 0 && t.moved == nil:
		return p, fmt.Errorf("%w: %d arcs are still coming", sharding.ErrBusy, p.Incoming)
	}
	return p, nil
}

// ensureDurable waits until the nodes' stores are durable, so that a power cut rolls
// no node back to before it opened the view's ring and closed its incoming arcs. A
// later ring could not be opened on such a node. No node is fenced meanwhile.
func (t *transition) ensureDurable(ctx context.Context) error {
	return t.view.Each(ctx, func(short context.Context, _ int, m *cluster.Member) error {
		if _, err := t.idleSummary(short, m); err != nil {
			return err
		}
		if t.isElsewhere(m) { // it may lag, and follows the next ring as it would this one
			return nil
		}
		// The wait for the disk may take longer than a call.
		_, err := cluster.Call(ctx, cluster.SyncTime, func(ctx context.Context) ([]counting.ImportResult, error) {
			return m.Confirm(ctx, t.view.Table(), nil)
		})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, counting.ErrAhead), errors.Is(err, counting.ErrStale):
			return fmt.Errorf("%w: %w", sharding.ErrBusy, err)
		}
		return counting.Mark(err, counting.ErrUnavailable)
	}, t.lost...)
}

// checkAway is sharding.ErrAnswers when a node that is to be abandoned answers and has
// its data. It is sharding.ErrMinority unless one that decides alone answers that it is
// empty: if it only does not answer, it may be abandoning the other node.
func (t *transition) checkAway(ctx context.Context) error {
	return t.view.Each(ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if !slices.Contains(t.lost, i) {
			return nil
		}
		p, err := m.RingSummary(ctx)
		t.away[i] = away(p, t.view.Epoch(), err)
		switch {
		case t.away[i] == "":
			return sharding.ErrAnswers
		case m.ID() == t.decider && !errors.Is(err, counting.ErrUninitialized):
			return fmt.Errorf("%w: of two nodes, %s alone can go on. Bring it back. If its data is permanently lost, start an empty server at its address, and repeat this",
				sharding.ErrMinority, m.ID())
		}
		return nil
	})
}

// checkMoving notes whether arcs move between members that are not abandoned. It is an
// error if such a member does not answer.
func (t *transition) checkMoving(ctx context.Context) error {
	var moving atomic.Bool
	err := t.view.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error {
		incoming, err := m.IncomingArcs(ctx, t.view.Table())
		if err != nil {
			return counting.Mark(fmt.Errorf("%w; nodes that are permanently lost are abandoned together", err), counting.ErrUnavailable)
		}
		if slices.ContainsFunc(incoming, func(arc counting.Arc) bool { return !slices.Contains(t.lost, t.view.From(arc)) }) {
			moving.Store(true)
		}
		return nil
	}, t.lost...)
	t.moving = moving.Load()
	return err
}

// loss is what is lost with the members that are abandoned; nil without any.
func (t *transition) loss() *sharding.PlannedLoss {
	if len(t.lost) == 0 {
		return nil
	}
	loss := &sharding.PlannedLoss{WindowsUntil: t.next.Length().Start(t.next.LostUntil())}
	for _, i := range t.lost {
		loss.Nodes = append(loss.Nodes, sharding.AbandonedNode{ID: t.view.Members()[i].ID, Share: t.view.Share(i), Away: t.away[i]})
	}
	return loss
}
