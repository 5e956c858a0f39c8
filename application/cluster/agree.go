package cluster

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// nodeState is what one node answered.
type nodeState struct {
	node Node
	sharding.RingState
	err error
}

// nodeStates asks all configured nodes, in the order of their ids, concurrently.
func (c *Cluster) nodeStates(ctx context.Context) []nodeState {
	all := make([]nodeState, 0, len(c.opts.Nodes))
	for _, n := range c.opts.Nodes {
		all = append(all, nodeState{node: n})
	}
	slices.SortFunc(all, func(a, b nodeState) int { return cmp.Compare(a.node.ID(), b.node.ID()) })
	var asking sync.WaitGroup
	for i := range all {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, CallTimeout)
			defer cancel()
			all[i].RingState, all[i].err = all[i].node.RingState(ctx)
		})
	}
	asking.Wait()
	return all
}

// agree returns the ring of the deployment: the newest one that a node has opened. At
// the first start it makes one: the ring for which the first node, in the order of ids,
// was fenced first (design: batches, "first start").
func (c *Cluster) agree(ctx context.Context) (*sharding.Ring, error) {
	var begun *sharding.Ring // unopened ring of the first node
	var since time.Time
	var before error // error of the last round
	for {
		all := c.nodeStates(ctx)
		var states []sharding.RingState
		for _, s := range all {
			if s.err == nil {
				states = append(states, s.RingState)
			}
		}
		if ring := newestOpened(slices.Values(states), 0); ring != nil {
			if err := sameDeployment(ring, all); err != nil {
				return nil, err
			}
			for _, s := range all {
				c.catchUp(ctx, ring, s.node)
			}
			return ring, nil
		}
		first := all[0]
		err := unanswered(all)
		if ctx.Err() != nil && before != nil {
			err = before // now every call fails because of ctx
		}
		switch {
		case err != nil:
		case first.Fenced == nil:
			ring, bad := c.newRing(all)
			if bad != nil {
				return nil, bad
			}
			err = establish(ctx, ring, all)
		case begun == nil || begun.ChangeID() != first.Fenced.ChangeID():
			begun, since = first.Fenced, time.Now()
		case time.Since(since) >= takeOver:
			err = establish(ctx, begun, all)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no ring yet: %w", cmp.Or(err, ctx.Err()))
		case <-time.After(pollStart):
		}
		before = err
	}
}

// unanswered is the error of a node that returned neither a ring nor
// ErrUninitialized.
func unanswered(all []nodeState) error {
	for _, s := range all {
		if s.err != nil && !errors.Is(s.err, counting.ErrUninitialized) {
			return fmt.Errorf("node %s: %w", s.node.ID(), s.err)
		}
	}
	return nil
}

func sameDeployment(ring *sharding.Ring, all []nodeState) error {
	for _, s := range all {
		if s.err == nil && s.Fenced.Deployment() != ring.Deployment() {
			return fmt.Errorf("node %s belongs to another deployment", s.node.ID())
		}
	}
	return nil
}

func (c *Cluster) newRing(all []nodeState) (*sharding.Ring, error) {
	var members []sharding.Member
	for _, s := range all {
		members = append(members, sharding.Member{ID: s.node.ID(), Addr: s.node.Addr(), Weight: 1})
	}
	var seed [8]byte
	_, _ = crand.Read(seed[:]) // never fails
	return sharding.New(crand.Text(), binary.LittleEndian.Uint64(seed[:]), c.opts.Length, crand.Text(), members)
}

// establish fences and then opens all nodes for a ring, one after the other. Of several
// instances that try simultaneously, only one passes the first node.
func establish(ctx context.Context, ring *sharding.Ring, all []nodeState) error {
	for _, s := range all {
		if _, err := s.node.Fence(ctx, ring); err != nil {
			return fmt.Errorf("node %s: %w", s.node.ID(), err)
		}
	}
	for _, s := range all {
		if err := s.node.Open(ctx, ring); err != nil {
			return fmt.Errorf("node %s: %w", s.node.ID(), err)
		}
	}
	return nil
}

// catchUp opens a decided ring on a node that lags. A node that knows no ring came back
// empty; it is left alone, because its data is lost.
func (c *Cluster) catchUp(ctx context.Context, ring *sharding.Ring, n Node) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	p, err := n.RingSummary(ctx)
	if err == nil && p.Opened < ring.Epoch() && p.Fence <= ring.Epoch() {
		if p.Fence < ring.Epoch() {
			_, err = n.Fence(ctx, ring)
		}
		if err == nil {
			err = n.Open(ctx, ring)
		}
	}
	if err != nil && c.ctx.Err() == nil {
		c.opts.Log.Warn("open ring on node failed", "node", n.ID(), "error", err)
	}
}
