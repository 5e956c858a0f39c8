package cluster

import (
	"context"
	"errors"
	"slices"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// orphanTime is how long a batch that its node has forgotten is tried elsewhere.
const orphanTime = 30 * time.Second

// reroute takes what a node doesn't have, and will never take since the ring
// has changed, to the nodes that have its pages now. What was acknowledged and
// can't be brought there in time is told as lost.
func (c *Cluster) reroute(node counting.NodeID, b *counting.Batch, refused []counting.Refusal, acknowledged bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	c.background.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, orphanTime)
		defer cancel()
		ok := true
		for i := range b.Len() {
			if slices.ContainsFunc(refused, func(r counting.Refusal) bool { return r.Item == i }) {
				continue
			}
			ok = c.place(ctx, func(v *View, try int) (groupcommit.Ticket, error) {
				switch k := i - len(b.Visits); {
				case k < 0:
					return visit(v, b.Visits[i])
				case k < len(b.IDEvents):
					return arrive(v, b.IDEvents[k], try)
				case k < len(b.IDEvents)+len(b.Keyed):
					return once(ctx, v, b.Keyed[k-len(b.IDEvents)])
				default:
					s := b.SetCounts[k-len(b.IDEvents)-len(b.Keyed)]
					return v.Nodes[v.Owner(s.Arc)].Set(v.Epoch(), s)
				}
			}) && ok
		}
		if !ok && acknowledged {
			c.lost(node, 1)
		}
	})
}

func visit(v *View, visit counting.Visit) (groupcommit.Ticket, error) {
	return v.Nodes[v.Owner(visit.Arc)].Visit(v.Epoch(), visit.Arc, visit.Page, visit.Count)
}

func once(ctx context.Context, v *View, k counting.KeyedVisit) (groupcommit.Ticket, error) {
	if err := v.CheckKeys(ctx, []counting.KeyedVisit{k})[0]; err != nil {
		return groupcommit.Ticket{}, err
	}
	return v.Nodes[v.Owner(k.Arc)].Once(v.Epoch(), k)
}

// arrive goes through the tables, of which one is that of the node's window.
func arrive(v *View, a counting.IDEvent, try int) (groupcommit.Ticket, error) {
	owner, table := v.IDOwner(a.ID, try%v.Tables())
	a.Table = table
	return v.Nodes[owner].Arrive(v.Epoch(), a)
}

// place sends one item until a node has it, and tells whether one may have.
func (c *Cluster) place(ctx context.Context, send func(*View, int) (groupcommit.Ticket, error)) bool {
	for try := 0; ctx.Err() == nil; try++ {
		v := c.View()
		ticket, err := send(v, try)
		if err == nil {
			err = ticket.Wait()
		}
		switch {
		case err == nil, errors.Is(err, counting.ErrKeyApplied), errors.Is(err, counting.ErrInDoubt): // that is resolved where it was sent
			return true
		case errors.Is(err, groupcommit.ErrMoved):
			_ = c.Follow(ctx, v.Epoch())
		case errors.Is(err, counting.WrongTable):
		case errors.Is(err, counting.ErrUnavailable), errors.Is(err, counting.Moving):
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		default:
			return false
		}
	}
	return false
}
