package ringmodel_test

import (
	"context"
	"time"

	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// stopInChange stops an instance at a step of a change for as long as others
// need to end it.
func (w *world) stopInChange(i *instance, d *chaos.Dice) {
	w.Counted.Add(stoppedInChange)
	i.Frozen.Close()
	w.Faults.Go(func() {
		time.Sleep(d.Between(500*time.Millisecond, 5*time.Second))
		i.Frozen.Open()
	})
}

// cutOne cuts an instance off from a node, so that it decides with others.
func (w *world) cutOne(d *chaos.Dice) {
	i := w.Pick(d)
	if i == nil {
		return
	}
	if l, ok := i.links.Load(w.anyServer(d).ID()); ok {
		w.Counted.Add(linkCut)
		l.(*link).cut.Store(time.Now().Add(d.Between(500*time.Millisecond, 5*time.Second)).UnixNano())
	}
}

// dieInChange takes a node down that has just taken a step of a change, for as
// long as several others would take.
func (w *world) dieInChange(s *server, k kind, d *chaos.Dice) {
	if s.down.Load() {
		return
	}
	switch {
	case k == opening:
		w.Counted.Add(nodeDiedOpened)
	case k == accepting:
		w.Counted.Add(nodeDiedAccepted)
	case s.ID() == "n0001":
		w.Counted.Add(firstDiedFenced)
	default:
		w.Counted.Add(nodeDiedFenced)
	}
	s.setDown(true)
	w.Faults.Go(func() {
		time.Sleep(d.Between(200*time.Millisecond, 15*time.Second))
		s.setDown(false)
	})
}

// distracted forgets what it has accepted when it is fenced again.
type distracted struct{ chaos.Node }

func (n distracted) RingState(ctx context.Context) (sharding.RingState, error) {
	s, err := n.Node.RingState(ctx)
	if err == nil && s.Accepted != nil && s.Accepted.Epoch() < s.Fenced.Epoch() {
		s.Accepted = nil
	}
	return s, err
}

// stubborn doesn't look at what nodes have accepted.
type stubborn struct{ *link }

func (l stubborn) RingState(ctx context.Context) (sharding.RingState, error) {
	s, err := l.link.RingState(ctx)
	s.Accepted = nil
	return s, err
}
