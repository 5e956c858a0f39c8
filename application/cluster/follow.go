package cluster

import (
	"context"
	"time"

	"footfall/domain/counting"
)

// Follow returns when the view is newer than epoch; it searches for the newer ring.
// The error is that of ctx, or of a stopped cluster. Callers share one search.
func (c *Cluster) Follow(ctx context.Context, epoch counting.Epoch) error {
	for c.View().Epoch() <= epoch {
		c.mu.Lock()
		if c.ctx.Err() != nil {
			c.mu.Unlock()
			return c.ctx.Err()
		}
		searching := c.following
		if searching == nil {
			searching = make(chan struct{})
			c.following = searching
			c.background.Go(func() { c.search(searching) })
		}
		c.mu.Unlock()
		select {
		case <-searching:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// search searches once for a newer ring, adopts it, and closes done.
func (c *Cluster) search(done chan struct{}) {
	pause := time.Duration(0)
	switch newer, err := c.findNewer(c.ctx); {
	case err != nil:
		c.opts.Log.Error("adopt ring failed", "error", err)
		pause = time.Second // an early retry does not help
	case !newer:
		// A change is under way, for about two round trips.
		pause = 5 * time.Millisecond
		select {
		case c.alarm <- struct{}{}:
		default:
		}
	}
	Pause(c.ctx, pause)
	c.mu.Lock()
	c.following = nil
	c.mu.Unlock()
	close(done)
}

// findNewer adopts the first newer ring that a node returns, and reports whether there
// was one. It asks all nodes for their epochs concurrently, but for the ring, which is
// large, one node at a time.
func (c *Cluster) findNewer(ctx context.Context) (bool, error) {
	epoch := c.View().Epoch()
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	known := c.known()
	ahead := make(chan *Member, len(known)) // nil for a node that is not
	for _, m := range known {
		go func() {
			if p, err := Call(ctx, glance, m.RingSummary); err != nil || p.Opened <= epoch {
				m = nil
			}
			ahead <- m
		}()
	}
	for range known {
		m := <-ahead
		if m == nil {
			continue
		}
		s, err := Call(ctx, glance, m.RingState)
		if err == nil && s.Opened != nil && s.Opened.Epoch() > epoch {
			return true, c.adopt(s.Opened)
		}
	}
	return false, nil
}
