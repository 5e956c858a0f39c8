package ringmodel_test

import (
	"sync"
	"sync/atomic"
	"time"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

// machine is a node, past the network, and what may happen to what it runs on.
type machine interface {
	chaos.Node
	// Locker is held during each call of a step that promises to keep what it
	// has done, until that is kept.
	sync.Locker
	// power is off and on again; what is stored stays.
	power(on bool) error
	// keep notes what the machine has now, for fallBack, which takes it back to
	// that.
	keep()
	fallBack() error
	// resolve makes it ready to be read at the end of a run, and tells the world
	// what it has applied if that isn't known yet.
	resolve(w *world) error
}

// inMemory is a machine of this process.
func inMemory(id counting.NodeID) machine {
	m := &memoryMachine{}
	m.Node = localnode.New(localnode.Options{ID: id, Addr: string(id) + ":1", Now: m.now})
	return m
}

type memoryMachine struct {
	*localnode.Node
	sync.Mutex // one call at a time, so that what is kept is never of two steps
	safe       localnode.Snapshot
	off        atomic.Int64  // of its clock
	leap       *atomic.Int64 // of all clocks together; may be nil
}

// now is what its clock shows.
func (m *memoryMachine) now() time.Time {
	now := time.Now().Add(time.Duration(m.off.Load()))
	if m.leap != nil {
		now = now.Add(time.Duration(m.leap.Load()))
	}
	return now
}

func (m *memoryMachine) power(bool) error     { return nil } // its links know
func (m *memoryMachine) keep()                { m.safe = m.Snapshot() }
func (m *memoryMachine) resolve(*world) error { return nil }

func (m *memoryMachine) fallBack() error {
	m.Lock()
	defer m.Unlock()
	m.Restore(m.safe)
	return nil
}
