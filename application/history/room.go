package history

import (
	"context"
	"math/rand/v2"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

const (
	// dropJitter is before a node is asked to drop history, at random: of several instances one is first, and the
	// others see it.
	dropJitter = 50 * time.Millisecond
	// dropSettles is how long after that the node may still refuse batches: memory is freed in the background.
	dropSettles = 250 * time.Millisecond
	// restoredSettles is the same where only restored pages had what was dropped, so that there may have been
	// nothing. A batch that waits is refused again meanwhile, and several steps are within the time for which it waits.
	restoredSettles = 50 * time.Millisecond
	// dropAgain is the pause after a try that dropped nothing, with half as much again at random.
	dropAgain = 10 * time.Second
)

// makeRoom has nodes without room drop history, until there is some.
func (s *Service) makeRoom() {
	settled := make(map[counting.NodeID]time.Time) // until then a refusal says nothing new
	for s.ctx.Err() == nil {
		select {
		case <-s.ctx.Done():
			return
		case <-s.Cluster.NoRoom():
		}
		cluster.Pause(s.ctx, rand.N(dropJitter))
		for _, m := range s.members() {
			if !m.NoRoomAt().After(settled[m.ID()]) {
				continue
			}
			dropped, err := s.drop(m)
			switch {
			case s.ctx.Err() != nil:
				return
			case err != nil:
				s.Log.Warn("drop history failed", "node", m.ID(), "error", err)
			}
			pause := dropSettles
			if !dropped {
				pause = dropAgain + rand.N(dropAgain/2)
			}
			settled[m.ID()] = time.Now().Add(pause)
		}
	}
}

// drop has a node drop its oldest history, and reports whether that was done, by this instance or by another one
// meanwhile.
func (s *Service) drop(m *cluster.Member) (dropped bool, err error) {
	known := m.KeptHistory()
	before, err := s.keptBy(m)
	switch {
	case err != nil || !before.CanDrop(time.Now()):
		return false, err
	case known.IsSet() && before.Oldest().After(known.Oldest()):
		return true, nil
	}
	after := before
	for more := true; more; {
		if after, more, err = s.dropStep(m, after.Oldest()); err != nil {
			return false, err
		}
	}
	if !after.Oldest().After(before.Oldest()) {
		return false, nil
	}
	s.Log.Warn("the oldest history was dropped: the node has no room", "node", m.ID(), "before", before.Oldest(), "since", after.Oldest())
	s.Dropped(m.ID())
	return true, nil
}

// dropStep has a node drop about half of the time that it keeps from oldest on. It reports what it keeps then, and whether
// the next step is due: only restored pages had what was dropped, and the node has refused batches after that. If so, the next
// step does what is left of this one, which may be a walk through many pages that have nothing to drop.
func (s *Service) dropStep(m *cluster.Member, oldest time.Time) (after counting.HistoryState, more bool, err error) {
	begin := time.Now()
	isDue := func() bool {
		return after.Oldest().After(oldest) && after.Oldest().Before(after.Since) && m.NoRoomAt().Sub(begin) > restoredSettles/4
	}
	for cursor, first := "", true; (first || cursor != "") && !isDue(); first = false {
		cursor, err = cluster.Call(s.ctx, cluster.CallTimeout, func(ctx context.Context) (string, error) { return m.DropHistory(ctx, cursor) })
		if err == nil && first {
			after, err = s.keptBy(m)
		}
		if err != nil {
			return after, false, err
		}
	}
	if after.Oldest().Before(after.Since) {
		cluster.Pause(s.ctx, time.Until(begin.Add(restoredSettles)))
	}
	return after, isDue(), s.ctx.Err()
}

// keptBy asks a node what it keeps.
func (s *Service) keptBy(m *cluster.Member) (counting.HistoryState, error) {
	return cluster.Call(s.ctx, cluster.CallTimeout, func(ctx context.Context) (counting.HistoryState, error) {
		return m.KeepHistory(ctx, counting.HistorySetting{}, time.Time{}, false)
	})
}
