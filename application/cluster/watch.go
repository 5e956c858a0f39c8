package cluster

import (
	"context"
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
	var left leftBehindState
	for {
		busy := c.poll(&left)
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
type leftBehindState struct {
	fence counting.Epoch
	since time.Time
}

// look looks once, and tells whether a change is under way.
func (c *Cluster) poll(left *leftBehindState) bool {
	pulses := c.pulses(c.ctx)
	v := c.View()
	fence := v.Epoch()
	for m, p := range pulses {
		fence = max(fence, p.Fence)
		if p.Opened > v.Epoch() {
			if _, err := c.findNewer(c.ctx); err != nil {
				c.opts.Log.Error("can't adopt the ring", "error", err)
			}
			return true
		}
		at := v.Index(m.ID())
		if at >= 0 && p.Opened == v.Epoch() {
			v.moves.done[at].Store(p.Incoming == 0)
		}
	}
	var wg sync.WaitGroup
	for m, p := range pulses {
		if v.Index(m.ID()) >= 0 && p.Opened < v.Epoch() && p.Fence <= v.Epoch() {
			wg.Go(func() { c.catchUp(c.ctx, v.Ring, m) })
		}
	}
	wg.Wait()
	// A node that was to enter by a change that was undone stays fenced.
	behind := false
	for m, p := range pulses {
		at := v.Index(m.ID())
		behind = behind || at >= 0 && !v.Away(at) && leftBehind(p, v.Epoch())
	}
	switch {
	case !behind:
		*left = leftBehindState{}
		return false
	case left.fence != fence:
		*left = leftBehindState{fence, time.Now()}
	case time.Since(left.since) >= takeOver:
		if err := c.Resolve(c.ctx, v, fence); err != nil {
			c.opts.Log.Warn("a change of the ring was left, and can't be ended", "epoch", fence, "error", err)
			left.since = time.Now()
		} else {
			*left = leftBehindState{}
		}
	}
	return true
}

// leftBehind tells whether a node is fenced so that the ring of an epoch isn't
// opened at it: at a later epoch, or, for long, at that one by another change.
func leftBehind(p sharding.RingSummary, epoch counting.Epoch) bool {
	return p.Fence > epoch || p.Fence == epoch && p.Opened < epoch
}

// pulses asks all nodes that this instance knows; those that don't answer in
// time are not among them.
func (c *Cluster) pulses(ctx context.Context) map[*Member]sharding.RingSummary {
	known := c.known()
	pulses := make(map[*Member]sharding.RingSummary, len(known))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range known {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, glance)
			defer cancel()
			if p, err := m.RingSummary(ctx); err == nil {
				mu.Lock()
				pulses[m] = p
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return pulses
}
