package cluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// errNoMajority: too few nodes answer for a decision about a change.
var errNoMajority = errors.New("too few nodes answer to decide about a change of the ring")

// askAll asks every node of the view but the lost ones, concurrently. It returns the
// answers that came in time, and the error of a node that did not answer.
func (v *View) askAll(ctx context.Context, within time.Duration, ask func(context.Context, *Member) (sharding.RingState, error)) (map[counting.NodeID]sharding.RingState, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answers := make(map[counting.NodeID]sharding.RingState, len(v.Nodes))
	var mu sync.Mutex
	err := v.Each(ctx, func(ctx context.Context, _ int, m *Member) error {
		s, err := ask(ctx, m)
		if err == nil {
			mu.Lock()
			answers[m.ID()] = s
			mu.Unlock()
		}
		return err
	})
	return answers, err
}

// checkQuorum is errNoMajority, with the error of a node, unless the nodes that
// answered are enough to decide on a ring.
func (v *View) checkQuorum(next *sharding.Ring, answers map[counting.NodeID]sharding.RingState, err error) error {
	if v.HasQuorum(next, func(id counting.NodeID) bool { _, ok := answers[id]; return ok }) {
		return nil
	}
	return fmt.Errorf("%w: %w", errNoMajority, err)
}

// Accept is the accept phase of a ballot: the nodes of a view accept the ring after it,
// for which they are fenced. If it returns nil, a majority has accepted, and the ring
// is decided: every later ballot proposes it (design: ring). After an error the ring
// may be decided.
func (c *Cluster) Accept(ctx context.Context, v *View, next *sharding.Ring) error {
	answers, err := v.askAll(ctx, voteTime, func(ctx context.Context, m *Member) (sharding.RingState, error) {
		return sharding.RingState{}, m.Accept(ctx, next)
	})
	return v.checkQuorum(next, answers, err)
}

// Resolve ends an interrupted change of a view's ring, for which nodes are fenced, the
// highest of them at fence. It finishes the change if it may have been decided, and
// rolls it back otherwise. An error says that it could do neither now.
func (c *Cluster) Resolve(ctx context.Context, v *View, fence counting.Epoch) error {
	var err error
	for try := range resolveTries {
		var ring *sharding.Ring
		if ring, err = c.resolve(ctx, v, fence); err == nil {
			return c.Publish(ctx, ring)
		}
		// Other instances may resolve it, too.
		select {
		case <-time.After(rand.N(resolvePause << try)):
		case <-ctx.Done():
			return err
		}
	}
	return err
}

// resolve is one ballot: it reads, prepares and accepts. It returns the decided ring.
func (c *Cluster) resolve(ctx context.Context, v *View, fence counting.Epoch) (*sharding.Ring, error) {
	before, err := v.askAll(ctx, glance, func(ctx context.Context, m *Member) (sharding.RingState, error) { return m.RingState(ctx) })
	if newer := newestOpened(maps.Values(before), v.Epoch()); newer != nil {
		return newer, nil
	}
	for _, s := range before {
		fence = max(fence, s.Fenced.Epoch())
	}
	// Instances that have read the same propose the same ring, and help each other.
	ring := v.Propose(v.due(before), fence)
	if err := v.checkQuorum(ring, before, err); err != nil {
		return nil, err
	}
	after, err := v.askAll(ctx, voteTime, func(ctx context.Context, m *Member) (sharding.RingState, error) {
		if _, ok := before[m.ID()]; !ok || ring.Index(m.ID()) < 0 {
			return sharding.RingState{}, counting.ErrUnavailable
		}
		if _, err := m.Fence(ctx, ring); err != nil {
			return sharding.RingState{}, err
		}
		return m.RingState(ctx)
	})
	if newer := newestOpened(maps.Values(after), v.Epoch()); newer != nil {
		return newer, nil
	}
	if err := v.checkQuorum(ring, after, err); err != nil {
		return nil, err
	}
	if due := v.due(after); due.ChangeID() != ring.ChangeID() {
		return nil, fmt.Errorf("%w: change %s was accepted meanwhile", sharding.ErrConflict, due.ChangeID())
	}
	if err := c.Accept(ctx, v, ring); err != nil {
		return nil, err
	}
	c.opts.Log.Info("change of the ring resolved", "epoch", ring.Epoch(), "rolled_back", ring.ChangeID() == v.ChangeID())
	return ring, nil
}

// newestOpened is the newest ring above an epoch that a node has opened; nil for none.
func newestOpened(states iter.Seq[sharding.RingState], above counting.Epoch) (newest *sharding.Ring) {
	for s := range states {
		if s.Opened != nil && s.Opened.Epoch() > above {
			newest, above = s.Opened, s.Opened.Epoch()
		}
	}
	return newest
}

// due is the ring that has to be proposed by the answers.
func (v *View) due(answers map[counting.NodeID]sharding.RingState) *sharding.Ring {
	return v.MustPropose(slices.Collect(maps.Values(answers)))
}

// Publish is the learn phase: it adopts a decided ring and opens it on all nodes. A
// node that does not answer opens it later (watch, catchUp).
func (c *Cluster) Publish(ctx context.Context, ring *sharding.Ring) error {
	if err := c.adopt(ring); err != nil {
		return err
	}
	v := c.View()
	return v.Each(ctx, func(ctx context.Context, _ int, m *Member) error {
		c.catchUp(ctx, v.Ring, m)
		return nil
	})
}
