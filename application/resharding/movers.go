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
	// workers move arcs concurrently. Each rests as long as it works, to leave the
	// nodes time for requests.
	workers = 4
	// round is the number of arcs that are moved before the nodes are asked again
	// for the remaining ones, since other instances move arcs, too.
	round = 512
	// maxLogged bounds the log lines about arcs that can't be moved. The status and
	// the metrics show all of them.
	maxLogged = 100
)

// group is moves whose arcs go into one call of a member.
type group []*move

// moveAll moves the incoming arcs of a view until none is left, the view is over, or
// none can be moved now. It returns the pause before the next attempt.
func (s *Service) moveAll(v *cluster.View) time.Duration {
	pause := time.Second/2 + rand.N(time.Second)
	for s.current(v) {
		some, left, soonest := s.left(v)
		s.moving.note(s, v, left)
		if len(some) == 0 {
			return min(pause, soonest)
		}
		s.moveSome(v, s.claim(v, some))
	}
	return 0
}

// current tells whether a view's moves should continue.
func (s *Service) current(v *cluster.View) bool {
	return s.ctx.Err() == nil && s.Cluster.View().Epoch() == v.Epoch()
}

// left are some of the arcs that have to move and are not backing off, in random order,
// so that instances seldom meet. left is the number of all arcs that have to move, and
// soonest is when the next of the others may be retried.
func (s *Service) left(v *cluster.View) (some group, left int, soonest time.Duration) {
	s.backoffs.reset(v.Table())
	arcs, left, soonest := s.incoming(v)
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
	return some, left, soonest
}

// by splits moves by the member to call, into calls of at most MaxTogether arcs.
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

// claim claims all arcs of a round at their sources, concurrently, so that they wait for
// the disks once. It returns the claimed ones. Nothing may be done at a destination
// before.
func (s *Service) claim(v *cluster.View, g group) (claimed group) {
	groups := g.by(func(m *move) *cluster.Member { return m.source })
	// Each group has a time-out of its own, from when its call begins.
	for _, a := range cluster.Ask(s.ctx, cluster.SyncTime, groups, func(_ context.Context, some group) (group, error) { return s.claimGroup(v, some), nil }) {
		claimed = append(claimed, a.Value...)
	}
	return claimed
}

// claimGroup claims arcs of one source.
func (s *Service) claimGroup(v *cluster.View, g group) (claimed group) {
	source := g[0].source
	found, err := callGroup(g, source, counting.Movable.ClaimArcs)
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

// callGroup calls a member with all arcs of a group. The call may wait for a sync.
func callGroup[T any](g group, at *cluster.Member, call func(counting.Movable, context.Context, counting.Epoch, []counting.Arc) ([]T, error)) ([]T, error) {
	arcs := make([]counting.Arc, len(g))
	for i, m := range g {
		m.at, m.since, arcs[i] = at, time.Now(), m.arc
	}
	return cluster.Call(g[0].ctx, cluster.SyncTime, func(ctx context.Context) ([]T, error) { return call(at, ctx, g[0].table, arcs) })
}

// incoming asks the members, but those that are backing off, for their incoming arcs. left
// counts the arcs of the others as well.
func (s *Service) incoming(v *cluster.View) (arcs []counting.Arc, left int, soonest time.Duration) {
	soonest = time.Hour
	var mu sync.Mutex
	_ = v.Each(s.ctx, func(ctx context.Context, i int, m *cluster.Member) error {
		if !v.MayReceive(i) || m.Movable == nil {
			return nil
		}
		begin, wait := time.Now(), s.backoffs.wait(m.ID())
		var some []counting.Arc
		var err error
		if wait <= 0 {
			some, err = m.IncomingArcs(ctx, v.Table())
		}
		if err != nil {
			s.backoffs.nodeFailed(m.ID(), time.Since(begin))
			wait = s.backoffs.wait(m.ID())
		}
		mu.Lock()
		defer mu.Unlock()
		if wait > 0 {
			left += len(v.Incoming(m.ID()))
			soonest = min(soonest, wait)
			return nil
		}
		left += len(some)
		arcs = append(arcs, some...)
		return nil
	})
	s.backoffs.found(left, arcs)
	return arcs, left, soonest
}

// moveSome moves claimed arcs.
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

// moveGroup moves claimed arcs to one member. Every step can be repeated, and other
// instances may move the same arcs.
func (s *Service) moveGroup(v *cluster.View, g group) {
	var copied group
	for _, m := range g {
		if !s.current(v) {
			return
		}
		if s.backoffs.waitFor(m) > 0 {
			continue
		}
		begin := time.Now()
		switch closed, err := m.transfer(); {
		case errors.Is(err, errSuperseded):
		case err == nil && !closed:
			copied = append(copied, m)
		default:
			s.ended(v, m, err)
		}
		rest(s.ctx, time.Since(begin))
	}
	if len(copied) == 0 {
		return
	}
	destination := copied[0].destination
	confirmed, err := callGroup(copied, destination, counting.Movable.Confirm)
	if err != nil {
		s.backoffs.nodeFailed(destination.ID(), time.Since(copied[0].since)) // no arc is to blame
		return
	}
	for i, m := range copied {
		begin := time.Now()
		s.ended(v, m, m.finish(confirmed[i]))
		rest(s.ctx, time.Since(begin))
	}
}

// ended notes the result of a move.
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

// failed notes that arcs could not be moved, because of an error of the member that was
// called last for all of them. It decides whether the arcs or the member are to blame.
func (s *Service) failed(v *cluster.View, err error, arcs ...*move) {
	if !s.current(v) {
		return // nodes refuse the steps now
	}
	at, waited := arcs[0].at, time.Since(arcs[0].since)
	// Of an error that isn't an arc's own, blame
	//   - the arcs, if the member answers another call;
	//   - both, if one arc's call has timed out, and the member does not answer;
	//   - the member, if the call of several arcs has timed out;
	//   - the member, if it does not answer, or has not opened the ring (ErrAhead).
	if _, arcAtFault := reasonOf(err); !arcAtFault {
		late := errors.Is(err, context.DeadlineExceeded)
		alone := len(arcs) == 1 // the arc may be what takes so long
		answers := (!late || alone) && !errors.Is(err, counting.ErrAhead) && s.answers(at)
		if !answers {
			s.backoffs.nodeFailed(at.ID(), waited)
		}
		if !answers && (!late || !alone) {
			return
		}
	}
	for _, m := range arcs {
		if s.backoffs.arcFailed(m, err) && s.logged.Add(1) <= maxLogged {
			s.Log.Error("move arc failed repeatedly", "arc", m.arc, "from", m.source.ID(), "to", m.destination.ID(), "error", err)
		}
	}
}

// answers tells whether a node that returned an error answers another call. Then the arc
// is to blame.
func (s *Service) answers(m *cluster.Member) bool {
	_, err := cluster.Call(s.ctx, cluster.CallTimeout, m.RingSummary)
	return err == nil
}

func rest(ctx context.Context, worked time.Duration) { cluster.Pause(ctx, min(worked, time.Second)) }
