package uniques

import (
	"context"
	"errors"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// maxClosing is the number of windows whose endpoints are called at once.
const maxClosing = 4

func (s *Service) isClosing(w counting.Window) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.closing[w]
	return ok
}

// callInBackground calls the endpoints of a published window and finishes it.
// When too many windows are at that stage it does nothing: the next scan
// comes back to it.
func (s *Service) callInBackground(c closing, r publishing.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.closing) >= maxClosing {
		return
	}
	s.closing[c.window] = struct{}{}
	s.calling.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.closing, c.window)
		}()
		err := c.finish(s.ctx, r)
		if err != nil && s.ctx.Err() == nil && !errors.Is(err, counting.ErrStaleToken) {
			s.Log.Warn("window is not finished", "window", r.ID, "error", err)
		}
	})
}

// Stop ends the calls in the background; what they had not finished is found
// by the next scan of any instance. It returns when they have ended, or with
// its error when ctx is done.
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

// finish calls every endpoint of the window that has no final result yet,
// within the window's budget, and then the window is done.
func (c closing) finish(ctx context.Context, r publishing.Report) error {
	// Whoever has taken the window over makes the calls: those here end.
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
	calls, err := callsOf(ctx, c.home, c.window)
	if err != nil {
		return err
	}
	if err := c.callAll(ctx, r, endpoints, calls); err != nil {
		return err
	}
	if calls, err = callsOf(ctx, c.home, c.window); err != nil {
		return err
	}
	if err := c.atHome(ctx, func(ctx context.Context) error {
		return c.home.Finish(ctx, c.window, c.token, totals(len(endpoints), calls))
	}); err != nil {
		return err
	}
	return retire(ctx, c.view, c.window)
}

// renew keeps the lease until ctx is done or another instance has it.
func (c closing) renew(ctx context.Context) {
	ticker := time.NewTicker(lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := c.atHome(ctx, func(ctx context.Context) error { return c.home.Renew(ctx, c.window, c.token, lease) })
		if errors.Is(err, counting.ErrStaleToken) {
			return
		}
	}
}

// atHome makes one call of the home node.
func (c closing) atHome(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	return do(ctx)
}

// endpointsOf returns the endpoints that any node has for a window, each once.
func endpointsOf(ctx context.Context, v *cluster.View, w counting.Window) ([]publishing.Endpoint, error) {
	var mu sync.Mutex
	var all []publishing.Endpoint
	seen := make(map[string]struct{})
	err := v.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error {
		endpoints, err := m.Endpoints(ctx, w)
		mu.Lock()
		defer mu.Unlock()
		for _, e := range endpoints {
			if _, ok := seen[e]; !ok {
				seen[e] = struct{}{}
				all = append(all, publishing.Endpoint(e))
			}
		}
		return err
	})
	return all, err
}

func totals(endpoints int, calls map[string]counting.Delivery) counting.DeliveryTotals {
	t := counting.DeliveryTotals{Endpoints: endpoints}
	for _, c := range calls {
		switch {
		case c.Delivered():
			t.Delivered++
		case c.Final:
			t.Failed++
		}
	}
	return t
}
