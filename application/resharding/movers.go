package resharding

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

const (
	// workers move arcs at once; each of them rests as long as it works, so
	// that nodes have time for their callers.
	workers = 4
	// round is how many arcs are moved before the nodes are asked again what
	// is left, since other instances move arcs too.
	round = 512
	// together is how many arcs of a destination are confirmed at once: where
	// that waits for a disk that is synced once a second, as many go in one.
	together = 64
	// mostLogged is how many lines an instance writes about arcs that can't be
	// moved: the status and the metrics tell of all.
	mostLogged = 100
)

// group is arcs that go to the same member.
type group []*move

// moveAll moves the arcs that are still coming by a view, until none is left,
// or the view is over, or nothing can be moved now. It returns after how long
// it may be worth to try again.
func (s *Service) moveAll(v *cluster.View) time.Duration {
	pause := time.Second/2 + rand.N(time.Second)
	for s.current(v) {
		groups, soonest := s.left(v)
		if len(groups) == 0 {
			return min(pause, soonest)
		}
		s.moveSome(v, groups)
	}
	return 0
}

// current tells whether moves by a view are worth going on with.
func (s *Service) current(v *cluster.View) bool {
	return s.ctx.Err() == nil && s.Cluster.View().Epoch() == v.Epoch()
}

// left are some of the arcs that are to be moved and aren't left alone, in an
// order of its own, so that instances seldom meet; soonest is when the next of
// the others may be tried again.
func (s *Service) left(v *cluster.View) (groups []group, soonest time.Duration) {
	s.obstacles.of(v.Table())
	arcs, soonest := s.coming(v)
	rand.Shuffle(len(arcs), func(i, j int) { arcs[i], arcs[j] = arcs[j], arcs[i] })
	to, n := make(map[int]group), 0
	for _, arc := range arcs {
		m := s.newMove(v, arc)
		if wait := s.obstacles.waitFor(m); wait > 0 {
			soonest = min(soonest, wait)
			continue
		}
		if n++; n > round {
			break
		}
		to[v.Owner(arc)] = append(to[v.Owner(arc)], m)
	}
	for _, all := range to {
		for some := range slices.Chunk(all, together) {
			groups = append(groups, some)
		}
	}
	return groups, soonest
}

// coming asks the members what is coming to them, but those that are left
// alone.
func (s *Service) coming(v *cluster.View) (arcs []counting.Arc, soonest time.Duration) {
	soonest = time.Hour
	var mu sync.Mutex
	left := 0
	_ = v.Each(s.ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if !v.Coming(i) {
			return nil
		}
		wait := s.obstacles.wait(m.ID())
		var coming []counting.Arc
		var err error
		if wait <= 0 {
			coming, err = m.ComingArcs(ctx, v.Table())
		}
		if err != nil {
			s.obstacles.nodeFailed(m.ID())
			wait = s.obstacles.wait(m.ID())
		}
		mu.Lock()
		defer mu.Unlock()
		if wait > 0 {
			left += len(v.Ring.Coming(m.ID()))
			soonest = min(soonest, wait)
			return nil
		}
		left += len(coming)
		arcs = append(arcs, coming...)
		return nil
	})
	s.keepPace(v.Table(), left)
	return arcs, soonest
}

func (s *Service) moveSome(v *cluster.View, groups []group) {
	next := make(chan group, len(groups))
	for _, g := range groups {
		next <- g
	}
	close(next)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for g := range next {
				s.moveGroup(v, g)
			}
		})
	}
	working.Wait()
}

// moveGroup takes arcs from their sources to the member that they go to. Every
// step can be repeated, and others may be at the same arcs.
func (s *Service) moveGroup(v *cluster.View, g group) {
	var brought group
	for _, m := range g {
		if !s.current(v) {
			return
		}
		if s.obstacles.waitFor(m) > 0 {
			continue
		}
		begin := time.Now()
		closed, err := m.bring()
		if err == nil && !closed {
			brought = append(brought, m)
		} else {
			s.ended(v, m, err)
		}
		rest(s.ctx, time.Since(begin))
	}
	if len(brought) == 0 {
		return
	}
	confirmed, err := brought.confirm()
	if err != nil {
		s.obstacles.nodeFailed(brought[0].destination.ID()) // no arc is to blame
		return
	}
	for i, m := range brought {
		begin := time.Now()
		s.ended(v, m, m.finish(confirmed[i]))
		rest(s.ctx, time.Since(begin))
	}
}

// confirm returns what the destination has of each arc for good.
func (g group) confirm() ([]counting.Intake, error) {
	first := g[0]
	arcs := make([]counting.Arc, len(g))
	for i, m := range g {
		arcs[i] = m.arc
	}
	ctx, cancel := context.WithTimeout(first.ctx, confirmTime)
	defer cancel()
	return first.destination.Confirm(ctx, first.table, arcs)
}

// ended notes what became of an arc.
func (s *Service) ended(v *cluster.View, m *move, err error) {
	if err == nil {
		s.arcs.Add(1)
		s.pages.Add(int64(m.pages))
		s.obstacles.moved(m)
		v.Arrived(m.arc)
		return
	}
	if !s.current(v) {
		return // the steps are refused now
	}
	if _, own := reasonOf(err); !own {
		late := errors.Is(err, context.DeadlineExceeded)                        // whoever is to blame
		there := !late && !errors.Is(err, counting.ErrAhead) && s.answers(m.at) // ahead: the node is behind the ring
		if !there {
			s.obstacles.nodeFailed(m.at.ID())
		}
		if !there && !late {
			return
		}
	}
	if s.obstacles.arcFailed(m, err) && s.logged.Add(1) <= mostLogged {
		s.Log.Error("an arc can't be moved", "arc", m.arc, "from", m.source.ID(), "to", m.destination.ID(), "error", err)
	}
}

// answers tells whether a node that had an error is there: then it is the arc
// that something is wrong with.
func (s *Service) answers(m *cluster.Member) bool {
	ctx, cancel := context.WithTimeout(s.ctx, cluster.CallTimeout)
	defer cancel()
	_, err := m.Pulse(ctx)
	return err == nil
}

func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(min(d, time.Second)):
	case <-ctx.Done():
	}
}
