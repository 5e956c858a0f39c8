package resharding

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
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
		highest, err := s.install(ctx, v, next)
		if err == nil && highest < c.From {
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
	return s.prepareWithout(ctx, v, -1)
}

// prepareWithout leaves one member out, which is to be given up; a change that
// it has left undecided is passed over.
func (s *Service) prepareWithout(ctx context.Context, v *cluster.View, lost int) (sharding.Change, error) {
	c := sharding.Change{ID: crand.Text()}
	var mu sync.Mutex
	err := v.Each(ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if i == lost {
			return nil
		}
		p, err := m.Pulse(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", counting.ErrUnavailable, err)
		case p.Opened != v.Epoch() || p.Fence != v.Epoch() && lost < 0:
			return fmt.Errorf("%w: it is at epoch %d of %d", sharding.ErrBusy, p.Opened, p.Fence)
		case p.Coming > 0:
			return fmt.Errorf("%w: %d arcs are still coming", sharding.ErrBusy, p.Coming)
		}
		a, err := m.Attend(ctx)
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

// install makes a ring the one of all nodes: it fences them, the arbiter
// first, and opens the ring, the arbiter first; when that one has opened it the
// change is made for good. If it can't be, it is undone. It returns the highest
// window that a node had.
func (s *Service) install(ctx context.Context, v *cluster.View, next *sharding.Ring) (counting.Window, error) {
	arbiter, err := s.arbiter(v, next)
	if err != nil {
		return 0, err
	}
	nodes, err := s.nodes(next)
	if err != nil {
		return 0, err
	}
	highest, err := fenceAll(ctx, arbiter, nodes, next)
	if err == nil && highest >= next.IDTables()[0].From && next.Table() == next.Epoch() {
		err = errLate
	}
	if err == nil {
		err = openAt(ctx, arbiter, next)
	}
	// Whoever began it ends it, also when ctx is over.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*cluster.CallTimeout)
	defer cancel()
	if err == nil {
		err = s.Cluster.Bring(ending, next)
		s.nudge() // whoever moves arcs goes by the ring that was brought
		return highest, err
	}
	if undone := s.Cluster.Settle(ending, v, next.Epoch()); undone != nil {
		return highest, fmt.Errorf("%w, and it isn't undone yet: %w", err, undone)
	}
	if s.Cluster.View().ChangeID() == next.ChangeID() { // it was made, though nobody said so
		s.nudge()
		return highest, nil
	}
	return highest, err
}

func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// arbiter decides whether the ring after v's is made for good. One that is
// given up by it decides nothing any more.
func (s *Service) arbiter(v *cluster.View, next *sharding.Ring) (*cluster.Member, error) {
	id := v.Arbiter()
	if at := next.Index(id); at >= 0 && next.Members()[at].State == sharding.Lost {
		id = next.Arbiter()
	}
	m := v.Members()[v.Index(id)]
	return s.Cluster.Node(m.ID, m.Addr)
}

// nodes are those that take part in a ring.
func (s *Service) nodes(r *sharding.Ring) ([]*cluster.Member, error) {
	var nodes []*cluster.Member
	for _, m := range r.Members() {
		if m.State == sharding.Lost {
			continue
		}
		n, err := s.Cluster.Node(m.ID, m.Addr)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// fenceAll fences the arbiter and then the others, and returns their highest
// window. The error is that of a change that can't be made.
func fenceAll(ctx context.Context, arbiter *cluster.Member, nodes []*cluster.Member, next *sharding.Ring) (counting.Window, error) {
	ctx, cancel := context.WithTimeout(ctx, fenceTime)
	defer cancel()
	highest, err := arbiter.Fence(ctx, next)
	if err != nil {
		return 0, refused(arbiter, err)
	}
	type answer struct {
		window counting.Window
		err    error
	}
	answers := make(chan answer, len(nodes))
	for _, n := range nodes {
		go func() {
			w, err := n.Fence(ctx, next)
			answers <- answer{w, refused(n, err)}
		}()
	}
	for range nodes {
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

// openAt opens a ring at the arbiter.
func openAt(ctx context.Context, arbiter *cluster.Member, next *sharding.Ring) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	return refused(arbiter, arbiter.Open(ctx, next))
}
