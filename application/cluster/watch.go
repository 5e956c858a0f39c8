package cluster

import (
	"context"
	"math/rand/v2"
	"slices"
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
	answers := Ask(c.ctx, glance, c.known(), func(ctx context.Context, m *Member) (sharding.RingSummary, error) {
		s, err := m.RingSummary(ctx)
		if err == nil { // it may have been rolled back, and no batch may follow for long
			m.Verify(ctx)
		}
		return s, err
	})
	c.notePolls(answers)
	v := c.View()
	answers = slices.DeleteFunc(answers, func(a Answer[*Member, sharding.RingSummary]) bool { return a.Err != nil })
	fence := v.Epoch()
	for _, a := range answers {
		fence = max(fence, a.Value.Fence)
		if a.Value.Opened > v.Epoch() {
			if _, err := c.findNewer(c.ctx); err != nil {
				c.opts.Log.Error("adopt ring failed", "error", err)
			}
			return true
		}
	}
	fenced := false
	var lagging sync.WaitGroup
	for _, a := range answers {
		m, p, at := a.From, a.Value, v.Index(a.From.ID())
		switch {
		case at < 0: // only members count: one that was to join by a rolled-back change stays fenced
			continue
		case p.Opened == v.Epoch():
			v.moves.done[at].Store(p.Incoming == 0)
		case p.Fence <= v.Epoch():
			lagging.Go(func() { c.catchUp(c.ctx, v.Ring, m.Node) })
		}
		fenced = fenced || !v.Away(at) && isUnopened(p, v.Epoch())
	}
	lagging.Wait()
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

// notePolls notes which members of the ring answer. One that refuses batches is sent an
// empty one.
func (c *Cluster) notePolls(answers []Answer[*Member, sharding.RingSummary]) {
	v := c.View()
	for _, a := range answers {
		c.logRefused(a.From, false)
		if at := v.Index(a.From.ID()); at < 0 || v.Away(at) || c.ctx.Err() != nil {
			continue
		}
		c.noteRefusal(a.From, a.Err)
		if a.Err == nil {
			c.noteSummary(a.From, a.Value)
		}
		if a.From.fault.polled(a.Err) {
			a.From.Check()
		}
	}
}

// isUnopened tells whether a node is fenced so that it can't serve an epoch: at a later
// epoch or, for long, at that one by another change.
func isUnopened(p sharding.RingSummary, epoch counting.Epoch) bool {
	return p.Fence > epoch || p.Fence == epoch && p.Opened < epoch
}
