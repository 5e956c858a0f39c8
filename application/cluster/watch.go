package cluster

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// watch polls the nodes until the cluster stops. It adopts newer rings, opens the ring
// on nodes that lag, notes which moves have ended, and resolves changes whose
// coordinator has failed.
func (c *Cluster) watch() {
	var left unopened
	for {
		busy := c.poll(&left)
		pause := pollEvery + rand.N(pollEvery)
		if busy {
			pause = pollChanging + rand.N(pollChanging)
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

// unopened is a fence above the open epoch, and since when it is seen.
type unopened struct {
	fence counting.Epoch
	since time.Time
}

// poll asks the nodes once, and reports whether a change is under way.
func (c *Cluster) poll(left *unopened) bool {
	summaries := c.summaries(c.ctx)
	v := c.View()
	fence := v.Epoch()
	for m, p := range summaries {
		fence = max(fence, p.Fence)
		if p.Opened > v.Epoch() {
			if _, err := c.findNewer(c.ctx); err != nil {
				c.opts.Log.Error("adopt ring failed", "error", err)
			}
			return true
		}
		at := v.Index(m.ID())
		if at >= 0 && p.Opened == v.Epoch() {
			v.moves.done[at].Store(p.Incoming == 0)
		}
	}
	var wg sync.WaitGroup
	for m, p := range summaries {
		if v.Index(m.ID()) >= 0 && p.Opened < v.Epoch() && p.Fence <= v.Epoch() {
			wg.Go(func() { c.catchUp(c.ctx, v.Ring, m) })
		}
	}
	wg.Wait()
	// Only members count: one that was to join by a rolled-back change stays fenced.
	fenced := false
	for m, p := range summaries {
		at := v.Index(m.ID())
		fenced = fenced || at >= 0 && !v.Away(at) && isUnopened(p, v.Epoch())
	}
	switch {
	case !fenced:
		*left = unopened{}
		return false
	case left.fence != fence:
		*left = unopened{fence, time.Now()}
	case time.Since(left.since) >= takeOver:
		if err := c.Resolve(c.ctx, v, fence); err != nil {
			c.opts.Log.Warn("resolve interrupted change of the ring failed", "epoch", fence, "error", err)
			left.since = time.Now()
		} else {
			*left = unopened{}
		}
	}
	return true
}

// isUnopened tells whether a node is fenced so that it can't serve an epoch: at a later
// epoch or, for long, at that one by another change.
func isUnopened(p sharding.RingSummary, epoch counting.Epoch) bool {
	return p.Fence > epoch || p.Fence == epoch && p.Opened < epoch
}

// summaries asks all nodes that this instance knows. It omits those that do not answer
// in time.
func (c *Cluster) summaries(ctx context.Context) map[*Member]sharding.RingSummary {
	known := c.known()
	all := make(map[*Member]sharding.RingSummary, len(known))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range known {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, glance)
			defer cancel()
			if p, err := m.RingSummary(ctx); err == nil {
				mu.Lock()
				all[m] = p
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return all
}
