package model_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

// clock is a node's: the true time with an offset that may be stepped.
type clock struct {
	mu      sync.Mutex
	offset  time.Duration
	highest time.Time // shown before the last step
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

// shown is the latest time that the clock has ever shown.
func (c *clock) shown() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now().Add(c.offset); now.After(c.highest) {
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

// back sets the clock back by d from what it shows.
func (c *clock) back(d time.Duration) {
	c.mu.Lock()
	offset := c.offset
	c.mu.Unlock()
	c.step(offset - d)
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
}

// seen is what the node must know of windows, by what it answered.
type seen struct {
	sealed    counting.Window
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
	return seen{sealed: -1 << 62, ids: make(map[idIn]bool), endpoints: make(map[endpointIn]bool), current: make(map[counting.Window]bool)}
}

func (s *seen) clone() seen {
	return seen{sealed: s.sealed, ids: maps.Clone(s.ids), endpoints: maps.Clone(s.endpoints), current: maps.Clone(s.current)}
}

func inMemory(w *world, i int) server {
	s := &memoryServer{clock: &clock{}, world: w, seen: newSeen()}
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

func (s *memoryServer) isDue(t time.Time) bool { return !s.clock.shown().Before(t) }

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
	at := s.world.length.At(s.clock.now())
	value, err := do(ctx)
	switch {
	case c.Method == "seal" && errors.Is(err, counting.ErrTooEarly):
		s.world.Counted.Add(sealTooEarly)
	case err != nil:
	case c.Method == "apply":
		s.took(c.Batch, value.(counting.Receipt), at)
	case c.Method == "heartbeat":
		s.seen.current[value.(counting.HeartbeatResult).Current] = true
	case c.Method == "seal", c.Method == "retire":
		s.seen.sealed = max(s.seen.sealed, c.Window)
	}
	return value, err
}

// took notes the ids of a batch that was applied when the node's clock showed a window.
func (s *memoryServer) took(b *counting.Batch, receipt counting.Receipt, at counting.Window) {
	if receipt.Duplicate {
		return
	}
	refused := chaos.RefusedItems(receipt)
	for i, a := range b.IDEvents {
		if refused[len(b.Visits)+i] {
			continue
		}
		w := max(at, s.seen.sealed+1)
		if w != at {
			s.world.Counted.Add(idMovedOn)
		}
		s.seen.ids[idIn{w, a.ID}] = true
		if a.Endpoint != "" {
			s.seen.endpoints[endpointIn{w, a.Endpoint}] = true
		}
	}
}
