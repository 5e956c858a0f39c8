package netconn

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/problem"
)

const (
	// minIdle is how long a connection is idle before it is closed for a new one. A caller
	// that has just received an answer may be sending its next request. A header that is
	// not complete by then counts as idle, too.
	minIdle = time.Second
	// maxWait is how long a new connection waits for a place.
	maxWait = 5 * time.Second
	// lookAgain is how long a client without an idle connection is taken to have none.
	lookAgain = 100 * time.Millisecond
)

// Limits are what callers may take of the listeners that share them.
type Limits struct {
	// Connections that are open; 0 is no bound. When one more comes, that which has been idle
	// for the longest is closed. Where none is idle, the new one waits, and is then refused.
	Connections int
	// Share is how many of them one client may have; 0 is no bound. Beyond it, that of its
	// own which has been idle for the longest is closed, or the new one is refused.
	Share int
	// Identify tells clients apart. Proxies that it trusts have no share.
	Identify limits.Identify
	// Bytes has those of headers beyond freeHeader; nil is no bound.
	Bytes *limits.Pool
	// Refused notes connections that are refused. It may be nil.
	Refused *limits.Refusals
}

// Connections bounds the connections of one or more listeners: see Limits. While one
// waits, answers close their connections, and the system queues further ones.
type Connections struct {
	Limits
	log *slog.Logger

	waiting atomic.Bool   // one was accepted and has no place yet
	changed chan struct{} // has one element when a place became free, or a connection idle

	mu      sync.Mutex
	open    int // places that are taken
	all     map[*Conn]struct{}
	clients map[netip.Prefix]*client
	full    bool      // that a connection had to wait was logged
	stalled bool      // one has waited in vain, and no place became free since
	lookAt  time.Time // none is idle before, while stalled
}

// client is one that has connections.
type client struct {
	open   int
	lookAt time.Time // none of its connections is idle before
}

// NewConnections makes the bound of one listener, or of several together.
func NewConnections(l Limits, log *slog.Logger) *Connections {
	return &Connections{
		Limits: l, log: log, changed: make(chan struct{}, 1),
		all: make(map[*Conn]struct{}), clients: make(map[netip.Prefix]*client),
	}
}

// Waiting reports whether a connection waits for a place: answers are to end theirs then.
func (c *Connections) Waiting() bool { return c.waiting.Load() }

// refuse answers a connection that has no place, and closes it.
func (c *Connections) refuse(conn *Conn, bound string) {
	f := problem.Unavailable("overloaded", "Too many connections at once; nothing was read.", 1)
	if bound == limits.BoundClient {
		f = problem.ClientLimit("This client has too many connections at once; nothing was read.", 1)
	}
	c.Refused.Note("connections", bound, conn.Client)
	conn.Refuse(f)
	_ = conn.Close()
}

// place waits for a place and takes it. Otherwise it returns the bound that refuses it. It
// takes one in any case when its listener stops.
func (c *Connections) place(stopping context.Context, conn *Conn) (bound string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hasShare(conn.Client) {
		return limits.BoundClient
	}
	for until := time.Now().Add(maxWait); c.Connections > 0 && c.open >= c.Connections && stopping.Err() == nil; {
		if !c.full {
			c.full = true
			c.log.Warn("connections are at their limit: idle ones are closed, and new ones wait", "limit", c.Connections)
		}
		if !c.awaitPlace(stopping, until) {
			return limits.BoundTotal
		}
	}
	c.open++
	if conn.Client.IsValid() {
		if c.clients[conn.Client] == nil {
			c.clients[conn.Client] = &client{}
		}
		c.clients[conn.Client].open++
	}
	return ""
}

// hasShare reports whether a client may have one more connection, for which another one
// of its own may have to end.
func (c *Connections) hasShare(of netip.Prefix) bool {
	k := c.clients[of]
	if c.Share == 0 || k == nil || k.open < c.Share {
		return true
	}
	if time.Now().Before(k.lookAt) {
		return false
	}
	closed, _ := c.closeIdle(of)
	if !closed {
		k.lookAt = time.Now().Add(lookAgain)
	}
	return closed
}

// awaitPlace closes an idle connection, and returns when there may be a place. It returns
// false when there is none until then, or one has waited in vain already.
func (c *Connections) awaitPlace(stopping context.Context, until time.Time) bool {
	if c.stalled && time.Now().Before(c.lookAt) {
		return false
	}
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	closed, wait := c.closeIdle(netip.Prefix{})
	if !closed && wait == 0 {
		if wait = time.Until(until); c.stalled || wait <= 0 {
			c.stalled, c.lookAt = true, time.Now().Add(lookAgain)
			return false
		}
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-c.changed:
	case <-time.After(max(wait, lookAgain)):
	case <-stopping.Done():
	}
	return true
}

// closeIdle closes the connection that has been idle for the longest, if that is minIdle:
// of one client, or of all where that is the zero value. Otherwise left is when one will
// have been; 0 if none is idle.
func (c *Connections) closeIdle(of netip.Prefix) (closed bool, left time.Duration) {
	var oldest *Conn
	var since int64
	for conn := range c.all {
		if of.IsValid() && conn.Client != of {
			continue
		}
		if at := conn.idleSince.Load(); at > 0 && (oldest == nil || at < since) {
			oldest, since = conn, at
		}
	}
	if oldest == nil {
		return false, 0
	}
	if left := minIdle - time.Since(time.Unix(0, since)); left > 0 {
		return false, left
	}
	oldest.idleSince.Store(0)
	_ = oldest.Close() // the server notices that and frees the place
	return true, 0
}

// State is that of a connection.
type State int

// The states: New until a server has read the first request, or its header, then Active until it
// is answered, Idle until it has read the next one, and Closed in the end.
const (
	New State = iota
	Active
	Idle
	Closed
)

// track follows the states of connections.
func (c *Connections) track(conn *Conn, state State) {
	switch state {
	case Active:
		conn.idleSince.Store(0)
		return
	case Idle:
		conn.idleSince.Store(time.Now().UnixNano())
	case New:
		conn.idleSince.Store(time.Now().UnixNano()) // until the first request begins
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all[conn] = struct{}{}
	case Closed:
		c.end(conn)
	}
	if c.waiting.Load() {
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}

// end frees the place of a connection.
func (c *Connections) end(conn *Conn) {
	conn.freeHeaderBytes()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, conn)
	c.open--
	c.stalled = false
	if k := c.clients[conn.Client]; k != nil {
		if k.open--; k.open == 0 {
			delete(c.clients, conn.Client)
		}
	}
	if c.full && c.open <= c.Connections*3/4 {
		c.full = false
		c.log.Info("connections are below their limit again", "limit", c.Connections)
	}
}
