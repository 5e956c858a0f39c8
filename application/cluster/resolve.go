package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// errNoMajority: too few nodes answer for a decision about a change.
var errNoMajority = errors.New("too few nodes answer to decide about a change of the ring")

// checkQuorum is errNoMajority, with the error of a node, unless the nodes that
// answered are enough to decide on a ring.
func checkQuorum[T any](v *View, next *sharding.Ring, answers []Answer[*Member, T]) error {
	answered := func(id counting.NodeID) bool {
		return slices.ContainsFunc(answers, func(a Answer[*Member, T]) bool { return a.From.ID() == id && a.Err == nil })
	}
	if !v.HasQuorum(next, answered) {
		return fmt.Errorf("%w: %w", errNoMajority, firstError(answers))
	}
	return nil
}

// Accept is the accept phase of a ballot: the nodes of a view accept the ring after it,
// for which they are fenced. If it returns nil, a majority has accepted, and the ring
// is decided: every later ballot proposes it (design: ring). After an error the ring
// may be decided.
func (c *Cluster) Accept(ctx context.Context, v *View, next *sharding.Ring) error {
	answers := Ask(ctx, voteTime, v.Present(), func(ctx context.Context, m *Member) (any, error) { return nil, m.Accept(ctx, next) })
	return checkQuorum(v, next, answers)
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
		if Pause(ctx, rand.N(resolvePause<<try)); ctx.Err() != nil {
			return err
		}
	}
	return err
}

// resolve is one ballot: it reads, prepares and accepts. It returns the decided ring.
func (c *Cluster) resolve(ctx context.Context, v *View, fence counting.Epoch) (*sharding.Ring, error) {
	read := func(ctx context.Context, m *Member) (sharding.RingState, error) { return m.RingState(ctx) }
	before := Ask(ctx, glance, v.Present(), read)
	if there, hangUp := c.elsewhere(v, before); there != v {
		defer hangUp()
		v, before = there, Ask(ctx, glance, there.Present(), read)
	}
	if newer := newestOpened(values(before), v.Epoch()); newer != nil {
		return newer, nil
	}
	for _, s := range values(before) {
		fence = max(fence, s.Fenced.Epoch())
	}
	// Instances that have read the same propose the same ring, and help each other.
	ring := v.Propose(v.MustPropose(values(before)), fence)
	if err := checkQuorum(v, ring, before); err != nil {
		return nil, err
	}
	var answered []*Member
	for _, a := range before {
		if a.Err == nil && ring.Index(a.From.ID()) >= 0 {
			answered = append(answered, a.From)
		}
	}
	after := Ask(ctx, voteTime, answered, func(ctx context.Context, m *Member) (sharding.RingState, error) {
		if _, err := m.Fence(ctx, ring); err != nil {
			return sharding.RingState{}, err
		}
		return m.RingState(ctx)
	})
	if newer := newestOpened(values(after), v.Epoch()); newer != nil {
		return newer, nil
	}
	if err := checkQuorum(v, ring, after); err != nil {
		return nil, err
	}
	if due := v.MustPropose(values(after)); due.ChangeID() != ring.ChangeID() {
		return nil, fmt.Errorf("%w: change %s was accepted meanwhile", sharding.ErrConflict, due.ChangeID())
	}
	if err := c.Accept(ctx, v, ring); err != nil {
		return nil, err
	}
	c.opts.Log.Info("change of the ring resolved", "epoch", ring.Epoch(), "rolled_back", ring.ChangeID() == v.ChangeID())
	return ring, nil
}

// newestOpened is the newest ring above an epoch that a node has opened; nil for none.
func newestOpened(states []sharding.RingState, above counting.Epoch) (newest *sharding.Ring) {
	for _, s := range states {
		if s.Opened != nil && s.Opened.Epoch() > above {
			newest, above = s.Opened, s.Opened.Epoch()
		}
	}
	return newest
}

// Publish is the learn phase: it adopts a decided ring and opens it on all nodes. A
// node that does not answer opens it later (watch, catchUp).
func (c *Cluster) Publish(ctx context.Context, ring *sharding.Ring) error {
	if err := c.adopt(ring); err != nil {
		return err
	}
	v := c.View()
	return v.Each(ctx, func(ctx context.Context, _ int, m *Member) error {
		c.catchUp(ctx, v.Ring, m.Node)
		return nil
	})
}
