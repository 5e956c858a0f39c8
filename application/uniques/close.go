package uniques

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

const (
	// lease is how long a claim holds unless it is renewed.
	lease = 15 * time.Second
	// publishTimeout ends one attempt of one publisher.
	publishTimeout = 5 * time.Second
)

// Heartbeat tells every node that an instance is there, so that its current
// window is published even if no id comes. It has to be called at least once
// in every window. The error is of the first node that did not answer.
func (s *Service) Heartbeat(ctx context.Context) error {
	_, _, err := attend(ctx, s.Cluster.View())
	return err
}

// attend also returns the windows that wait to be closed on any node that
// answered, oldest first, and the current one of each node.
func attend(ctx context.Context, v *cluster.View) (waiting, current []counting.Window, err error) {
	attended := make([]counting.HeartbeatResult, len(v.Nodes))
	err = v.Each(ctx, func(ctx context.Context, i int, m *cluster.Member) (err error) {
		attended[i], err = m.Heartbeat(ctx)
		return err
	})
	for i, a := range attended {
		if v.Away(i) {
			continue
		}
		waiting = append(waiting, a.Waiting...)
		current = append(current, a.Current)
	}
	slices.Sort(waiting)
	return slices.Compact(waiting), current, err
}

// Scan closes the windows that have ended and wait, oldest first, whoever has
// begun with them. It is called by one goroutine at the start, at the end of
// every window, and in between: what another instance is doing, or failed to
// do, is found here. Calls of endpoints go on in the background when it
// returns.
func (s *Service) Scan(ctx context.Context) error {
	v := s.Cluster.View()
	waiting, _, err := attend(ctx, v)
	for _, w := range waiting {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.isClosing(w) {
			continue
		}
		switch e := s.close(ctx, v, w); {
		case e == nil, errors.Is(e, counting.ErrBusy), errors.Is(e, counting.ErrTooEarly), errors.Is(e, counting.ErrStaleToken):
		case errors.Is(e, counting.Corrupt), errors.Is(e, counting.ErrRetired): // this one alone has no number
			err = errors.Join(err, fmt.Errorf("close window %s: %w", v.Length().Name(w), e))
		default:
			// What stops this window, a node or every sink away, stops
			// the later ones too.
			return errors.Join(err, fmt.Errorf("close window %s: %w", v.Length().Name(w), e))
		}
	}
	return err
}

// close brings a window as far as it goes: from open to sealed, to published,
// and then the endpoints are called in the background.
func (s *Service) close(ctx context.Context, v *cluster.View, w counting.Window) error {
	home := v.Home(w)
	token, entry, err := s.claim(ctx, home, w)
	if err != nil {
		return err
	}
	if token == "" { // done or lost, but not yet retired everywhere
		return retire(ctx, v, w)
	}
	c := closing{Service: s, view: v, home: home, window: w, token: token}
	if entry.State == counting.Open && v.Loses(w) {
		return c.lose(ctx)
	}
	if entry.State == counting.Open {
		if entry.Count, err = c.seal(ctx); err != nil {
			return err
		}
		entry.State = counting.Sealed
	}
	report := reportOf(v, entry)
	if entry.State == counting.Sealed {
		if err := c.publish(ctx, report); err != nil {
			return err
		}
	}
	s.callInBackground(c, report)
	return nil
}

func (s *Service) claim(ctx context.Context, home *cluster.Member, w counting.Window) (string, counting.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	return home.Claim(ctx, w, s.Instance, lease)
}

// closing is one claimed window on its way to being done.
type closing struct {
	*Service
	view   *cluster.View
	home   *cluster.Member
	window counting.Window
	token  string
}

// lose gives up a window whose number nobody can know any more.
func (c closing) lose(ctx context.Context) error {
	call, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	if err := c.home.MarkLost(call, c.window, c.token); err != nil {
		return err
	}
	c.Log.Error("window is lost: a node with a part of it was given up", "window", c.view.Length().Name(c.window))
	return retire(ctx, c.view, c.window)
}

// seal freezes the window on every node and records the sum; if one was
// recorded before, that is the count.
func (c closing) seal(ctx context.Context) (int64, error) {
	var sum atomic.Int64
	err := c.view.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error {
		n, err := m.Seal(ctx, c.window, c.Grace)
		sum.Add(n)
		if err == nil {
			err = c.upToDate(ctx, m)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	return c.home.Record(ctx, c.window, c.token, sum.Load())
}

// upToDate is counting.ErrStale where a node has opened a newer ring than that
// of the view: there may be a node with a part of the window that the view
// lacks. A ring is opened before the first window that goes by it has begun, so
// a window that is sealed has no part elsewhere if this finds nothing.
func (c closing) upToDate(ctx context.Context, m *cluster.Member) error {
	p, err := m.RingSummary(ctx)
	if err == nil && p.Opened > c.view.Epoch() {
		err = counting.ErrStale
	}
	return err
}

// publish gives the report to the first publisher that takes it. One whose
// answer is unknown may have taken it too: the id is the same.
func (c closing) publish(ctx context.Context, r publishing.Report) error {
	var errs error
	for _, p := range c.Publishers {
		err := publishTo(ctx, p, r)
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("publish to %s: %w", p.Name(), err))
			continue
		}
		if errs != nil {
			c.Log.Warn("publishers before it did not confirm", "window", r.ID, "error", errs)
		}
		c.Log.Info("window published", "window", r.ID, "count", r.Count, "publisher", p.Name())
		ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
		defer cancel()
		return c.home.Publish(ctx, c.window, c.token, p.Name())
	}
	return errs
}

func publishTo(ctx context.Context, p publishing.Publisher, r publishing.Report) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return p.Publish(ctx, r)
}

// retire lets every node forget a window that is done.
func retire(ctx context.Context, v *cluster.View, w counting.Window) error {
	return v.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error { return m.Retire(ctx, w) })
}

func reportOf(v *cluster.View, e counting.Entry) publishing.Report {
	l := v.Length()
	return publishing.Report{ID: l.Name(e.Window), Start: l.Start(e.Window), End: l.End(e.Window), Count: e.Count}
}
