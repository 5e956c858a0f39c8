// Package resharding changes the ring while it is in use (protocols:
// resharding). Any instance can begin a change; it takes effect at all nodes
// at once, and then every instance moves arcs to their new owners, a little at
// a time, until none is left. Nobody has to survive for that: a change that
// was begun and left is ended by others, and every step of a move can be
// repeated by anyone.
package resharding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Options of a Service.
type Options struct {
	Cluster *cluster.Cluster
	// Locate reads what an operator says about where a node is, and gives it
	// an id that no other member has. Nil: the store is one node, and its
	// ring can't be changed.
	Locate func(where string, members []sharding.Member) (counting.NodeID, string, error)
	Log    *slog.Logger
}

// Service changes the ring and moves arcs. Its methods are safe for concurrent
// use.
type Service struct {
	Options

	ctx    context.Context // of the movers; ends with Stop
	cancel context.CancelFunc
	movers sync.WaitGroup
	wake   chan struct{} // capacity 1: there may be arcs to move

	arcs, pages atomic.Int64 // moved by this instance

	obstacles backoffs     // in the way of the moves of the newest table
	logged    atomic.Int64 // arcs that can't be moved

	mu    sync.Mutex
	began pace
	swept *sharding.Sweep
}

// New makes a service on a cluster, which must have been started when the
// other methods are called.
func New(o Options) *Service {
	s := &Service{Options: o, wake: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start begins to move arcs whenever there are some.
func (s *Service) Start(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil {
		s.movers.Go(s.run)
	}
	return nil
}

// Stop ends that. What was begun is gone on with by others, or later.
func (s *Service) Stop(context.Context) error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.movers.Wait() // every call has a deadline and ends with the context
	return nil
}

// Add lets a new, empty node in and returns what moves. With dry nothing is
// changed: this is what would. Its errors, and those of the other changes:
// sharding.ErrBadChange, ErrBusy, ErrNotEmpty, ErrAnswers and
// counting.ErrUnavailable say that nothing was changed; after any other the
// status tells.
func (s *Service) Add(ctx context.Context, where string, weight int, dry bool) (sharding.Plan, error) {
	return s.explainBusy(s.change(ctx, dry, func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) {
		id, addr, err := s.Locate(where, v.Members())
		if err != nil {
			return nil, fmt.Errorf("%w: %w", sharding.ErrBadChange, err)
		}
		next, err := v.Add(c, sharding.Member{ID: id, Addr: addr, Weight: weight})
		if err != nil {
			return nil, err
		}
		node, err := s.Cluster.Node(sharding.Member{ID: id, Addr: addr})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", sharding.ErrBadChange, err)
		}
		return next, s.checkEmpty(ctx, node, v)
	}))
}

// told adds to the refusal of a change which arcs hold it up, and why.
func (s *Service) explainBusy(p sharding.Plan, err error) (sharding.Plan, error) {
	stuck := s.obstacles.stuck(s.Cluster.View().Table())
	if len(stuck) > 0 && errors.Is(err, sharding.ErrBusy) {
		a := stuck[0]
		err = fmt.Errorf("%w; %d can't be moved, such as arc %d from %s to %s: %s", err, len(stuck), a.Arc, a.From, a.To, a.Why)
	}
	return p, err
}

// checkEmpty makes sure that a node holds nothing of any deployment.
func (s *Service) checkEmpty(ctx context.Context, n *cluster.Member, v *cluster.View) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	standing, err := n.RingState(ctx)
	switch {
	case errors.Is(err, counting.ErrUninitialized):
		return nil
	case errors.Is(err, counting.ErrWrongNode):
		return fmt.Errorf("%w: it is another node", sharding.ErrNotEmpty)
	case err != nil:
		return fmt.Errorf("%w: node %s: %w", counting.ErrUnavailable, n.ID(), err)
	case standing.Opened != nil || standing.Fenced.Deployment() != v.Deployment():
		return fmt.Errorf("%w: it has been in a ring", sharding.ErrNotEmpty)
	}
	return nil // it was to enter by a change that was undone
}

// Reweight gives a node another weight.
func (s *Service) Reweight(ctx context.Context, id counting.NodeID, weight int, dry bool) (sharding.Plan, error) {
	return s.explainBusy(s.change(ctx, dry, func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) {
		return v.Reweight(c, id, weight)
	}))
}

// Remove drains a node. When its arcs have gone, the windows are closed that it
// has ids of, and others have what it knows of windows, it is forgotten; until
// then it must go on.
func (s *Service) Remove(ctx context.Context, id counting.NodeID, dry bool) (sharding.Plan, error) {
	return s.explainBusy(s.change(ctx, dry, func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) {
		return v.Remove(c, id)
	}))
}

// run moves arcs and tidies up until the service stops.
func (s *Service) run() {
	for s.ctx.Err() == nil {
		v := s.Cluster.View()
		pause := s.moveAll(v)
		s.tidy(v)
		select {
		case <-s.ctx.Done():
		case <-s.wake:
		case <-time.After(pause):
		}
	}
}

// tidy lets go of members that have left, once nothing is needed of them but what
// it gives to others before.
func (s *Service) tidy(v *cluster.View) {
	gone := false
	for i, m := range v.Members() {
		if v.Incoming(i) && !v.Away(i) {
			return
		}
		gone = gone || m.State != sharding.Active
	}
	if !gone || rand.N(4) > 0 { // not all instances at once
		return
	}
	plan, err := s.change(s.ctx, false, func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) {
		next, ok := v.Tidy(c)
		if !ok {
			return nil, errNothing
		}
		return next, nil
	})
	switch {
	case err == nil:
		s.Log.Info("members that have left are forgotten", "epoch", plan.Epoch)
	case errors.Is(err, errKept):
		s.Log.Warn("a member that has left can't be let go", "error", err)
	}
}

var errNothing = errors.New("nothing to do")
