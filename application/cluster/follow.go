package cluster

import (
	"context"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// glance is how long a node may take to say how far it is, and then to hand its
// ring over: one that hangs must not hold up those that wait for a newer one.
const glance = 250 * time.Millisecond

// Follow returns when the view is newer than epoch, after looking for the
// newer ring itself, or when ctx is done or the cluster stopped. Callers share
// one search.
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

// search looks once for a newer ring and adopts it.
func (c *Cluster) search(done chan struct{}) {
	pause := time.Duration(0)
	switch newer, err := c.findNewer(c.ctx); {
	case err != nil:
		c.opts.Log.Error("can't adopt the ring", "error", err)
		pause = time.Second // nothing here makes it better soon
	case !newer:
		// A change is under way: its writers wait about two round trips.
		pause = 5 * time.Millisecond
		select {
		case c.alarm <- struct{}{}:
		default:
		}
	}
	select {
	case <-time.After(pause):
	case <-c.ctx.Done():
	}
	c.mu.Lock()
	c.following = nil
	c.mu.Unlock()
	close(done)
}

// chase adopts the first newer ring that a node shows, and tells whether there
// was one. All are asked at once how far they are, but only one after the other
// for the ring, which is large.
func (c *Cluster) findNewer(ctx context.Context) (bool, error) {
	epoch := c.View().Epoch()
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	known := c.known()
	ahead := make(chan *Member, len(known)) // nil for one that isn't
	for _, m := range known {
		go func() {
			ctx, cancel := context.WithTimeout(ctx, glance)
			defer cancel()
			if p, err := m.RingSummary(ctx); err != nil || p.Opened <= epoch {
				m = nil
			}
			ahead <- m
		}()
	}
	for range known {
		if r := newerRing(ctx, <-ahead, epoch); r != nil {
			return true, c.adopt(r)
		}
	}
	return false, nil
}

// newerRing asks a node that is ahead for the ring that it has opened.
func newerRing(ctx context.Context, m *Member, epoch counting.Epoch) *sharding.Ring {
	if m == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	s, err := m.RingState(ctx)
	if err != nil || s.Opened == nil || s.Opened.Epoch() <= epoch {
		return nil
	}
	return s.Opened
}
