package cluster

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

const (
	// lookEvery is the time between two looks at the nodes, with as much
	// again at random; lookCloser, while a change is under way.
	lookEvery  = time.Second
	lookCloser = 100 * time.Millisecond
)

// watch looks at the nodes until the cluster stops: it learns of newer rings,
// brings up nodes that are behind, learns which moves are over, and ends
// changes that whoever began them has left.
func (c *Cluster) watch() {
	var left leftover
	for {
		busy := c.look(&left)
		pause := lookEvery + rand.N(lookEvery)
		if busy {
			pause = lookCloser/2 + rand.N(lookCloser/2)
		}
		select {
		case <-c.ctx.Done():
			return
		case <-c.alarm:
			if busy {
				time.Sleep(pause)
			}
		case <-time.After(pause):
		}
	}
}

// leftover is a fence above the open epoch, and since when it is seen.
type leftover struct {
	fence counting.Epoch
	since time.Time
}

// look looks once, and tells whether a change is under way.
func (c *Cluster) look(left *leftover) bool {
	pulses := c.pulses(c.ctx)
	v := c.View()
	fence := v.Epoch()
	for m, p := range pulses {
		fence = max(fence, p.Fence)
		if p.Opened > v.Epoch() {
			if _, err := c.chase(c.ctx); err != nil {
				c.opts.Log.Error("can't adopt the ring", "error", err)
			}
			return true
		}
		at := v.Index(m.ID())
		if at >= 0 && p.Opened == v.Epoch() && p.Coming == 0 {
			v.moves.done[at].Store(true)
		}
	}
	var wg sync.WaitGroup
	for m, p := range pulses {
		if v.Index(m.ID()) >= 0 && p.Opened < v.Epoch() && p.Fence <= v.Epoch() {
			wg.Go(func() { c.bringUp(c.ctx, v.Ring, m) })
		}
	}
	wg.Wait()
	if fence == v.Epoch() {
		*left = leftover{}
		return false
	}
	// A node that was to enter by a change that was undone stays fenced.
	behind := false
	for m, p := range pulses {
		behind = behind || p.Fence > v.Epoch() && v.Index(m.ID()) >= 0
	}
	switch {
	case !behind:
		*left = leftover{}
		return false
	case left.fence != fence:
		*left = leftover{fence, time.Now()}
	case time.Since(left.since) >= takeOver:
		if err := c.Settle(c.ctx, v, fence); err != nil {
			c.opts.Log.Warn("a change of the ring was left, and can't be ended", "epoch", fence, "error", err)
			left.since = time.Now()
		} else {
			*left = leftover{}
		}
	}
	return true
}

// pulses asks all nodes that this instance knows; those that don't answer in
// time are not among them.
func (c *Cluster) pulses(ctx context.Context) map[*Member]sharding.Pulse {
	known := c.known()
	pulses := make(map[*Member]sharding.Pulse, len(known))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range known {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, glance)
			defer cancel()
			if p, err := m.Pulse(ctx); err == nil {
				mu.Lock()
				pulses[m] = p
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return pulses
}

// Settle ends a change that was begun after the ring of a view, and not ended:
// nodes are fenced, the highest of them at fence. If the arbiter has opened it,
// it is made for good, and is brought to all; if not, it is undone. An error
// says that neither could be done now.
func (c *Cluster) Settle(ctx context.Context, v *View, fence counting.Epoch) error {
	arbiter := v.Nodes[v.Index(v.Arbiter())]
	call, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	s, err := arbiter.Standing(call)
	if err != nil {
		return fmt.Errorf("node %s, which decides: %w", arbiter.ID(), err)
	}
	ring := s.Opened
	if ring == nil || ring.Epoch() <= v.Epoch() {
		ring = s.Fenced
		// One that keeps the table undoes a change itself, and can be
		// finished by anyone.
		if ring.Epoch() < fence || ring.Table() != v.Table() {
			ring = v.Again(sharding.Change{ID: crand.Text(), Above: fence})
			if _, err := arbiter.Fence(call, ring); err != nil {
				return fmt.Errorf("node %s, which decides: %w", arbiter.ID(), err)
			}
		}
		if err := arbiter.Open(call, ring); err != nil {
			return fmt.Errorf("node %s, which decides: %w", arbiter.ID(), err)
		}
		c.opts.Log.Info("a change of the ring was undone", "epoch", ring.Epoch())
	}
	return c.Bring(ctx, ring)
}

// Bring adopts a ring that its arbiter has opened, and opens it at all other
// nodes; one that can't be reached is brought up later.
func (c *Cluster) Bring(ctx context.Context, ring *sharding.Ring) error {
	if err := c.adopt(ring); err != nil {
		return err
	}
	v := c.View()
	return v.Each(ctx, func(ctx context.Context, _ int, m *Member) error {
		c.bringUp(ctx, v.Ring, m)
		return nil
	})
}
