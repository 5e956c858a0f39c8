package ringmodel_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// roam is storm in which servers go on at other addresses.
func roam() plan {
	p := storm()
	p.roams, p.changes, p.aborted = 8*time.Second, *changesFlag/2, *abortedFlag/4
	return p
}

const (
	serverMoved    chaos.Fault = "server_at_another_address"
	oldCopyRefused chaos.Fault = "old_copy_at_another_address_is_refused"
)

// V17, P1, P2, P4: servers that go on at other addresses lose and double nothing. One with a
// copy from before a change of the ring is refused.
func TestServersThatGoOnAtOtherAddressesLoseNothing(t *testing.T) {
	runShort(t, roam, []chaos.Fault{serverMoved, oldCopyRefused, coordinatorKilled, killedBeforeOpen, moveInterrupted, changeMade, changeUndone, chaos.InstanceCrashed})
}

func (w *world) unleashRoams() {
	w.every(w.plan.roams/2, "copy", func(d *chaos.Dice) { w.anyServer(d).copyNow() })
	w.every(w.plan.roams, "roam", w.roam)
}

// oldCopy is what a server had by a table.
type oldCopy struct {
	data  localnode.Snapshot
	table counting.Epoch
}

// listed is its address in the list of an instance, the first one or the latest.
func (s *server) listed(d *chaos.Dice) string {
	if d.Chance(0.5) {
		return s.first.Load().(string)
	}
	return s.latest.Load().(string)
}

// copyNow keeps what the server has, unless the ring is changing: such a copy looks like the
// newest one.
func (s *server) copyNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state, err := s.far.RingState(context.Background()); err == nil && state.Opened != nil && state.Fenced.Epoch() == state.Opened.Epoch() && s.Addr() != "" {
		s.old.Store(&oldCopy{s.far.(*memoryMachine).Snapshot(), state.Opened.Table()})
	}
}

// goTo starts the server at an address with some data. Calls that are under way end before.
func (s *server) goTo(addr string, data localnode.Snapshot) {
	s.place.Store("")
	time.Sleep(time.Millisecond)
	s.far.(*memoryMachine).Restore(data)
	s.place.Store(addr)
}

// roam has a server go on at another address, and tells instances until the ring knows. That
// takes as long as faults interrupt it, but not longer. It may have an older copy there: then
// it comes back when that is refused.
func (w *world) roam(d *chaos.Dice) {
	s := w.anyServer(d)
	former := s.Addr()
	if s.buried.Load() || s.emptied.Load() || former == "" {
		return
	}
	s.place.Store("")
	time.Sleep(time.Millisecond)
	now := s.far.(*memoryMachine).Snapshot()
	state, err := s.far.RingState(context.Background())
	old := s.old.Load()
	stale := err == nil && state.Opened != nil && old != nil && old.table < state.Opened.Table() && d.Chance(0.5)
	data := now
	if stale {
		data = old.data
	}
	addr := fmt.Sprint(s.ID(), ":", time.Now().UnixNano())
	s.goTo(addr, data)
	why := make(map[string]int) // it was not moved
	for calm := 0; calm < 1000; {
		time.Sleep(d.Between(0, 200*time.Millisecond))
		if w.IsCalm() {
			calm++
		}
		i := w.Pick(d)
		if i == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(i.ctx, 5*time.Second)
		_, err := i.ring.MoveAddress(ctx, s.ID(), addr, false)
		cancel()
		why[fmt.Sprint(err)]++
		switch {
		case err == nil || !stale && errors.Is(err, sharding.ErrBadChange) && s.isSettled(i, addr):
			w.Counted.Add(serverMoved)
			s.latest.Store(addr)
			return
		case stale && (errors.Is(err, sharding.ErrWrongServer) || errors.Is(err, sharding.ErrBadChange)):
			w.Counted.Add(oldCopyRefused)
			s.goTo(former, now)
			return
		}
	}
	w.Violate("the ring does not settle: %s is not moved: %v", s.ID(), why)
}

// isSettled tells whether the server is at an address by the ring of an instance, or has left
// that ring. An instance that doesn't know of it yet has an older ring.
func (s *server) isSettled(i *instance, addr string) bool {
	v := i.cluster.View()
	if at := v.Index(s.ID()); at >= 0 {
		return v.Members()[at].Addr == addr
	}
	state, err := s.far.RingState(context.Background())
	return err == nil && state.Fenced.Epoch() <= v.Epoch()
}

// credulous takes an older copy of a node for the node.
type credulous struct{ *link }

func (l credulous) RingState(ctx context.Context) (sharding.RingState, error) {
	s, err := l.link.RingState(ctx)
	if v := l.instance.cluster.View(); err == nil && v != nil && s.Opened != nil && s.Opened.Epoch() < v.Epoch() {
		s.Opened, s.Fenced = v.Ring, v.Ring
	}
	return s, err
}
