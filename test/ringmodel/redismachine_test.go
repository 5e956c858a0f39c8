package ringmodel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/servers"
)

// freshly is how old what a node falls back to may be at most: instances repeat
// what they have counted in the last 10 s.
const freshly = 3 * time.Second

// onRedis makes machines of Redis servers of their own.
func onRedis(tb testing.TB) func(counting.NodeID) machine {
	return func(id counting.NodeID) machine {
		// Its append-only file is never rewritten, so that it has everything.
		s := servers.StartRedis(tb, "--auto-aof-rewrite-percentage", "0")
		m := &redisMachine{
			Node:   redisnode.New(redisnode.Options{ID: id, Addr: s.Addr, Log: slog.New(slog.DiscardHandler)}),
			server: s,
		}
		tb.Cleanup(func() { _ = m.Close() })
		return m
	}
}

type redisMachine struct {
	*redisnode.Node
	server *servers.Redis
	// steps is held by calls, which may be many at once, and alone by fallBack.
	steps sync.RWMutex

	mu     sync.Mutex
	off    bool
	length int64 // of the append-only file that is kept
	at     time.Time
}

func (m *redisMachine) Lock()   { m.steps.RLock() }
func (m *redisMachine) Unlock() { m.steps.RUnlock() }

// power is kill -9 and a start.
func (m *redisMachine) power(on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.off = !on; m.off {
		m.server.Kill()
		return nil
	}
	return m.server.Start()
}

func (m *redisMachine) keep() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, err := m.server.Kept(); err == nil {
		m.length, m.at = n, time.Now()
	}
}

func (m *redisMachine) fallBack() error {
	m.steps.Lock()
	defer m.steps.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.off || time.Since(m.at) > freshly {
		return nil
	}
	return m.server.FallBack(m.length)
}

// resolve kills the server and starts it again: what it has then is what it has
// really kept. One that is buried stays off: its port may be another's by
// now, and its file tells what it has applied.
func (m *redisMachine) resolve(w *world) error {
	if !m.off {
		m.server.Kill()
		if err := m.server.Start(); err != nil {
			return err
		}
		m.await()
	}
	arrived, err := servers.Arrived(m.server)
	if err != nil {
		return err
	}
	for window, ids := range arrived {
		w.noteArrived(window, ids)
	}
	// A batch with refusals is recorded twice: before its items, and with what was refused.
	marks := make(map[batchName]string)
	err = m.server.Written(func(command []string) {
		if len(command) == 4 && strings.EqualFold(command[0], "HSET") && command[1] == "ff:Q" {
			var seq int64
			_, _ = fmt.Sscan(command[3], &seq) // the first number
			marks[batchName{counting.Session(command[2]), seq}] = command[3]
		}
	})
	for of, mark := range marks {
		w.noteApplied(of.session, mark)
	}
	return err
}

// await waits until the client notices that the server is back: after many
// failures it tries once a second.
func (m *redisMachine) await() {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := m.RingSummary(context.Background()); !errors.Is(err, counting.ErrNotApplied) {
			return
		}
	}
}

// batchName is what a batch is known by.
type batchName struct {
	session counting.Session
	seq     int64
}

// sending keeps a batch that is about to be sent to a real node, of which only
// the node's own files tell in the end whether it was applied.
func (w *world) sending(b *counting.Batch) {
	if !w.plan.real || w.plan.rollBacks {
		return
	}
	w.truth.Lock()
	defer w.truth.Unlock()
	// The number of one that is refused as stale is given to another, but a copy
	// of it may still come.
	name := batchName{b.Session, b.Seq}
	if other := w.sent[name]; other == nil || other.Epoch <= b.Epoch {
		w.sent[name] = b
	}
}

// noteApplied writes down a batch that a node has applied: the node has noted
// its number, the time, and what it refused, "item:reason,...".
func (w *world) noteApplied(session counting.Session, noted string) {
	var seq, at int64
	var refusals string
	_, _ = fmt.Sscanf(noted, "%d %d %s", &seq, &at, &refusals) // there may be none
	refused := make(map[int]bool)
	for one := range strings.SplitSeq(refusals, ",") {
		var item int
		if n, _ := fmt.Sscanf(one, "%d:", &item); n == 1 {
			refused[item] = true
		}
	}
	w.truth.Lock()
	b := w.sent[batchName{session, seq}]
	w.truth.Unlock()
	if b != nil {
		w.note(b, refused, time.Time{})
	}
}
