package model_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

// clock is a node's: the time of the world with an offset that may be stepped.
type clock struct {
	world   *world
	mu      sync.Mutex
	offset  time.Duration
	highest time.Time // shown before the last step
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.world.now().Add(c.offset)
}

// shown is the latest time that the clock has ever shown.
func (c *clock) shown() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.world.now().Add(c.offset); now.After(c.highest) {
		return now
	}
	return c.highest
}

// step sets the offset and returns how it changed.
func (c *clock) step(offset time.Duration) time.Duration {
	highest := c.shown()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.highest = highest
	change := offset - c.offset
	c.offset = offset
	return change
}

// back sets the clock back by d from what it shows. A clock that would be more than 9 s
// behind is ahead instead, to step back the next time.
func (c *clock) back(d time.Duration) {
	c.mu.Lock()
	offset := c.offset - d
	c.mu.Unlock()
	if offset < -9*time.Second {
		offset = 7 * time.Second
	}
	c.step(offset)
}

// memoryServer is one node in memory at the far end of the network. It records what the
// node says that it did: the model's own truth about windows.
type memoryServer struct {
	*chaos.Link // to the mutant, if there is one, or to memory
	memory      *localnode.Node
	clock       *clock
	off         time.Duration // of the clock, when no fault sets it
	world       *world
	frozen      chaos.Gate

	mu     sync.Mutex
	down   bool // refuses connections
	silent bool // never answers
	seen   seen
	// closed are the windows that were ever sealed.
	closed map[counting.Window]bool
}

// seen is what the node must know of windows, by what it answered.
type seen struct {
	sealed    map[counting.Window]bool
	ids       map[idIn]bool
	endpoints map[endpointIn]bool
	current   map[counting.Window]bool
}

type idIn struct {
	window counting.Window
	id     counting.ID
}

type endpointIn struct {
	window   counting.Window
	endpoint string
}

func newSeen() seen {
	return seen{sealed: make(map[counting.Window]bool), ids: make(map[idIn]bool), endpoints: make(map[endpointIn]bool), current: make(map[counting.Window]bool)}
}

func (s *seen) clone() seen {
	return seen{sealed: maps.Clone(s.sealed), ids: maps.Clone(s.ids), endpoints: maps.Clone(s.endpoints), current: maps.Clone(s.current)}
}

func inMemory(w *world, i int) server {
	s := &memoryServer{clock: &clock{world: w}, world: w, seen: newSeen(), closed: make(map[counting.Window]bool)}
	s.memory = localnode.New(localnode.Options{
		ID: counting.NodeID(fmt.Sprintf("n%d", i)), Addr: fmt.Sprintf("n%d:1", i), Now: s.clock.now,
	})
	s.Link = &chaos.Link{Far: w.mutant.node(s.memory, s.clock), Around: s.around}
	if w.plan.skews && uint64(i) == w.Seed%nodeCount {
		s.off = []time.Duration{-3 * time.Second, 3 * time.Second}[w.Seed/nodeCount%2]
		s.clock.step(s.off)
		w.Counted.Add(nodeOff)
	}
	return s
}

func (s *memoryServer) dial(*instance) dialled { return dialled{s, func() {}} }

func (s *memoryServer) direct(bool) dialled { return dialled{s.memory, func() {}} }

func (s *memoryServer) hasClosed(w counting.Window, _ time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed[w]
}

func (s *memoryServer) mend() { s.clock.step(s.off) }

// setDown lets the node be away, either refusing or silent, or back.
func (s *memoryServer) setDown(down, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.silent = down, silent
}

// reached is false when a request gets no answer; the error is that of a
// refused connection.
func (s *memoryServer) reached() (bool, error) {
	s.mu.Lock()
	down, silent := s.down, s.silent
	s.mu.Unlock()
	if down && !silent {
		return false, fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
	}
	return !down && s.frozen.Pass(s.world.over), nil
}

// snapshot is the node and what is known of it at one moment.
type snapshot struct {
	node localnode.Snapshot
	seen seen
}

func (s *memoryServer) snapshot() snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return snapshot{s.memory.Snapshot(), s.seen.clone()}
}

// rollBack takes the node back to a snapshot.
func (s *memoryServer) rollBack(to snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.Restore(to.node)
	s.seen = to.seen.clone()
}

// around lets the node do what it is asked to, and notes where ids went and which
// windows take no more.
func (s *memoryServer) around(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now()
	value, err := do(ctx)
	switch {
	case c.Method == "seal" && errors.Is(err, counting.ErrTooEarly):
		s.world.Counted.Add(sealTooEarly)
	case err != nil:
	case c.Method == "apply":
		s.took(c.Batch, value.(counting.Receipt), now)
	case c.Method == "heartbeat" && c.Clock.Check(now) == nil:
		s.seen.current[value.(counting.HeartbeatResult).Current] = true
	case c.Method == "seal" && !s.seen.sealed[c.Window]:
		s.checkSeal(c, now)
		fallthrough
	case c.Method == "retire":
		s.seen.sealed[c.Window], s.closed[c.Window] = true, true
	}
	return value, err
}

// current is the window that takes the ids of a time.
func (s *memoryServer) current(now time.Time) counting.Window {
	w := s.world.length.At(now)
	for s.seen.sealed[w] {
		w++
	}
	return w
}

// checkSeal: a window is sealed when it has ended by the clock of the node, or lies where
// no clock is (P5).
func (s *memoryServer) checkSeal(c chaos.Call, now time.Time) {
	s.checkClocks("sealed a window", c.Clock, now)
	due := !now.Before(s.world.length.End(c.Window).Add(s.world.plan.grace))
	ahead := s.world.length.Start(c.Window).After(now.Add(maxSkew))
	if ahead {
		s.world.Counted.Add(sealedAhead)
	}
	if !due && !ahead {
		s.world.Violate("P5: %s sealed %s at %v", s.ID(), s.world.length.Name(c.Window), now)
	}
}

// checkClocks: a node does nothing with windows while its clock or the instance's is wrong,
// by more than the usual and the greatest skew (P3).
func (s *memoryServer) checkClocks(did string, c counting.Clock, now time.Time) {
	if off := now.Sub(s.world.now()); off.Abs() > maxSkew+5*time.Second {
		s.world.Violate("P3: %s %s though its clock was off by %v", s.ID(), did, off)
	}
	if off := c.Now.Sub(s.world.now()); off.Abs() > 2*maxSkew {
		s.world.Violate("P3: %s %s though the clock of the instance was off by %v", s.ID(), did, off)
	}
}

// took notes the ids of a batch that was applied when the node's clock showed a time.
func (s *memoryServer) took(b *counting.Batch, receipt counting.Receipt, now time.Time) {
	if receipt.Duplicate {
		return
	}
	refused := chaos.RefusedItems(receipt)
	if slices.ContainsFunc(receipt.Refused, func(r counting.Refusal) bool { return r.Reason == counting.WrongClock }) {
		s.world.Counted.Add(clocksDisagree)
	}
	for i, a := range b.IDEvents {
		if refused[len(b.Visits)+i] {
			continue
		}
		s.checkClocks("took an id", b.Clock, now)
		w := s.current(now)
		if w != s.world.length.At(now) {
			s.world.Counted.Add(idMovedOn)
		}
		s.seen.ids[idIn{w, a.ID}] = true
		if a.Endpoint != "" {
			s.seen.endpoints[endpointIn{w, a.Endpoint}] = true
		}
	}
}
