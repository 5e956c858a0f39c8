package groupcommit

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"footfall/domain/counting"
)

const (
	// attemptTimeout bounds one call of the node.
	attemptTimeout = time.Second
	// idle is the time without a batch after which an empty one is sent. The node
	// keeps the session by it, and a node that was rolled back is noticed.
	idle = time.Hour
	// repeatPause is the time between attempts to repeat what a node has lost.
	repeatPause = time.Second
	// roomPause is between attempts while room is made on a node, with half of it taken off or added at random.
	roomPause = 20 * time.Millisecond
	// downAfter is the number of consecutive failures after which the node counts
	// as down: callers are refused immediately between attempts.
	downAfter = 5
)

// run flushes batches until the committer is stopped and the queue is empty.
func (c *Committer) run() {
	defer close(c.ended)
	c.begin()
	heartbeat := time.NewTimer(idle)
	defer heartbeat.Stop()
	for {
		check := false
		select {
		case <-c.wake:
		case <-c.check:
			check = true
		case <-heartbeat.C:
			check = true
		case <-c.ctx.Done():
		}
		for b := c.take(); b != nil; b = c.take() {
			c.resolve(b)
		}
		if c.isStopped() {
			c.verifyLast()
			return
		}
		if check && (c.session.seq > 0 || c.session.failures > 0 || c.behind.Load()) {
			c.resolve(c.heartbeat())
		}
		if c.behind.Load() { // its pages read low until all is repeated
			heartbeat.Reset(repeatPause)
		} else {
			heartbeat.Reset(idle)
		}
	}
}

// verifyLast asks a node that is left whether it has all applied batches, and repeats once
// what it lacks. It does not wait for a node that does not answer.
func (c *Committer) verifyLast() {
	ctx, cancel := context.WithTimeout(c.ctx, attemptTimeout)
	defer cancel()
	c.Verify(ctx)
	if c.behind.Load() {
		c.resolve(c.heartbeat())
	}
}

// isStopped tells whether no batch will follow.
func (c *Committer) isStopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped && len(c.waiting) == 0
}

// heartbeat is an empty batch without callers.
func (c *Committer) heartbeat() *batch {
	return &batch{Batch: counting.Batch{Epoch: c.opts.Epoch()}, call: call{answered: true}}
}

// resolve sends a batch, unchanged, until its result is known, and answers its callers.
// While the result is unknown, nothing else is sent in this session.
func (c *Committer) resolve(b *batch) {
	b.Session, b.Seq = c.session.name, c.session.seq+1
	for doubt := false; ; {
		if c.ctx.Err() != nil {
			if doubt {
				c.answer(b, counting.ErrInDoubt)
			} else {
				c.answer(b, counting.ErrUnavailable)
			}
			return
		}
		receipt, err := c.apply(b)
		var gap *counting.GapError
		// A case that neither returns nor continues repeats the batch after a pause.
		switch {
		case err == nil:
			c.applied.Store(&counting.Expected{Epoch: b.Epoch, Session: b.Session, Seq: b.Seq})
			c.behind.Store(false)
			b.refused = receipt.Refused
			c.answer(b, nil)
			c.keep(&b.Batch, receipt)
			return
		case errors.Is(err, counting.ErrStale):
			if c.outdated(b, doubt) {
				return
			}
		case errors.As(err, &gap):
			c.behind.Store(true)
			c.repair(gap.Last)
			b.Session, b.Seq = c.session.name, c.session.seq+1
			if c.session.failures == 0 {
				continue
			}
		case errors.Is(err, counting.ErrAhead):
			c.opts.CatchUp(c.ctx)
		case c.makesRoom(err):
			doubt = doubt || !hadNoEffect(err)
			c.pause(roomPause/2 + rand.N(roomPause))
			continue
		case !hadNoEffect(err):
			doubt = true
		case !doubt:
			c.answer(b, counting.ErrUnavailable)
			c.backOff(false)
			return
		}
		c.backOff(true)
	}
}

// outdated answers a batch whose epoch is over. ErrStale means that the node has not
// applied it, unless the node was emptied since. So it asks the node about a batch in
// doubt, and is false if the node does not answer. A batch that was sent before the node
// left the ring stays in doubt. It is no loss: if it was applied, its counts were handed
// over or abandoned with the node. No client of it has received a success, unless it has
// items that were rerouted (cluster).
func (c *Committer) outdated(b *batch, doubt bool) bool {
	if doubt && b.Len() > 0 {
		ctx, cancel := context.WithTimeout(c.ctx, attemptTimeout)
		defer cancel()
		remembers, err := c.opts.Remembers(ctx, b.Epoch)
		if err != nil {
			return false
		}
		if !remembers {
			c.answer(b, counting.ErrInDoubt)
			return true
		}
	}
	if !c.answer(b, ErrMoved) && b.Len() > 0 {
		c.opts.Orphaned(&b.Batch, nil, false) // its callers do not wait any more
	}
	return true
}

// hadNoEffect tells whether the call that returned err had no effect.
func hadNoEffect(err error) bool {
	return errors.Is(err, counting.ErrNotApplied) || errors.Is(err, counting.ErrUninitialized) ||
		errors.Is(err, counting.ErrWrongNode) || errors.Is(err, counting.ErrOtherDeployment)
}

// apply makes one call of the node and counts consecutive failures.
func (c *Committer) apply(b *batch) (counting.Receipt, error) {
	ctx, cancel := context.WithTimeout(c.ctx, attemptTimeout)
	defer cancel()
	begin := time.Now()
	sent := b.Batch // an abandoned call may still read the one before
	sent.Clock = counting.Clock{Now: begin, MaxSkew: c.opts.MaxSkew}
	receipt, err := c.opts.Node.Apply(ctx, &sent)
	c.noteCall(b.callers, time.Since(begin))
	if c.opts.Observe != nil {
		c.opts.Observe(Flush{Items: b.Len(), Requests: b.callers, Took: time.Since(begin), Receipt: receipt, Err: err})
	}
	var gap *counting.GapError
	if err == nil || errors.Is(err, counting.ErrStale) || errors.As(err, &gap) {
		c.up()
	} else {
		c.session.failures++
	}
	return receipt, err
}

// up notes that the node answers.
func (c *Committer) up() {
	if c.session.failures == 0 {
		return
	}
	c.session.failures = 0
	c.mu.Lock()
	c.refuse = time.Time{}
	c.mu.Unlock()
}

// backOff refuses callers after downAfter consecutive failures. repeats: the batch will be
// repeated after a pause, and callers are refused until that attempt has ended.
func (c *Committer) backOff(repeats bool) {
	delay := delayAfter(c.session.failures)
	if c.session.failures >= downAfter {
		refuse := time.Now().Add(delay)
		if repeats {
			refuse = refuse.Add(attemptTimeout)
		}
		c.mu.Lock()
		c.refuse = refuse
		c.mu.Unlock()
	}
	if !repeats {
		return
	}
	c.pause(delay)
}

// pause waits, or until the committer has stopped.
func (c *Committer) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.ctx.Done():
	}
}

// makesRoom tells whether a batch was refused because the node has no room, and some is made.
func (c *Committer) makesRoom(err error) bool {
	return errors.Is(err, counting.ErrNoRoom) && c.opts.MakesRoom != nil && c.opts.MakesRoom()
}

// delayAfter is 5 ms, doubling, up to downAfter failures, then 1 s: callers of a node that
// is back are not refused for longer. Half of it is random.
func delayAfter(failures int) time.Duration {
	d := 5 * time.Millisecond << min(failures, downAfter)
	if failures >= downAfter {
		d = time.Second
	}
	return d/2 + rand.N(d/2+1)
}
