package resharding

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// fenceTime is how long the nodes may take to be fenced before the change is
// undone; nobody writes meanwhile. Others would undo it after a second.
const fenceTime = 700 * time.Millisecond

// maker computes the ring after a change of the one of a view.
type maker func(*cluster.View, sharding.Change) (*sharding.Ring, error)

// change makes a change of the ring, unless dry; the arcs move later.
func (s *Service) change(ctx context.Context, dry bool, after maker) (sharding.Plan, error) {
	if s.Locate == nil {
		return sharding.Plan{}, fmt.Errorf("%w: this store is one node", sharding.ErrBadChange)
	}
	from := counting.Window(0) // before which the new table is for no ids
	for range 3 {
		v := s.Cluster.View()
		c, err := s.prepare(ctx, v)
		if err != nil {
			return sharding.Plan{}, err
		}
		c.From = max(c.From, from)
		next, err := after(v, c)
		if err != nil {
			return sharding.Plan{}, err
		}
		if dry {
			return next.Plan(), nil
		}
		if gone := leaving(v, next); len(gone) > 0 {
			if err := s.handOver(ctx, v, next, gone); err != nil {
				return sharding.Plan{}, err
			}
			// That may have taken longer than a window. The oldest one gets no
			// younger, so that nobody else is let go.
			now, err := s.prepare(ctx, v)
			if err != nil {
				return sharding.Plan{}, err
			}
			now.From, now.Oldest = max(now.From, from), min(now.Oldest, c.Oldest)
			if next, err = after(v, now); err != nil {
				return sharding.Plan{}, err
			}
		}
		highest, err := s.install(ctx, v, next)
		if err == nil {
			return next.Plan(), nil
		}
		if !errors.Is(err, errLate) {
			return sharding.Plan{}, err
		}
		from = highest + 2
	}
	return sharding.Plan{}, fmt.Errorf("%w: the clocks of the nodes are too far apart", counting.ErrUnavailable)
}

// errLate: a node had a window already for whose ids the new table was to be.
var errLate = errors.New("the change came too late for its window")

// prepare checks that all nodes are there and that nothing is moving, and asks
// for their windows.
func (s *Service) prepare(ctx context.Context, v *cluster.View) (sharding.Change, error) {
	return s.prepareWithout(ctx, v, nil)
}

// prepareWithout leaves those members out, by their indexes, that are to be
// given up; a change that they have left undecided is passed over. Then arcs may be
// coming, of them alone (othersArrived).
func (s *Service) prepareWithout(ctx context.Context, v *cluster.View, lost []int) (sharding.Change, error) {
	if err := s.ensureDurable(ctx, v, lost); err != nil {
		return sharding.Change{}, err
	}
	c := sharding.Change{ID: crand.Text()}
	var mu sync.Mutex
	err := v.Each(ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if slices.Contains(lost, i) {
			return nil
		}
		p, err := m.RingSummary(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		case p.Opened != v.Epoch() || p.Fence != v.Epoch() && len(lost) == 0:
			return fmt.Errorf("%w: it is at epoch %d of %d", sharding.ErrBusy, p.Opened, p.Fence)
		case p.Incoming > 0 && len(lost) == 0:
			return fmt.Errorf("%w: %d arcs are still coming", sharding.ErrBusy, p.Incoming)
		}
		a, err := m.Heartbeat(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		}
		mu.Lock()
		defer mu.Unlock()
		c.From = max(c.From, a.Current+2)
		c.Above = max(c.Above, p.Fence)
		for _, w := range append(a.Waiting, a.Current) {
			if c.Oldest == 0 || w < c.Oldest {
				c.Oldest = w
			}
		}
		return nil
	})
	return c, err
}

// ensureDurable makes sure that a power cut takes no node back to before it had opened
// the ring of a view and closed what came by it: no ring that follows could be
// brought to it then. Nobody is fenced meanwhile.
func (s *Service) ensureDurable(ctx context.Context, v *cluster.View, lost []int) error {
	return v.Each(ctx, func(call context.Context, i int, m *cluster.Member) error {
		if slices.Contains(lost, i) {
			return nil
		}
		p, err := m.RingSummary(call)
		if err == nil && p.Incoming > 0 && len(lost) == 0 {
			return fmt.Errorf("%w: %d arcs are still coming", sharding.ErrBusy, p.Incoming)
		}
		if err == nil {
			long, cancel := context.WithTimeout(ctx, syncTime)
			defer cancel()
			_, err = m.Confirm(long, v.Table(), nil)
		}
		if errors.Is(err, counting.ErrAhead) || errors.Is(err, counting.ErrStale) {
			return fmt.Errorf("%w: %w", sharding.ErrBusy, err)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		}
		return nil
	})
}

// install makes a ring the one of all nodes: it fences them, has those of the
// ring before approve it, which makes it for good, and opens it. If it can't be
// made, it is undone. It returns the highest window that a node had.
func (s *Service) install(ctx context.Context, v *cluster.View, next *sharding.Ring) (counting.Window, error) {
	nodes, err := s.nodes(next)
	if err != nil {
		return 0, err
	}
	highest, err := fenceAll(ctx, nodes, next)
	if errors.Is(err, errUntouched) {
		return 0, err
	}
	if err == nil && highest >= next.IDTables()[0].From && next.Table() == next.Epoch() {
		err = errLate
	}
	if err == nil && next.Epoch() > v.Epoch()+1 {
		err = s.checkNotSuperseded(ctx, v, nodes)
	}
	if err == nil {
		if err = s.Cluster.Accept(ctx, v, next); err != nil {
			err = fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		}
	}
	// Whoever began it ends it, also when ctx is over.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*cluster.CallTimeout)
	defer cancel()
	if err == nil {
		err = s.Cluster.Publish(ending, next)
		s.nudge() // whoever moves arcs goes by the ring that was brought
		return highest, err
	}
	if undone := s.Cluster.Resolve(ending, v, next.Epoch()); undone != nil {
		return highest, fmt.Errorf("%w, and it isn't undone yet: %w", err, undone)
	}
	if s.Cluster.View().ChangeID() == next.ChangeID() { // it was made, though nobody said so
		s.nudge()
		return highest, nil
	}
	return highest, err
}

// overtaken is an error when a change that was left may have been made: this
// one passed it over (prepareWithout), and nodes are fenced for it since.
func (s *Service) checkNotSuperseded(ctx context.Context, v *cluster.View, nodes []*cluster.Member) error {
	var all []sharding.RingState
	for _, n := range nodes {
		ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
		standing, err := n.RingState(ctx)
		cancel()
		if err != nil {
			return refused(n, err)
		}
		all = append(all, standing)
	}
	if due := v.MustPropose(all); due != v.Ring {
		return fmt.Errorf("%w: change %s was approved before", sharding.ErrBusy, due.ChangeID())
	}
	return nil
}

func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// nodes are those that take part in a ring.
func (s *Service) nodes(r *sharding.Ring) ([]*cluster.Member, error) {
	var nodes []*cluster.Member
	for _, m := range r.Members() {
		if m.State == sharding.Lost {
			continue
		}
		n, err := s.Cluster.Node(m)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// errUntouched: no node was fenced.
var errUntouched = errors.New("nothing was begun")

// fenceAll fences the first node and then the others, so that of several
// changes that begin at once one goes on, and returns their highest window. The
// error is that of a change that can't be made.
func fenceAll(ctx context.Context, nodes []*cluster.Member, next *sharding.Ring) (counting.Window, error) {
	ctx, cancel := context.WithTimeout(ctx, fenceTime)
	defer cancel()
	highest, err := nodes[0].Fence(ctx, next)
	if err = refused(nodes[0], err); err != nil {
		if errors.Is(err, sharding.ErrBusy) {
			err = fmt.Errorf("%w: %w", errUntouched, err)
		}
		return 0, err
	}
	type answer struct {
		window counting.Window
		err    error
	}
	answers := make(chan answer, len(nodes))
	for _, n := range nodes[1:] {
		go func() {
			w, err := n.Fence(ctx, next)
			answers <- answer{w, refused(n, err)}
		}()
	}
	for range nodes[1:] {
		a := <-answers
		highest = max(highest, a.window)
		err = cmp.Or(err, a.err)
	}
	return highest, err
}

// refused says what a node's error means for the change.
func refused(n *cluster.Member, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sharding.ErrConflict), errors.Is(err, counting.ErrStale), errors.Is(err, sharding.ErrMoving):
		return fmt.Errorf("%w: node %s: %w", sharding.ErrBusy, n.ID(), err)
	}
	return fmt.Errorf("%w: node %s: %w", counting.ErrUnavailable, n.ID(), err)
}
