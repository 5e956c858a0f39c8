package cluster

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// nodeState is what one node answered.
type nodeState = Answer[Node, sharding.RingState]

// agree returns the ring of the deployment: the newest one that a node has opened. At
// the first start it makes one: the ring for which the first node, in the order of ids,
// was fenced first (design: batches, "first start"). A first start fails at once when a
// node can't be used (counting.ErrUnusable). Every start fails
// at once when nodes can't be of one deployment (foreign, checkPartitions).
func (c *Cluster) agree(ctx context.Context) (*sharding.Ring, error) {
	nodes := slices.SortedFunc(slices.Values(c.opts.Nodes), func(a, b Node) int { return cmp.Compare(a.ID(), b.ID()) })
	var begun *sharding.Ring // unopened ring of the first node
	var since time.Time
	var before error // error of the last round
	began, waiting := time.Now(), false
	for {
		all := Ask(ctx, CallTimeout, nodes, func(ctx context.Context, n Node) (sharding.RingState, error) { return n.RingState(ctx) })
		if err := cmp.Or(foreign(all), checkPartitions(all)); err != nil {
			return nil, err
		}
		if ring := newestOpened(values(all), 0); ring != nil {
			Ask(ctx, CallTimeout, nodes, func(ctx context.Context, n Node) (any, error) {
				c.catchUp(ctx, ring, n)
				return nil, nil
			})
			return ring, nil
		}
		fenced := all[0].Value.Fenced
		err := unanswered(all)
		if ctx.Err() != nil && before != nil {
			err = before // now every call fails because of ctx
		}
		if errors.Is(err, counting.ErrUnusable) {
			return nil, fmt.Errorf("start: %w", err)
		}
		if err != nil && !waiting && time.Since(began) > quietStart {
			waiting = true
			c.opts.Log.Warn("waiting for nodes of the first start", "error", err)
		}
		switch {
		case err != nil:
		case fenced == nil:
			ring, bad := c.newRing(all)
			if bad != nil {
				return nil, bad
			}
			err = c.establish(ctx, ring, all)
		case begun == nil || begun.ChangeID() != fenced.ChangeID():
			begun, since = fenced, time.Now()
		case time.Since(since) >= takeOver:
			err = c.establish(ctx, begun, all)
		}
		if Pause(ctx, pollStart); ctx.Err() != nil {
			return nil, notStarted(err, ctx.Err())
		}
		before = err
	}
}

// notStarted is the error of a start that ran out of time. last is that of the last round.
func notStarted(last, end error) error {
	if last == nil {
		return fmt.Errorf("start: the nodes have not agreed on a ring: %w", end)
	}
	return fmt.Errorf("start: %w; start that server, or correct FOOTFALL_STORE", last)
}

// unanswered is the error of a node that returned neither a ring nor
// ErrUninitialized.
func unanswered(all []nodeState) error {
	for _, s := range all {
		if s.Err != nil && !errors.Is(s.Err, counting.ErrUninitialized) {
			return Named(s.From.ID(), s.Err)
		}
	}
	return nil
}

// foreign is an error if a node can't be part of one deployment with the others, so that no
// wait helps.
func foreign(all []nodeState) error {
	var first *nodeState // that has opened a ring
	for i, s := range all {
		if errors.Is(s.Err, counting.ErrNewerFormat) {
			return Named(s.From.ID(), s.Err)
		}
		if first == nil && s.Err == nil && s.Value.Opened != nil {
			first = &all[i]
		}
	}
	for _, s := range all {
		if first == nil && errors.Is(s.Err, counting.ErrWrongNode) {
			return fmt.Errorf("%w; correct FOOTFALL_STORE", Named(s.From.ID(), s.Err))
		}
		if first == nil || s.Err != nil {
			continue
		}
		if of := first.Value.Fenced.Deployment(); s.Value.Fenced.Deployment() != of {
			return fmt.Errorf("node %s belongs to another deployment than node %s: %s and %s; correct FOOTFALL_STORE",
				s.From.ID(), first.From.ID(), s.Value.Fenced.Deployment(), of)
		}
	}
	return nil
}

func (c *Cluster) newRing(all []nodeState) (*sharding.Ring, error) {
	var members []sharding.Member
	for _, s := range all {
		members = append(members, sharding.Member{ID: s.From.ID(), Addr: s.From.Addr(), Weight: 1})
	}
	var seed [8]byte
	_, _ = crand.Read(seed[:]) // never fails
	ring, err := sharding.New(crand.Text(), binary.LittleEndian.Uint64(seed[:]), c.opts.Length, crand.Text(), members)
	if err != nil {
		return nil, err
	}
	return ring.Named(c.opts.Name)
}

// establish fences and then opens all nodes for a ring, one after the other. Of several
// instances that try simultaneously, only one passes the first node.
func (c *Cluster) establish(ctx context.Context, ring *sharding.Ring, all []nodeState) error {
	for _, s := range all {
		if _, err := s.From.Fence(ctx, ring); err != nil {
			return Named(s.From.ID(), err)
		}
	}
	for _, s := range all {
		if err := s.From.Open(ctx, ring); err != nil {
			return Named(s.From.ID(), err)
		}
	}
	c.opts.Log.Warn("first start: the store was empty, so this is a new deployment, and all counts begin at 0; "+
		"if there were counts before, correct FOOTFALL_STORE or restore them, and otherwise do nothing", "deployment", ring.Deployment())
	return nil
}

// catchUp opens a decided ring on a node that lags. A node that knows no ring came back
// empty; it is left alone, because its data is lost. So is a server at an address that its
// member has left.
func (c *Cluster) catchUp(ctx context.Context, ring *sharding.Ring, n Node) {
	if c.isFormer(ring, n) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	p, err := n.RingSummary(ctx)
	if err == nil && p.Opened < ring.Epoch() && p.Fence <= ring.Epoch() {
		if p.Fence < ring.Epoch() {
			_, err = n.Fence(ctx, ring)
		}
		if err == nil {
			c.beginHistory(ctx, ring, n)
			err = n.Open(ctx, ring)
		}
	}
	if err != nil && c.ctx.Err() == nil {
		c.opts.Log.Warn("open ring on node failed", "node", n.ID(), "error", err)
	}
}
