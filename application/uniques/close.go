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
	// lease is the time after which a claim ends unless it is renewed.
	lease = 15 * time.Second
	// publishTimeout bounds one attempt of one publisher.
	publishTimeout = 5 * time.Second
)

// Heartbeat tells every node that an instance is running, so that the node's current
// window is published even if it gets no id. It has to be called at least once per
// window. The error is that of the first node that did not answer.
func (s *Service) Heartbeat(ctx context.Context) error {
	_, _, err := heartbeat(ctx, s.Cluster.View())
	return err
}

// heartbeat also returns the windows that wait on the nodes that answered, oldest first,
// and the current window of each of them.
func heartbeat(ctx context.Context, v *cluster.View) (waiting, current []counting.Window, err error) {
	answers, err := cluster.Gather(ctx, v.Present(), func(ctx context.Context, m *cluster.Member) (counting.HeartbeatResult, error) {
		return m.Heartbeat(ctx)
	})
	for _, a := range answers {
		waiting = append(waiting, a.Waiting...)
		current = append(current, a.Current)
	}
	slices.Sort(waiting)
	return slices.Compact(waiting), current, err
}

// Scan closes the waiting windows that have ended, oldest first, also those that another
// instance has begun to close. One goroutine calls it at the start, at the end of every
// window, and in between. When it returns, deliveries go on in the background.
//
// Before it seals a window, every node knows all older ones: those that other instances
// close are sealed, too, and none is while a node does not answer which windows wait.
// Otherwise one that a single node knows could be forgotten when that is abandoned.
func (s *Service) Scan(ctx context.Context) error {
	v := s.Cluster.View()
	waiting, _, err := heartbeat(ctx, v)
	before := older{view: v, grace: s.Grace, silent: err}
	for _, w := range waiting {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.isClosing(w) {
			continue
		}
		switch e := s.close(ctx, v, w, &before); {
		case errors.Is(e, counting.ErrBusy), errors.Is(e, counting.ErrStaleToken):
			before.busy = append(before.busy, w)
		case e == nil, errors.Is(e, counting.ErrTooEarly):
		case errors.Is(e, counting.Corrupt), errors.Is(e, counting.ErrRetired): // this window alone has no count
			err = errors.Join(err, fmt.Errorf("close window %s: %w", v.WindowID(w), e))
		default:
			// The cause, a node or all publishers being away, stops the later
			// windows, too.
			return errors.Join(err, fmt.Errorf("close window %s: %w", v.WindowID(w), e))
		}
	}
	return err
}

// older is what a scan found before the window that it closes.
type older struct {
	view   *cluster.View
	grace  time.Duration
	silent error             // a node did not answer which windows wait
	busy   []counting.Window // other instances close them
}

// seal makes every node know the older windows. The error is that of the first that is not
// sealed, unless that window alone has no count: the nodes without a fault know it then.
func (o *older) seal(ctx context.Context) error {
	if o.silent != nil {
		return o.silent
	}
	for _, w := range o.busy {
		_, err := sealOn(ctx, o.view, w, o.grace, nil)
		if err != nil && !errors.Is(err, counting.Corrupt) && !errors.Is(err, counting.ErrRetired) {
			return err
		}
	}
	o.busy = nil
	return nil
}

// close takes a window as far as possible: from open to sealed and published. Then its
// endpoints are notified in the background.
func (s *Service) close(ctx context.Context, v *cluster.View, w counting.Window, before *older) error {
	home := v.Home(w)
	limited, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	token, entry, err := home.Claim(limited, w, s.Instance, lease)
	cancel()
	if err != nil {
		return err
	}
	if token == "" { // done or lost, but not retired on all nodes
		return retire(ctx, v, w)
	}
	c := closing{Service: s, view: v, home: home, window: w, token: token, leftOut: new(atomic.Int64)}
	if entry.State == counting.Open && v.Loses(w) {
		if entry, err = c.recovered(ctx); err != nil {
			return err
		}
		if entry.State == counting.Open {
			return c.markLost(ctx)
		}
	}
	if entry.State == counting.Open {
		if err := before.seal(ctx); err != nil {
			return err
		}
		if entry.Count, err = c.seal(ctx); err != nil {
			return err
		}
		entry.State = counting.Sealed
	}
	report := reportOf(v, entry)
	if entry.State == counting.Sealed {
		if err := c.copyEntry(ctx, entry); err != nil {
			return err
		}
		if entry, err = c.publish(ctx, report); err != nil {
			return err
		}
		// If this fails, the copy is sealed: published again if its node becomes the home.
		_ = c.copyEntry(ctx, entry)
	}
	s.notifyInBackground(c, report)
	return nil
}

// closing is the closing of one claimed window.
type closing struct {
	*Service
	view   *cluster.View
	home   *cluster.Member
	window counting.Window
	token  string
	// leftOut counts the endpoints of which attempts were left out.
	leftOut *atomic.Int64
}

// markLost ends a window whose count is lost.
func (c closing) markLost(ctx context.Context) error {
	if err := c.copyEntry(ctx, counting.Entry{Window: c.window, State: counting.Lost}); err != nil {
		return err
	}
	if _, err := c.advance(ctx, counting.MarkLost()); err != nil {
		return err
	}
	c.Log.Error("window is lost: a node with a part of it was abandoned", "window", c.view.WindowID(c.window))
	return retire(ctx, c.view, c.window)
}

// seal freezes the window on every node, and records the sum of their counts. It returns
// the recorded count, which may be an earlier one.
func (c closing) seal(ctx context.Context) (int64, error) {
	sum, err := sealOn(ctx, c.view, c.window, c.Grace, c.upToDate)
	if err != nil {
		return 0, err
	}
	e, err := c.advance(ctx, counting.Record(sum))
	return e.Count, err
}

// sealOn seals a window on every node, checks each then, and returns the sum of their counts.
func sealOn(ctx context.Context, v *cluster.View, w counting.Window, grace time.Duration, check func(context.Context, *cluster.Member) error) (int64, error) {
	var sum atomic.Int64
	err := v.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error {
		n, err := m.Seal(ctx, w, grace)
		sum.Add(n)
		if err == nil && check != nil {
			err = check(ctx, m)
		}
		return err
	})
	return sum.Load(), err
}

// upToDate is counting.ErrStale if a node has opened a newer ring than the view's: the
// view may lack a node that has a part of the window. A ring is opened before the first
// window that uses its table begins. So if this is nil after the window was sealed, no
// other node has a part of it.
func (c closing) upToDate(ctx context.Context, m *cluster.Member) error {
	p, err := m.RingSummary(ctx)
	if err == nil && p.Opened > c.view.Epoch() {
		err = counting.ErrStale
	}
	return err
}

// publish publishes the report with the first publisher that takes it. A publisher whose
// answer is unknown may have taken it, too, with the same id.
func (c closing) publish(ctx context.Context, r publishing.Report) (counting.Entry, error) {
	var errs error
	for _, p := range c.Publishers {
		limited, cancel := context.WithTimeout(ctx, publishTimeout)
		err := p.Publish(limited, r)
		cancel()
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("publish to %s: %w", p.Name(), err))
			continue
		}
		if c.mayLogUnconfirmed(errs) {
			c.Log.Warn("earlier publishers did not confirm, so counts go to the capture log", "window", r.ID, "path", c.CaptureLog, "error", errs)
		}
		c.Log.Info("window published", "window", r.ID, "count", r.Count, "publisher", p.Name())
		return c.advance(ctx, counting.Publish(p.Name()))
	}
	return counting.Entry{}, errs
}

// mayLogUnconfirmed tells whether it is to be logged that earlier publishers did not take a
// report: once until the first one takes a report again, and every repeatLine.
func (s *Service) mayLogUnconfirmed(errs error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errs == nil {
		s.unconfirmed = time.Time{}
		return false
	}
	if time.Since(s.unconfirmed) < repeatLine {
		return false
	}
	s.unconfirmed = time.Now()
	return true
}

// retire retires a window that is done or lost on every node.
func retire(ctx context.Context, v *cluster.View, w counting.Window) error {
	return v.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error { return m.Retire(ctx, w) })
}

func reportOf(v *cluster.View, e counting.Entry) publishing.Report {
	l := v.Length()
	return publishing.Report{ID: v.WindowID(e.Window), Start: l.Start(e.Window), End: l.End(e.Window), Count: e.Count}
}
