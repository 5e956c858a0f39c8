package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"footfall/adapters/httpapi/netconn"
)

// minIdle is how long a connection is idle before it is closed for a new one. A caller
// that has just received an answer may be sending its next request.
const minIdle = time.Second

// connections bounds the connections of a listener. When one more comes, that which has
// been idle for the longest is closed. Where none is idle the new one waits, and answers
// close their connections. The system queues further ones.
type connections struct {
	most     int // 0 is no bound
	log      *slog.Logger
	stopping context.Context

	waiting atomic.Bool   // one was accepted and has no place yet
	changed chan struct{} // has one element when a place became free, or a connection idle

	mu      sync.Mutex
	open    int // places that are taken
	all     map[*netconn.Conn]struct{}
	full    bool // that a connection had to wait was logged
	failing bool // that the system accepts none was logged
}

func newConnections(stopping context.Context, log *slog.Logger) *connections {
	return &connections{log: log, stopping: stopping, all: make(map[*netconn.Conn]struct{}), changed: make(chan struct{}, 1)}
}

// acceptor is a listener whose connections are bounded.
type acceptor struct {
	netconn.Listener
	*connections
}

// Accept implements net.Listener. It returns when the connection has a place.
func (a acceptor) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if a.stopping.Err() == nil {
		a.note(err)
	}
	if err == nil {
		a.place()
	}
	return c, err
}

// note logs that the system accepts no connections, which net/http tries again, and that
// it does again.
func (c *connections) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if failing := err != nil; failing != c.failing {
		c.failing = failing
		if failing {
			c.log.Error("connections are not accepted", "error", err)
		} else {
			c.log.Info("connections are accepted again")
		}
	}
}

// place waits for a place and takes it.
func (c *connections) place() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.most > 0 && c.open >= c.most && c.stopping.Err() == nil {
		if !c.full {
			c.full = true
			c.log.Warn("connections are at their limit: idle ones are closed, and new ones wait", "limit", c.most)
		}
		c.waiting.Store(true)
		again := c.closeIdle()
		c.mu.Unlock()
		select {
		case <-c.changed:
		case <-again:
		case <-c.stopping.Done():
		}
		c.mu.Lock()
	}
	c.waiting.Store(false)
	c.open++
}

// closeIdle closes the connection that has been idle for the longest, if that is minIdle.
// Else again is when it will be; nil if none is idle.
func (c *connections) closeIdle() (again <-chan time.Time) {
	var oldest *netconn.Conn
	var since int64
	for conn := range c.all {
		if at := conn.IdleSince.Load(); at > 0 && (oldest == nil || at < since) {
			oldest, since = conn, at
		}
	}
	if oldest == nil {
		return nil
	}
	if left := minIdle - time.Since(time.Unix(0, since)); left > 0 {
		return time.After(left)
	}
	_ = oldest.Close() // the server notices that and frees the place
	return nil
}

// track follows the states of connections, as http.Server.ConnState.
func (c *connections) track(conn *netconn.Conn, state http.ConnState) {
	switch state {
	case http.StateActive:
		conn.IdleSince.Store(0)
		return
	case http.StateIdle:
		conn.IdleSince.Store(time.Now().UnixNano())
	case http.StateNew:
		conn.IdleSince.Store(time.Now().UnixNano()) // until the first request begins
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all[conn] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.all, conn)
		c.open--
		if c.full && c.open <= c.most*3/4 {
			c.full = false
			c.log.Info("connections are below their limit again", "limit", c.most)
		}
	}
	if c.waiting.Load() {
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}
