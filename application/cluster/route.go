package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// Retry calls try with the first view newer than an epoch, and with each newer
// view while try returns groupcommit.ErrMoved or counting.ErrStale. Epoch 0 is
// older than every view. It returns the last error of try, or
// counting.ErrUnavailable when ctx ends while Retry waits for a newer ring.
func (c *Cluster) Retry(ctx context.Context, after counting.Epoch, try func(*View) error) error {
	for {
		if c.Follow(ctx, after) != nil {
			return counting.ErrUnavailable
		}
		v := c.View()
		err := try(v)
		if !errors.Is(err, groupcommit.ErrMoved) && !errors.Is(err, counting.ErrStale) {
			return err
		}
		after = v.Epoch()
	}
}

// RetryEach is Retry for n items: try returns the indexes of the items, of those
// that it was given, whose view is over. It returns the indexes that no view
// served before ctx ended.
func (c *Cluster) RetryEach(ctx context.Context, n int, try func(v *View, indexes []int) (moved []int)) (left []int) {
	left = make([]int, n)
	for i := range left {
		left[i] = i
	}
	_ = c.Retry(ctx, 0, func(v *View) error {
		if left = try(v, left); len(left) > 0 {
			return groupcommit.ErrMoved
		}
		return nil
	})
	return left
}

// Send sends one item by the current view and waits for the result; send uses one
// of the view's Send methods. After groupcommit.ErrMoved it sends the item again
// by newer views, for groupcommit.Deadline at most, when send's context ends. Errors
// are those of send, but counting.ErrUnavailable instead of ErrMoved.
func (c *Cluster) Send(ctx context.Context, send func(context.Context, *View) error) error {
	v := c.View()
	err := send(ctx, v)
	if errors.Is(err, groupcommit.ErrMoved) {
		return c.resend(ctx, v.Epoch(), send)
	}
	return err
}

// SendAll is Send for n items, which share batches. It returns an error for each.
func (c *Cluster) SendAll(ctx context.Context, n int, send func(v *View, i int) groupcommit.Ticket) []error {
	v := c.View()
	errs := make([]error, n)
	tickets := make([]groupcommit.Ticket, n)
	for i := range n {
		tickets[i] = send(v, i)
	}
	for i := range n {
		errs[i] = tickets[i].Wait()
		if errors.Is(errs[i], groupcommit.ErrMoved) {
			errs[i] = c.resend(ctx, v.Epoch(), func(_ context.Context, v *View) error { return send(v, i).Wait() })
		}
	}
	return errs
}

func (c *Cluster) resend(ctx context.Context, after counting.Epoch, send func(context.Context, *View) error) error {
	ctx, cancel := context.WithTimeout(ctx, groupcommit.Deadline)
	defer cancel()
	return c.Retry(ctx, after, func(v *View) error { return send(ctx, v) })
}

// SendVisit adds n visits to the next batch of the page's owner.
func (v *View) SendVisit(page counting.Page, n int64) groupcommit.Ticket {
	arc := v.Arc(page)
	return v.Nodes[v.Owner(arc)].AddVisit(v.Epoch(), arc, page, n)
}

// SendSetCount adds an item to the next batch of the page's owner. It sets s.Arc. At is zero, or counting.Batch.At if
// it was applied before.
func (v *View) SendSetCount(s counting.SetCount, at time.Time) groupcommit.Ticket {
	s.Arc = v.Arc(s.Page)
	return v.Nodes[v.Owner(s.Arc)].AddSetCount(v.Epoch(), s, at)
}

// SendKeyed checks the keys at nodes that may still have them, sends the visits to
// their owners, and waits. It sets their arcs. It returns an error for each item
// (checkKeys, groupcommit.Ticket.Wait), nil for one that was counted before.
func (v *View) SendKeyed(ctx context.Context, items []counting.KeyedVisit) []error {
	return v.sendKeyed(ctx, items, time.Time{})
}

// sendKeyed is SendKeyed for visits that were placed at a time, if it is not zero.
func (v *View) sendKeyed(ctx context.Context, items []counting.KeyedVisit, at time.Time) []error {
	for i := range items {
		items[i].Arc = v.Arc(items[i].Page)
	}
	errs := v.checkKeys(ctx, items)
	tickets := make([]groupcommit.Ticket, len(items))
	for i, k := range items {
		if errs[i] == nil {
			tickets[i] = v.Nodes[v.Owner(k.Arc)].AddKeyed(v.Epoch(), k, at)
		}
	}
	for i := range items {
		if errs[i] == nil {
			errs[i] = tickets[i].Wait()
		}
		if errors.Is(errs[i], counting.ErrKeyApplied) {
			errs[i] = nil
		}
	}
	return errs
}

// SendID sends an id by the table that now is valid for, and waits. The node picks
// the window by its own clock. If that window has another table, SendID tries the
// other tables, until ctx ends. It sends no id by a table whose windows are lost
// (LosesTable). Errors: those of groupcommit.Ticket.Wait; counting.WrongTable, the node
// accepts the id by none of the other tables now.
func (v *View) SendID(ctx context.Context, e counting.IDEvent, now time.Time) error {
	first := v.TableFor(v.Length().At(now))
	var err error = counting.WrongTable
	for tried := 0; tried <= v.Tables() && errors.Is(err, counting.WrongTable) && ctx.Err() == nil; tried++ {
		number := (first + tried) % v.Tables()
		if v.loses[number] {
			continue
		}
		var owner int
		owner, e.Table = v.IDOwner(e.ID, number)
		err = v.Nodes[owner].AddID(v.Epoch(), e).Wait()
		if errors.Is(err, counting.WrongClock) {
			v.Nodes[owner].noteWrongClock()
		}
	}
	return err
}

// ReadFrom reads from a member by the view's epoch (groupcommit.ReadFrom), UntilOpen.
func ReadFrom[T any](ctx context.Context, v *View, m *Member, read func(counting.Expected) (T, error)) (T, error) {
	return UntilOpen(ctx, func() (T, error) { return groupcommit.ReadFrom(m.Committer, v.Epoch(), read) })
}

// UntilOpen repeats a read of a node that has not opened the view's epoch yet
// (counting.ErrAhead), until ctx ends.
func UntilOpen[T any](ctx context.Context, read func() (T, error)) (T, error) {
	all, err := read()
	for errors.Is(err, counting.ErrAhead) && ctx.Err() == nil {
		time.Sleep(time.Millisecond + rand.N(4*time.Millisecond))
		all, err = read()
	}
	return all, err
}
