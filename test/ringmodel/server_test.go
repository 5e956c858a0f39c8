package ringmodel_test

import (
	"context"
	"errors"
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
	chaos.Node // below the mutant, if there is one
	far        machine
	world      *world
	mu         sync.Locker // the machine's

	down, buried atomic.Bool
	gone         atomic.Bool  // permanently lost, with all that it had
	emptied      atomic.Bool  // it was in the ring before
	falls        atomic.Int64 // how often it fell back
	young        atomic.Bool  // it fell less than a second ago
	sealed       atomic.Int64 // counting.Window
}

func (w *world) newServer() *server {
	w.state.Lock()
	defer w.state.Unlock()
	w.nextNode++
	far := w.plan.launch(counting.NodeID(fmt.Sprintf("n%04d", w.nextNode)))
	s := &server{Node: far, far: far, mu: far, world: w}
	s.sealed.Store(-1 << 62)
	if w.mutant.node != nil {
		s.Node = w.mutant.node(far)
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
		s.world.violate("%s does not come back: %v", s.ID(), err)
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
	if w.plan.relapse > 0 && !w.isCalm() && w.relapses.Chance(w.plan.relapse) {
		w.travels.Go(s.fallBack)
	}
}

// fallBack takes the node back to what it has kept.
func (s *server) fallBack() {
	if s.down.Load() || s.young.Load() {
		return
	}
	if s.world.plan.powerCuts { // no node has two power cuts before it could sync
		s.young.Store(true)
		s.world.travels.Go(func() {
			time.Sleep(time.Second)
			s.mu.Lock()
			s.far.keep()
			s.mu.Unlock()
			s.young.Store(false)
		})
	}
	s.falls.Add(1)
	if err := s.far.fallBack(); err != nil {
		s.world.violate("%s does not come back: %v", s.ID(), err)
	}
	s.world.counted.Add(nodeRolledBack)
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

// Apply notes what is applied.
func (s *server) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone.Load() {
		return counting.Receipt{}, errCut
	}
	at := counting.WindowLength(windowLength).At(time.Now())
	s.world.sending(b)
	receipt, err := s.Node.Apply(ctx, b)
	var gap *counting.GapError
	if errors.As(err, &gap) {
		s.world.counted.Add(batchGap)
	}
	if err != nil || receipt.Duplicate || s.world.plan.real {
		return receipt, err
	}
	refused := make(map[int]bool, len(receipt.Refused))
	for _, r := range receipt.Refused {
		refused[r.Item] = true
	}
	s.world.note(b, refused)
	if s.world.plan.losses {
		s.world.noteCame(s.stint(ctx), b, refused)
	}
	s.world.noteIDs(b, refused, max(at, counting.Window(s.sealed.Load())+1))
	return receipt, nil
}

// note writes down the visits that a batch has added.
func (w *world) note(b *counting.Batch, refused map[int]bool) {
	w.truth.Lock()
	defer w.truth.Unlock()
	for i, v := range b.Visits {
		if !refused[i] {
			w.applied[v.Page] += v.Count
		}
	}
	for i, k := range b.Keyed {
		at := counting.LocatedKey{Arc: k.Arc, Key: k.Key}
		if !refused[len(b.Visits)+len(b.IDEvents)+i] && k.Count > 0 && !w.keys[at] {
			w.keys[at] = true
			w.applied[k.Page] += k.Count
		}
	}
}

func (s *server) Seal(ctx context.Context, w counting.Window, grace time.Duration) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.Node.Seal(ctx, w, grace)
	if err == nil {
		s.sealed.Store(max(s.sealed.Load(), int64(w)))
	}
	s.keep() // the model of windows has other faults
	return n, err
}

func (s *server) Retire(ctx context.Context, w counting.Window) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.Node.Retire(ctx, w)
	if err == nil {
		s.sealed.Store(max(s.sealed.Load(), int64(w)))
	}
	s.keep()
	return err
}

func (s *server) Fence(ctx context.Context, r *sharding.Ring) (counting.Window, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, unknown := s.far.RingSummary(ctx)
	w, err := s.Node.Fence(ctx, r)
	if errors.Is(unknown, counting.ErrUninitialized) {
		s.sync() // a node that forgets that it was admitted may have to be abandoned
	} else {
		s.keep()
	}
	s.world.fenced(err)
	return w, err
}

func (s *server) Accept(ctx context.Context, r *sharding.Ring) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.Node.Accept(ctx, r)
	s.keep()
	return err
}

func (s *server) Open(ctx context.Context, r *sharding.Ring) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.stint(ctx)
	err := s.Node.Open(ctx, r)
	s.keep()
	if err == nil {
		s.world.opened(r)
	}
	if err == nil && s.world.plan.losses && before.table < r.Table() {
		s.world.retained(before)
	}
	return err
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
		w.counted.Add(changeMade)
		if r.Table() < r.Epoch() {
			w.counted.Add(changeFinished)
		}
	case w.made[r.ChangeID()]:
		w.counted.Add(changeUndone)
	}
	w.made[r.ChangeID()] = true
	w.state.Unlock()
	if again && decided != r.ChangeID() {
		w.violate("P4: both the change %s and %s follow epoch %d", decided, r.ChangeID(), r.Parent())
	}
}

// fenced notes a change that met another.
func (w *world) fenced(err error) {
	if errors.Is(err, sharding.ErrConflict) {
		w.counted.Add(changesAtOnce)
	}
}
