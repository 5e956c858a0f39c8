package uniques

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// maxClosing bounds the windows whose endpoints are notified concurrently.
const maxClosing = 4

// repeatLine is the time between two log lines about a fault that goes on.
const repeatLine = 10 * time.Minute

func (s *Service) isClosing(w counting.Window) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing[w]
}

// notifyInBackground notifies the endpoints of a published window and finishes it. If
// too many windows are in that phase, it does nothing: the next scan tries again.
func (s *Service) notifyInBackground(c closing, r publishing.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.closing) >= maxClosing {
		return
	}
	s.closing[c.window] = true
	s.calling.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.closing, c.window)
		}()
		err := c.finish(s.ctx, r)
		if err != nil && s.ctx.Err() == nil && !errors.Is(err, counting.ErrStaleToken) && s.mayLogUnfinished(c.window) {
			s.Log.Warn("finish window failed", "window", r.ID, "error", err)
		}
	})
}

// mayLogUnfinished tells whether it is to be logged that a window could not be finished:
// once, and every repeatLine while it is tried again.
func (s *Service) mayLogUnfinished(w counting.Window) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.unfinished, func(_ counting.Window, logged time.Time) bool { return time.Since(logged) >= repeatLine })
	if _, logged := s.unfinished[w]; logged {
		return false
	}
	s.unfinished[w] = time.Now()
	return true
}

// Stop ends the deliveries in the background. The next scan of any instance continues
// them. It returns when they have ended, or with the error of ctx.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.cancel()
	ended := make(chan struct{})
	go func() {
		s.calling.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish notifies every endpoint of the window that has no final result, within the
// window's budget. Then the window is done.
func (c closing) finish(ctx context.Context, r publishing.Report) error {
	// If another instance takes over the claim, it makes the deliveries: end them here.
	ctx, cancel := context.WithCancel(ctx)
	var renewal sync.WaitGroup
	renewal.Go(func() {
		defer cancel()
		c.renew(ctx)
	})
	defer renewal.Wait()
	defer cancel()

	err := c.view.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error { return c.upToDate(ctx, m) })
	if err != nil {
		return err
	}
	endpoints, err := endpointsOf(ctx, c.view, c.window)
	if err != nil {
		return err
	}
	calls, err := c.home.Deliveries(ctx, c.window)
	if err != nil {
		return err
	}
	err = c.notifyAll(ctx, r, endpoints, calls)
	c.logEnd(r)
	if err != nil {
		return err
	}
	if calls, err = c.home.Deliveries(ctx, c.window); err != nil {
		return err
	}
	if _, err := c.advance(ctx, counting.Finish(totals(len(endpoints), calls))); err != nil {
		return err
	}
	return retire(ctx, c.view, c.window)
}

// logEnd logs of how many endpoints attempts were left out.
func (c closing) logEnd(r publishing.Report) {
	if n := c.leftOut.Load(); n > 0 {
		c.Log.Warn("callbacks were left out", "window", r.ID, "endpoints", n)
	}
	if err := c.Journal.LogEnd(r.ID); err != nil {
		c.Log.Error("log callback failed", "window", r.ID, "error", err)
	}
}

// renew renews the lease until ctx is done or another instance has claimed the window.
func (c closing) renew(ctx context.Context) {
	ticker := time.NewTicker(lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := c.advance(ctx, counting.Renew(lease)); errors.Is(err, counting.ErrStaleToken) {
			return
		}
	}
}

// advance makes one step of the window's entry at its home.
func (c closing) advance(ctx context.Context, step counting.Step) (counting.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	return c.home.Advance(ctx, c.window, c.token, step)
}

// endpointsOf returns the distinct endpoints that the nodes have of a window.
func endpointsOf(ctx context.Context, v *cluster.View, w counting.Window) ([]string, error) {
	answers, err := cluster.Gather(ctx, v.Present(), func(ctx context.Context, m *cluster.Member) ([]string, error) { return m.Endpoints(ctx, w) })
	all := slices.Concat(answers...)
	slices.Sort(all)
	return slices.Compact(all), err
}

func totals(endpoints int, deliveries map[string]counting.Delivery) counting.DeliveryTotals {
	t := counting.DeliveryTotals{Endpoints: endpoints}
	for _, c := range deliveries {
		switch {
		case c.Delivered():
			t.Delivered++
		case c.Final:
			t.Failed++
		}
	}
	return t
}
