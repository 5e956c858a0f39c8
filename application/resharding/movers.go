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
	// mostLogged is how many lines an instance writes about arcs that can't be
	// moved: the status and the metrics tell of all.
	mostLogged = 100
)

// group is arcs of which a member is asked at once.
type group []*move

// moveAll moves the arcs that are still coming by a view, until none is left,
// or the view is over, or nothing can be moved now. It returns after how long
// it may be worth to try again.
func (s *Service) moveAll(v *cluster.View) time.Duration {
	pause := time.Second/2 + rand.N(time.Second)
	for s.current(v) {
		some, soonest := s.left(v)
		if len(some) == 0 {
			return min(pause, soonest)
		}
		s.moveSome(v, s.claim(v, some))
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
func (s *Service) left(v *cluster.View) (some group, soonest time.Duration) {
	s.backoffs.of(v.Table())
	arcs, soonest := s.coming(v)
	rand.Shuffle(len(arcs), func(i, j int) { arcs[i], arcs[j] = arcs[j], arcs[i] })
	for _, arc := range arcs {
		m := s.newMove(v, arc)
		if wait := s.backoffs.waitFor(m); wait > 0 {
			soonest = min(soonest, wait)
			continue
		}
		if some = append(some, m); len(some) == round {
			break
		}
	}
	return some, soonest
}

// by parts arcs by the member that is to be asked of them.
func (g group) by(asked func(*move) *cluster.Member) (groups []group) {
	of := make(map[*cluster.Member]group)
	for _, m := range g {
		of[asked(m)] = append(of[asked(m)], m)
	}
	for _, all := range of {
		groups = slices.AppendSeq(groups, slices.Chunk(all, counting.MaxTogether))
	}
	return groups
}

// claim freezes arcs at their sources, at all of them at once, and returns those
// that are: all of a round, so that they wait for the disks once. Nothing may be
// done at a destination before.
func (s *Service) claim(v *cluster.View, g group) (claimed group) {
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, some := range g.by(func(m *move) *cluster.Member { return m.source }) {
		asking.Go(func() {
			found := s.claimGroup(v, some)
			mu.Lock()
			defer mu.Unlock()
			claimed = append(claimed, found...)
		})
	}
	asking.Wait()
	return claimed
}

// claimGroup claims arcs of one source.
func (s *Service) claimGroup(v *cluster.View, g group) (claimed group) {
	source := g[0].source
	found, err := ask(g, source, source.ClaimArcs)
	if err != nil {
		s.failed(v, err, g...)
		return nil
	}
	for i, m := range g {
		if m.claimed = found[i]; m.claimed.Err != nil {
			s.failed(v, m.claimed.Err, m)
			continue
		}
		claimed = append(claimed, m)
	}
	return claimed
}

// ask calls a member for all arcs of a group, which may take as long as a sync.
func ask[T any](g group, at *cluster.Member, call func(context.Context, counting.Epoch, []counting.Arc) ([]T, error)) ([]T, error) {
	arcs := make([]counting.Arc, len(g))
	for i, m := range g {
		m.at, m.since, arcs[i] = at, time.Now(), m.arc
	}
	ctx, cancel := context.WithTimeout(g[0].ctx, cluster.SyncTime)
	defer cancel()
	return call(ctx, g[0].table, arcs)
}

// coming asks the members what is coming to them, but those that are left
// alone.
func (s *Service) coming(v *cluster.View) (arcs []counting.Arc, soonest time.Duration) {
	soonest = time.Hour
	var mu sync.Mutex
	left := 0
	_ = v.Each(s.ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if !v.Incoming(i) {
			return nil
		}
		begin, wait := time.Now(), s.backoffs.wait(m.ID())
		var coming []counting.Arc
		var err error
		if wait <= 0 {
			coming, err = m.IncomingArcs(ctx, v.Table())
		}
		if err != nil {
			s.backoffs.nodeFailed(m.ID(), time.Since(begin))
			wait = s.backoffs.wait(m.ID())
		}
		mu.Lock()
		defer mu.Unlock()
		if wait > 0 {
			left += len(v.Ring.Incoming(m.ID()))
			soonest = min(soonest, wait)
			return nil
		}
		left += len(coming)
		arcs = append(arcs, coming...)
		return nil
	})
	if soonest == time.Hour { // all that could have some were asked
		s.backoffs.keepOnly(arcs)
	}
	s.keepPace(v.Table(), left)
	return arcs, soonest
}

// moveSome takes claimed arcs over.
func (s *Service) moveSome(v *cluster.View, g group) {
	groups := g.by(func(m *move) *cluster.Member { return m.destination })
	next := make(chan group, len(groups))
	for _, some := range groups {
		next <- some
	}
	close(next)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for some := range next {
				s.moveGroup(v, some)
			}
		})
	}
	working.Wait()
}

// moveGroup takes claimed arcs from their sources to the member that they go to. Every
// step can be repeated, and others may be at the same arcs.
func (s *Service) moveGroup(v *cluster.View, g group) {
	var brought group
	for _, m := range g {
		if !s.current(v) {
			return
		}
		if s.backoffs.waitFor(m) > 0 {
			continue
		}
		begin := time.Now()
		switch closed, err := m.bring(); {
		case errors.Is(err, errOvertaken):
		case err == nil && !closed:
			brought = append(brought, m)
		default:
			s.ended(v, m, err)
		}
		rest(s.ctx, time.Since(begin))
	}
	if len(brought) == 0 {
		return
	}
	destination := brought[0].destination
	confirmed, err := ask(brought, destination, destination.Confirm)
	if err != nil {
		s.backoffs.nodeFailed(destination.ID(), time.Since(brought[0].since)) // no arc is to blame
		return
	}
	for i, m := range brought {
		begin := time.Now()
		s.ended(v, m, m.finish(confirmed[i]))
		rest(s.ctx, time.Since(begin))
	}
}

// ended notes what became of an arc.
func (s *Service) ended(v *cluster.View, m *move, err error) {
	if err == nil {
		s.arcs.Add(1)
		s.pages.Add(int64(m.pages))
		s.backoffs.moved(m)
		v.Arrived(m.arc)
		return
	}
	s.failed(v, err, m)
}

// failed notes that arcs can't be moved, because of an error of the member that
// was called last for all of them.
func (s *Service) failed(v *cluster.View, err error, arcs ...*move) {
	if !s.current(v) {
		return // the steps are refused now
	}
	at, waited := arcs[0].at, time.Since(arcs[0].since)
	if _, own := reasonOf(err); !own {
		late := errors.Is(err, context.DeadlineExceeded)
		alone := len(arcs) == 1 // it may be what takes so long
		// Ahead: the node is behind the ring.
		there := (!late || alone) && !errors.Is(err, counting.ErrAhead) && s.answers(at)
		if !there {
			s.backoffs.nodeFailed(at.ID(), waited)
		}
		if !there && (!late || !alone) {
			return
		}
	}
	for _, m := range arcs {
		if s.backoffs.arcFailed(m, err) && s.logged.Add(1) <= mostLogged {
			s.Log.Error("an arc can't be moved", "arc", m.arc, "from", m.source.ID(), "to", m.destination.ID(), "error", err)
		}
	}
}

// answers tells whether a node that had an error is there: then it is the arc
// that something is wrong with.
func (s *Service) answers(m *cluster.Member) bool {
	ctx, cancel := context.WithTimeout(s.ctx, cluster.CallTimeout)
	defer cancel()
	_, err := m.RingSummary(ctx)
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
