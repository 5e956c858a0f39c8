package ringmodel_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
)

// server is one node at the far end of the network, with the model's own truth
// about what it did.
type server struct {
	*chaos.Link // to the mutant, if there is one, or to the machine
	far         machine
	world       *world
	mu          sync.Locker // the machine's

	down, buried atomic.Bool
	gone         atomic.Bool  // permanently lost, with all that it had
	emptied      atomic.Bool  // it was in the ring before
	falls        atomic.Int64 // how often it fell back
	young        atomic.Bool  // it fell less than a second ago
	sealed       atomic.Int64 // counting.Window

	first, latest atomic.Value // its address at first, and the last one by the ring; strings
	place         atomic.Value // its address now; empty while it is nowhere
	old           atomic.Pointer[oldCopy]
}

// Addr is where it is.
func (s *server) Addr() string { return s.place.Load().(string) }

func (w *world) newServer() *server {
	w.state.Lock()
	defer w.state.Unlock()
	w.nextNode++
	far := w.plan.launch(counting.NodeID(fmt.Sprintf("n%04d", w.nextNode)))
	s := &server{far: far, mu: far, world: w}
	if m, ok := far.(*memoryMachine); ok && w.plan.history {
		m.leap = &w.leap
		m.off.Store(int64(chaos.NewDice(w.Seed, fmt.Sprint("clock", w.nextNode)).Between(-nodeOff, nodeOff)))
	}
	for _, addr := range []*atomic.Value{&s.first, &s.latest, &s.place} {
		addr.Store(far.Addr())
	}
	s.Link = &chaos.Link{Far: far, Around: s.around}
	s.sealed.Store(-1 << 62)
	if w.mutant.node != nil {
		s.Far = w.mutant.node(far)
	}
	w.servers[s.ID()] = s
	return s
}

func (w *world) serverOf(id counting.NodeID) *server {
	w.state.Lock()
	defer w.state.Unlock()
	return w.servers[id]
}

func (s *server) setDown(down bool) {
	if s.down.Swap(down) == down {
		return
	}
	if err := s.far.power(!down); err != nil {
		s.world.Violate("%s does not come back: %v", s.ID(), err)
	}
}

// keep makes the node keep what it has, as a step that survives a fail-over does.
// A power cut takes back what was not synced. It may fall back right then.
func (s *server) keep() {
	s.promise(!s.world.mutant.noBarrier && (!s.world.plan.powerCuts || s.world.relapses.Chance(0.1)))
}

// sync is keep for a step that survives a power cut, too.
func (s *server) sync() { s.promise(!s.world.mutant.noBarrier) }

func (s *server) promise(kept bool) {
	w := s.world
	if !w.plan.rollBacks {
		return
	}
	if kept {
		s.far.keep()
	}
	if w.plan.relapse > 0 && !w.IsCalm() && w.relapses.Chance(w.plan.relapse) {
		w.Travels.Go(s.fallBack)
	}
}

// fallBack takes the node back to what it has kept.
func (s *server) fallBack() {
	if s.down.Load() || s.young.Load() {
		return
	}
	if s.world.plan.powerCuts { // no node has two power cuts before it could sync
		s.young.Store(true)
		s.world.Travels.Go(func() {
			time.Sleep(time.Second)
			s.mu.Lock()
			s.far.keep()
			s.mu.Unlock()
			s.young.Store(false)
		})
	}
	s.falls.Add(1)
	if err := s.far.fallBack(); err != nil {
		s.world.Violate("%s does not come back: %v", s.ID(), err)
	}
	s.world.Counted.Add(chaos.NodeRolledBack)
}

// empty makes a machine of this process as new.
func (s *server) empty() {
	m := s.far.(*memoryMachine)
	m.Lock()
	m.safe = localnode.Snapshot{}
	m.Restore(m.safe)
	m.Unlock()
	s.sealed.Store(-1 << 62)
	s.emptied.Store(true)
}

// note writes down the visits that a batch has added, and placed at a time; zero is none.
func (w *world) note(b *counting.Batch, refused map[int]bool, placed time.Time) {
	w.truth.Lock()
	defer w.truth.Unlock()
	add := func(v counting.Visit) {
		w.applied[v.Page] += v.Count
		if !placed.IsZero() {
			w.placed.Place(v, placed)
		}
	}
	for i, v := range b.Visits {
		if !refused[i] {
			add(v)
		}
	}
	for i, k := range b.Keyed {
		at := counting.LocatedKey{Arc: k.Arc, Key: k.Key}
		if !refused[len(b.Visits)+len(b.IDEvents)+i] && k.Count > 0 && !w.keys[at] {
			w.keys[at] = true
			add(k.Visit)
		}
	}
	for i, c := range b.SetCounts {
		if !refused[len(b.Visits)+len(b.IDEvents)+len(b.Keyed)+i] && w.placed != nil {
			w.placed.Restart(c.Page)
		}
	}
}

// opened notes a change that was made or undone. All rings that follow one
// ring are of one change.
func (w *world) opened(r *sharding.Ring) {
	w.state.Lock()
	if w.opens[r.Epoch()] {
		w.state.Unlock()
		return
	}
	w.opens[r.Epoch()] = true
	decided, again := w.decided[r.Parent()]
	w.decided[r.Parent()] = r.ChangeID()
	switch moves := r.Table() > r.Parent(); {
	case moves:
		w.tables[r.Table()] = true
		w.Counted.Add(changeMade)
		if r.Table() < r.Epoch() {
			w.Counted.Add(changeFinished)
		}
	case w.made[r.ChangeID()]:
		w.Counted.Add(changeUndone)
	}
	w.made[r.ChangeID()] = true
	w.state.Unlock()
	if again && decided != r.ChangeID() {
		w.Violate("P4: both the change %s and %s follow epoch %d", decided, r.ChangeID(), r.Parent())
	}
}
