package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

const (
	// voteTime is how long a node may take for one step of a decision, while
	// nobody writes.
	voteTime = 400 * time.Millisecond
	// settleTries are made until one is left to the next look.
	settleTries = 4
)

// errNoMajority says that too few nodes are there to decide about a change.
var errNoMajority = errors.New("too few nodes answer to decide whether a change is made")

// poll asks every node of the view but the lost ones at once, and returns what
// those answered that did so in time, and the error of one that did not.
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

// decides tells whether the nodes that have answered are enough.
func (v *View) decides(next *sharding.Ring, answers map[counting.NodeID]sharding.RingState, err error) error {
	if v.HasQuorum(next, func(id counting.NodeID) bool { _, ok := answers[id]; return ok }) {
		return nil
	}
	return fmt.Errorf("%w: %w", errNoMajority, err)
}

// Accept has the nodes of a view approve the ring after it, for which they are
// fenced. When it returns no error, that ring is made for good: whoever settles
// the change finishes it (protocols: a change). After an error it may be.
func (c *Cluster) Accept(ctx context.Context, v *View, next *sharding.Ring) error {
	answers, err := v.askAll(ctx, voteTime, func(ctx context.Context, m *Member) (sharding.RingState, error) {
		return sharding.RingState{}, m.Accept(ctx, next)
	})
	return v.decides(next, answers, err)
}

// Settle ends a change that was begun after the ring of a view, and not ended:
// nodes are fenced, the highest of them at fence. If it may have been made for
// good, it is finished, and otherwise undone. An error says that neither could
// be done now.
func (c *Cluster) Resolve(ctx context.Context, v *View, fence counting.Epoch) error {
	var err error
	for try := range settleTries {
		var ring *sharding.Ring
		if ring, err = c.resolve(ctx, v, fence); err == nil {
			return c.Publish(ctx, ring)
		}
		// Others may be at it, too.
		select {
		case <-time.After(rand.N(20 * time.Millisecond << try)):
		case <-ctx.Done():
			return err
		}
	}
	return err
}

// settle tries once, and returns the ring that is decided on.
func (c *Cluster) resolve(ctx context.Context, v *View, fence counting.Epoch) (*sharding.Ring, error) {
	before, err := v.askAll(ctx, glance, func(ctx context.Context, m *Member) (sharding.RingState, error) { return m.RingState(ctx) })
	if newer := v.opened(before); newer != nil {
		return newer, nil
	}
	for _, s := range before {
		fence = max(fence, s.Fenced.Epoch())
	}
	// Settlers that know the same make the same ring, and help each other.
	ring := v.Propose(v.due(before), fence)
	if err := v.decides(ring, before, err); err != nil {
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
	if newer := v.opened(after); newer != nil {
		return newer, nil
	}
	if err := v.decides(ring, after, err); err != nil {
		return nil, err
	}
	if due := v.due(after); due.ChangeID() != ring.ChangeID() {
		return nil, fmt.Errorf("%w: change %s was approved meanwhile", sharding.ErrConflict, due.ChangeID())
	}
	if err := c.Accept(ctx, v, ring); err != nil {
		return nil, err
	}
	c.opts.Log.Info("a change of the ring was settled", "epoch", ring.Epoch(), "undone", ring.ChangeID() == v.ChangeID())
	return ring, nil
}

// opened is the newest ring after the view's that a node has opened.
func (v *View) opened(answers map[counting.NodeID]sharding.RingState) *sharding.Ring {
	var newest *sharding.Ring
	for _, s := range answers {
		if r := s.Opened; r != nil && r.Epoch() > v.Epoch() && (newest == nil || r.Epoch() > newest.Epoch()) {
			newest = r
		}
	}
	return newest
}

func (v *View) due(answers map[counting.NodeID]sharding.RingState) *sharding.Ring {
	standings := make([]sharding.RingState, 0, len(answers))
	for _, s := range answers {
		standings = append(standings, s)
	}
	return v.MustPropose(standings)
}

// Bring adopts a ring that is made for good, and opens it at all nodes; one
// that can't be reached is brought up later.
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
