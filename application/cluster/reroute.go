package cluster

import (
	"context"
	"errors"
	"slices"
	"time"

	"footfall/domain/counting"
)

// reroute sends the items of a batch, but the refused ones, to the nodes that have
// their pages now. The node of the batch does not have it, and never will, since
// the ring has changed. acknowledged: its callers have received a success. If
// such a batch can't be rerouted within rerouteTime, it is reported as lost.
func (c *Cluster) reroute(node counting.NodeID, b *counting.Batch, refused []counting.Refusal, acknowledged bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	c.background.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, rerouteTime)
		defer cancel()
		ok := true
		if acknowledged {
			for _, m := range c.View().Nodes {
				m.LiftLimits(rerouteTime)
			}
		}
		for i := range b.Len() {
			if slices.ContainsFunc(refused, func(r counting.Refusal) bool { return r.Item == i }) {
				continue
			}
			ok = c.place(ctx, func(v *View) error { return v.resend(ctx, b, i) }) && ok
		}
		if !ok && acknowledged {
			c.lost(node, 1)
		}
	})
}

// resend sends item i of a batch by another view. Histories are as the batch has placed them.
func (v *View) resend(ctx context.Context, b *counting.Batch, i int) error {
	switch k := i - len(b.Visits); {
	case k < 0:
		page := b.Visits[i].Page
		arc := v.Arc(page)
		return v.Nodes[v.Owner(arc)].AddVisitAt(v.Epoch(), arc, page, b.Visits[i].Count, b.At).Wait()
	case k < len(b.IDEvents):
		return v.SendID(ctx, b.IDEvents[k], time.Now())
	case k < len(b.IDEvents)+len(b.Keyed):
		return v.sendKeyed(ctx, []counting.KeyedVisit{b.Keyed[k-len(b.IDEvents)]}, b.At)[0]
	default:
		return v.SendSetCount(b.SetCounts[k-len(b.IDEvents)-len(b.Keyed)], b.At).Wait()
	}
}

// place sends one item until a node has it, and reports whether one may have it.
func (c *Cluster) place(ctx context.Context, send func(*View) error) bool {
	for ctx.Err() == nil {
		switch err := c.Retry(ctx, 0, send); {
		case err == nil, errors.Is(err, counting.ErrInDoubt): // the committer that sent it resolves the doubt
			return true
		case errors.Is(err, counting.ErrUnavailable), errors.Is(err, counting.Moving), errors.Is(err, counting.WrongTable),
			errors.Is(err, counting.WrongClock), errors.Is(err, counting.PageLimit), errors.Is(err, counting.KeyLimit),
			errors.Is(err, counting.DiskFull), errors.Is(err, counting.EndpointLimit): // of a batch that began before
			Pause(ctx, reroutePause)
		default:
			return false
		}
	}
	return false
}
