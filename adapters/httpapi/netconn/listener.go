package netconn

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The times of a server for its connections.
const (
	HeaderTime = 5 * time.Second // for the header of a request
	IdleTime   = 2 * time.Minute // between two requests
	// WriteTime is added to the time of a request, so that one whose body took all of it can
	// still be answered.
	WriteTime = 5 * time.Second
)

const (
	// callerTime is how long a stop waits for callers that have not sent all of
	// their requests.
	callerTime = time.Second
	// headerGrace is how long it waits for the headers of new connections,
	// which are mostly there already.
	headerGrace = 100 * time.Millisecond
	// acceptPause is the longest time between two attempts to accept a connection.
	acceptPause = time.Second
)

// Listener accepts connections within the bounds of Connections.
type Listener struct {
	net.Listener
	connections *Connections
	log         *slog.Logger
	stopping    context.Context
	stop        context.CancelFunc
	awaited     sync.Map // *Conn: those that have sent no whole header yet
	open        sync.Map // *Conn
	failing     bool     // that the system accepts none was logged
}

// Listen listens on addr (host:port; port 0 takes any) for TCP. Close must follow.
func Listen(ctx context.Context, addr string, c *Connections, log *slog.Logger) (*Listener, error) {
	var lc net.ListenConfig
	inner, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &Listener{Listener: inner, connections: c, log: log}
	l.stopping, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	return l, nil
}

// Close implements net.Listener. Connections that have been accepted stay open.
func (l *Listener) Close() error {
	l.stop()
	return l.Listener.Close()
}

// Accept implements net.Listener. It returns when a connection has a place, or when the
// listener is closed: while the system accepts none, it tries again.
func (l *Listener) Accept() (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; {
		accepted, err := l.Listener.Accept()
		if l.stopping.Err() == nil {
			l.note(err)
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			select {
			case <-l.stopping.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, acceptPause)
			continue
		}
		pause = 5 * time.Millisecond
		if c := l.admit(accepted); c != nil {
			return c, nil
		}
	}
}

// admit gives a connection a place, or refuses it and returns nil.
func (l *Listener) admit(accepted net.Conn) *Conn {
	c, all := Wrap(accepted), l.connections
	c.Addr = c.RemoteAddr().String()
	if !all.Identify.Trusts(c.Addr) {
		c.Client = all.Identify.Of(c.Addr, nil)
	}
	if bound := all.place(l.stopping, c); bound != "" {
		all.refuse(c, bound)
		return nil
	}
	c.accountHeaders(all.Bytes)
	return c
}

// note logs that the system accepts no connections, and that it does again.
func (l *Listener) note(err error) {
	failing := err != nil
	if failing == l.failing {
		return
	}
	l.failing = failing
	if failing {
		l.log.Error("connections are not accepted", "error", err)
	} else {
		l.log.Info("connections are accepted again")
	}
}

// Track follows the state of a connection. The server calls it for one connection at a
// time: once with New and once with Closed for each that was accepted.
func (l *Listener) Track(c *Conn, state State) {
	l.connections.track(c, state)
	if state == New || state == Idle {
		c.awaitHeader()
	}
	switch state {
	case New:
		l.open.Store(c, nil)
	case Closed:
		l.open.Delete(c)
	}
	if state == New {
		l.awaited.Store(c, nil)
	} else if !c.sawHeader {
		c.sawHeader = true
		l.awaited.Delete(c)
	}
}

// CloseConnections closes all that are open.
func (l *Listener) CloseConnections() {
	l.open.Range(func(c, _ any) bool {
		_ = c.(*Conn).Close()
		return true
	})
}

// AwaitHeaders is for a stop, after Close. It waits for the headers of connections that
// have not sent one, and closes those that don't send it soon.
func (l *Listener) AwaitHeaders(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, headerGrace)
	defer cancel()
	awaited := func() (one bool) {
		l.awaited.Range(func(any, any) bool {
			one = true
			return false
		})
		return one
	}
	for awaited() && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	l.awaited.Range(func(c, _ any) bool {
		_ = c.(*Conn).Close()
		return true
	})
}

// quietPolls is how many polls in a row have to find no handler at work.
const quietPolls = 10

// AwaitShutdown returns when a shutdown has ended, with its error if a handler
// is at work then. It also returns when only callers that have not sent all of
// their requests are left. working is the number of handlers that don't wait for theirs.
func AwaitShutdown(ended <-chan error, working *atomic.Int64) error {
	callersUntil := time.Now().Add(callerTime)
	quiet := 0 // polls in a row at which no handler was at work
	for {
		select {
		case err := <-ended:
			if working.Load() == 0 {
				return nil
			}
			return err
		case <-time.After(10 * time.Millisecond):
			if working.Load() > 0 {
				quiet = 0
			}
			// An answer is sent a moment after its handler has returned.
			if quiet++; quiet > quietPolls && time.Now().After(callersUntil) {
				return nil
			}
		}
	}
}
