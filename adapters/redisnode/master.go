package redisnode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/adapters/serverurl"
	"footfall/domain/counting"
)

const (
	// askEvery is the time between two questions whether the master has moved.
	askEvery = time.Second
	// quietSentinels is how long no Sentinel may answer before that is logged.
	quietSentinels = 10 * time.Second
	// masterLifetime is how long a connection to a master is used. It ends those whose
	// server was replaced while no Sentinel answered.
	masterLifetime = 30 * time.Second
	// noneSays is why a node is silent that no Sentinel finds.
	noneSays = "no Sentinel says where its master is"
)

// master finds the server of one master by its Sentinels. It asks them at each dial, and
// every second: a subscription to +switch-master would be faster by half a second, and
// would need the same questions for what it misses. Its methods are safe for concurrent use.
type master struct {
	name    string
	tls     *serverurl.TLS
	log     *slog.Logger // names the node
	replace func()       // replaces all connections of the node

	ctx    context.Context //nolint:containedctx // of the questions, until close
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	sentinels []*sentinel // in the order in which they are asked
	asking    *question   // nil: none is under way
	at        string      // the server, "" before the first answer
	by        *sentinel   // that said so
	moved     time.Time   // when that server took the place of another one
}

// question is one search for the master, whose result all share that wait for it.
type question struct {
	done chan struct{} // closed when addr and err are set
	addr string
	err  error
}

// newMaster is the master NAME of the address sentinel/NAME. It asks when it is used.
func newMaster(o Options, replace func()) *master {
	name, _ := strings.CutPrefix(o.Addr, masterPrefix)
	m := &master{name: name, tls: o.TLS, log: o.Log.With("node", o.ID), replace: replace}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	for _, addr := range o.Sentinels.Addrs {
		m.sentinels = append(m.sentinels, newSentinel(addr, o))
	}
	return m
}

// close ends all questions. It may be called twice.
func (m *master) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.all.Wait()
	for _, s := range m.order() {
		_ = s.client.Close()
	}
}

// dial connects to the server that is the master now.
func (m *master) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	addr, err := m.find(ctx)
	if err != nil {
		return nil, dialError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := dial(ctx, network, addr, m.tls)
	switch {
	case err == nil:
		return conn, nil
	case isLate(err): // plain would leave out which server that is
		return nil, dialError{silent(silence(err), "master %s at %s: %v", m.name, addr, plain(err))}
	}
	return nil, dialError{fmt.Errorf("master %s at %s: %w", m.name, addr, err)}
}

// silent makes the error of a call that got no answer.
func silent(why, format string, args ...any) error {
	return &counting.SilenceError{Why: why, Err: fmt.Errorf(format, args...)}
}

// find returns the address of the server that is the master by the first Sentinel that
// knows it. An answer that is under way when it is called will do.
func (m *master) find(ctx context.Context) (string, error) {
	m.mu.Lock()
	q := m.asking
	switch {
	case m.closed:
		m.mu.Unlock()
		return "", redis.ErrClosed
	case q == nil:
		q = &question{done: make(chan struct{})}
		m.asking = q
		m.all.Go(func() { m.answer(q) })
	}
	m.mu.Unlock()
	select {
	case <-q.done:
		return q.addr, q.err
	case <-ctx.Done():
		return "", silent(noneSays, "no Sentinel has said in time where master %s is", m.name)
	}
}

// answer asks the Sentinels in turn.
func (m *master) answer(q *question) {
	var failures []error
	var by *sentinel
	for _, s := range m.order() {
		if q.addr, q.err = s.ask(m.ctx, m.name); q.err == nil {
			by = s
			break
		}
		failures = append(failures, q.err)
	}
	if by == nil {
		q.err = noneKnows(m.name, failures)
	}
	from := m.note(q, by)
	if by != nil && from != "" && from != q.addr {
		m.replace()
		m.log.Warn("master moved", "master", m.name, "from", from, "to", q.addr, "sentinel", by.addr)
	}
	close(q.done)
}

// note ends a question, and returns the server that was the master before. The Sentinel that
// answered, if one did, is asked first from then on.
func (m *master) note(q *question, by *sentinel) (from string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asking, from = nil, m.at
	if by == nil {
		return from
	}
	if from != "" && from != q.addr {
		m.moved = time.Now()
	}
	m.at, m.by = q.addr, by
	m.reorder(by, true)
	return from
}

// order are the Sentinels as they are to be asked now.
func (m *master) order() []*sentinel {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sentinels)
}

// reorder makes a Sentinel the first or the last one. The caller holds the mutex.
func (m *master) reorder(s *sentinel, first bool) {
	i := slices.Index(m.sentinels, s)
	m.sentinels = slices.Delete(m.sentinels, i, i+1)
	if first {
		m.sentinels = slices.Insert(m.sentinels, 0, s)
	} else {
		m.sentinels = append(m.sentinels, s)
	}
}

// doubt makes the Sentinel the last one that has named the present server, because that
// server says it is no master, or takes no writes: the Sentinel may be cut off with it. Just
// after a move the server that said so may be the former one.
func (m *master) doubt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by != nil && m.sentinels[0] == m.by && time.Since(m.moved) > callTimeout {
		m.reorder(m.by, false)
	}
}

// server is the address of the master as it was said last, and by which Sentinel.
func (m *master) server() (addr, sentinel string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		return "", ""
	}
	return m.at, m.by.addr
}

// replicas is how many replicas have to have a step (sentinel.replicas). A Sentinel does not
// promote one that it finds down, or whose replica-priority is 0.
func (m *master) replicas(ctx context.Context) (int, error) {
	var failures []error
	for _, s := range m.order() {
		n, err := s.replicas(ctx, m.name)
		if err == nil {
			return n, nil
		}
		failures = append(failures, err)
	}
	return 0, fmt.Errorf("no Sentinel says which replicas master %s has: %w", m.name, errors.Join(failures...))
}

// start begins to watch, until close.
func (m *master) start() { m.all.Go(m.watch) }

// watch asks whether the master has moved. It logs once when no Sentinel answers for long:
// the connections that there are go on, and would not follow the master.
func (m *master) watch() {
	answered, silent := time.Now(), false
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-time.After(askEvery - askEvery/20 + rand.N(askEvery/10)):
		}
		_, err := m.find(m.ctx)
		addr, _ := m.server()
		switch {
		case err == nil && silent:
			silent = false
			m.log.Info("a Sentinel answers again", "master", m.name)
		case err != nil && m.ctx.Err() == nil && addr != "" && !silent && time.Since(answered) > quietSentinels:
			silent = true
			m.log.Warn("no Sentinel answers, so a failover would not be followed", "master", m.name, "error", err)
		}
		if err == nil {
			answered = time.Now()
		}
	}
}
