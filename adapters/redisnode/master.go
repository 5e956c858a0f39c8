package redisnode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/adapters/serverurl"
)

const (
	// askEvery is the time between two questions whether the master has moved.
	askEvery = time.Second
	// quietSentinels is how long no Sentinel may answer before that is logged.
	quietSentinels = 10 * time.Second
	// masterLifetime is how long a connection to a master is used. It ends those whose
	// server was replaced while no Sentinel answered.
	masterLifetime = 30 * time.Second
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
	for _, s := range m.sentinels {
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
	case errors.Is(err, context.DeadlineExceeded):
		err = errors.New("no answer in time") // plain would leave out which server that is
	}
	return nil, dialError{fmt.Errorf("master %s at %s: %w", m.name, addr, err)}
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
		return "", fmt.Errorf("no Sentinel has said in time where master %s is", m.name)
	}
}

// answer asks the Sentinels in turn. The one that answers is asked first from then on.
func (m *master) answer(q *question) {
	m.mu.Lock()
	order := append([]*sentinel(nil), m.sentinels...)
	m.mu.Unlock()
	var failures []error
	var by *sentinel
	for _, s := range order {
		if q.addr, q.err = s.ask(m.ctx, m.name); q.err == nil {
			by = s
			break
		}
		failures = append(failures, q.err)
	}
	if by == nil {
		q.err = noneKnows(m.name, failures)
	}
	m.mu.Lock()
	m.asking = nil
	from := m.at
	if by != nil {
		m.at, m.by = q.addr, by
		m.reorder(by, true)
	}
	m.mu.Unlock()
	if by != nil && from != "" && from != q.addr {
		m.log.Warn("master moved", "master", m.name, "from", from, "to", q.addr, "sentinel", by.addr)
		m.replace()
	}
	close(q.done)
}

// reorder makes a Sentinel the first or the last one. The caller holds the mutex.
func (m *master) reorder(s *sentinel, first bool) {
	var others []*sentinel
	for _, other := range m.sentinels {
		if other != s {
			others = append(others, other)
		}
	}
	if first {
		m.sentinels = append([]*sentinel{s}, others...)
	} else {
		m.sentinels = append(others, s)
	}
}

// doubt makes the Sentinel the last one that has named the present server, because that
// server says it is no master, or takes no writes: the Sentinel may be cut off with it.
func (m *master) doubt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by != nil && m.sentinels[0] == m.by {
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
