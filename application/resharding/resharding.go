// Package resharding changes the ring while it is in use (design: ring). Any instance
// can coordinate a change (transition.go). Then all instances move arcs to their new
// owners (movers.go), a few at a time, until none is left. No instance has to survive:
// other instances resolve an interrupted change, and any instance can repeat any step
// of a move.
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
	// Locate parses an operator's address of a node, and picks an id that no
	// other member has. Nil: the store is one node, and its ring can't change.
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
	excess      atomic.Int64 // of these pages, those whose sum passed 2^63-1

	backoffs backoffs     // of the moves to the newest table
	moving   moving       // used by run only
	logged   atomic.Int64 // errors of arcs

	mu    sync.Mutex
	swept *sharding.Sweep
}

// New makes a service on a cluster. The cluster must be started before any other
// method is called.
func New(o Options) *Service {
	s := &Service{Options: o, wake: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start moves arcs in the background from now on, unless the store is one node.
func (s *Service) Start(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil && s.Locate != nil {
		s.movers.Go(s.run)
	}
	return nil
}

// Stop ends that. Other instances continue interrupted moves.
func (s *Service) Stop(context.Context) error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.movers.Wait() // every call has a deadline and ends with the context
	return nil
}

// Add adds a new, empty node and returns what moves. With dry it changes nothing and
// returns what would move. After these errors of Add, Reweight, Remove and Abandon
// nothing is changed: sharding.ErrBadChange, ErrFixed, ErrBusy, ErrNotEmpty, ErrAnswers,
// ErrMinority, counting.ErrUnavailable. After any other, Status shows the result.
func (s *Service) Add(ctx context.Context, where string, weight int, dry bool) (sharding.Plan, error) {
	return s.change(ctx, dry, func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) {
		id, addr, err := s.Locate(where, v.Members())
		if err != nil {
			return nil, fmt.Errorf("%w: %w", sharding.ErrBadChange, err)
		}
		joining := sharding.Member{ID: id, Addr: addr, Weight: weight}
		next, err := v.Add(c, joining)
		if err != nil {
			return nil, err
		}
		return next, s.Cluster.Probe(ctx, joining, checkEmpty)
	})
}

// Reweight gives a node another weight.
func (s *Service) Reweight(ctx context.Context, id counting.NodeID, weight int, dry bool) (sharding.Plan, error) {
	return s.change(ctx, dry, func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) { return v.Reweight(c, id, weight) })
}

// Remove drains a node. A later change drops it from the ring, when its arcs have
// moved, the windows of which it has ids are closed, and its ledger entries are
// copied. Until then it has to stay up.
func (s *Service) Remove(ctx context.Context, id counting.NodeID, dry bool) (sharding.Plan, error) {
	return s.change(ctx, dry, func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) { return v.Remove(c, id) })
}

// Abandon removes nodes that are permanently lost, with their data: their pages start
// elsewhere with what had not been moved to them yet, mostly at 0. The losses are
// recorded in the ring. All nodes that are away have to be abandoned together. The plan
// says what is lost. With dry nothing is.
func (s *Service) Abandon(ctx context.Context, dry bool, ids ...counting.NodeID) (sharding.Plan, error) {
	abandon := func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) { return v.Abandon(c, ids...) }
	plan, err := s.change(ctx, dry, abandon, ids...)
	if err == nil && !dry {
		s.Log.Error("nodes were abandoned with their data", "nodes", ids, "epoch", plan.Epoch)
	}
	return plan, err
}

// Repair finishes or rolls back an interrupted change, opens the ring on nodes that
// lag, retries moves that failed immediately, and sweeps the nodes. Status shows what
// the sweep found.
func (s *Service) Repair(ctx context.Context) error {
	st := s.Status(ctx)
	v := s.Cluster.View()
	var err error
	if st.Fence > v.Epoch() {
		err = s.Cluster.Resolve(ctx, v, st.Fence)
	} else {
		err = s.Cluster.Publish(ctx, v.Ring)
	}
	s.backoffs.retry()
	s.nudge()
	if err == nil {
		s.sweep(ctx, s.Cluster.View())
	}
	return err
}

// explainBusy adds to an ErrBusy which arcs hold the change up, and why.
func (s *Service) explainBusy(err error) error {
	stuck := s.backoffs.stuck(s.Cluster.View().Table())
	if len(stuck) > 0 && errors.Is(err, sharding.ErrBusy) {
		a := stuck[0]
		err = fmt.Errorf("%w; %d can't be moved, such as arc %d from %s to %s: %s", err, len(stuck), a.Arc, a.From, a.To, a.Why)
	}
	return err
}

// checkEmpty checks that a node has no data of any deployment.
func checkEmpty(ctx context.Context, n cluster.Node) error {
	state, err := n.RingState(ctx)
	switch {
	case errors.Is(err, counting.ErrUninitialized):
		return nil
	case errors.Is(err, counting.ErrWrongNode):
		return fmt.Errorf("%w: it is another node", sharding.ErrNotEmpty)
	case errors.Is(err, counting.ErrOtherDeployment):
		return fmt.Errorf("%w: it belongs to another deployment", sharding.ErrNotEmpty)
	case err != nil:
		return counting.Mark(cluster.Named(n.ID(), err), counting.ErrUnavailable)
	case state.Opened != nil:
		return fmt.Errorf("%w: it has been in a ring", sharding.ErrNotEmpty)
	}
	return nil // it was to join by a change that was rolled back
}

// run moves arcs, and drops members, until the service stops.
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

// tidy drops members that have left the ring, once no window needs them.
func (s *Service) tidy(v *cluster.View) {
	gone := false
	for i, m := range v.Members() {
		if v.MayReceive(i) && !v.Away(i) {
			return
		}
		gone = gone || m.State != sharding.Active
	}
	if !gone || rand.N(4) > 0 { // so that instances seldom try simultaneously
		return
	}
	plan, err := s.change(s.ctx, false, func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) { return v.Tidy(c) })
	switch {
	case err == nil:
		s.Log.Info("members that have left are dropped", "epoch", plan.Epoch, "nodes", plan.Members)
	case errors.Is(err, errKept):
		s.Log.Warn("drop member that has left failed", "error", err)
	}
}
