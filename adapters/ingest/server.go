// Package ingest is a listener for the routes that are called most, on fasthttp: it counts
// visits and ids, and reads single pages, for less CPU than the public listener. Its routes,
// answers, limits and metrics are those of package counter. What fasthttp reads more
// leniently than net/http is refused here.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/netconn"
)

// maxHeaderBytes bounds a request's line and headers together. fasthttp holds so many
// bytes for each connection.
const maxHeaderBytes = 8 << 10

// errStopped: a server is started at most once, and not after Stop.
var errStopped = errors.New("ingest server was started or stopped before")

// Options is what the listener needs.
type Options struct {
	// Addr is host:port; port 0 takes any.
	Addr    string
	Counter *counter.Counter
	// Connections bounds those of all listeners that share it.
	Connections *netconn.Connections
	// RequestTime bounds the reading of a request. A connection is closed when its answer
	// isn't written 5 s later.
	RequestTime time.Duration
	// Origins returns the fields that an answer has for pages of other origins, by the
	// method and the fields of a request. answered: it is a preflight, and its answer is a
	// 204 with these fields. Nil is that no other origin may use the listener.
	Origins func(method string, header map[string][]string) (fields map[string][]string, answered bool)
	Log     *slog.Logger
}

// Server is the listener. Start and Stop may be called from different goroutines, Stop any
// number of times, also without Start.
type Server struct {
	Options
	fast      *fasthttp.Server
	endpoints []*endpoint
	exchanges sync.Pool       // *exchange
	undrained context.Context // ends when draining begins
	drain     context.CancelFunc
	serving   context.Context // ends when Stop abandons them: that of all requests
	abandon   context.CancelFunc
	working   atomic.Int64 // handlers that don't wait for their callers

	mu       sync.Mutex
	used     bool
	listener *netconn.Listener
	served   chan struct{} // closed when the accepting goroutine is gone
}

// New makes a server that does not listen yet.
func New(o Options) *Server {
	s := &Server{Options: o, endpoints: endpoints(o.Counter)}
	s.exchanges.New = func() any { return new(exchange) }
	s.undrained, s.drain = context.WithCancel(context.Background())
	s.serving, s.abandon = context.WithCancel(context.Background())
	s.fast = &fasthttp.Server{
		Handler: s.serve, ErrorHandler: s.refuseUnread, ConnState: s.trackState,
		ReadTimeout: min(netconn.HeaderTime, o.RequestTime), WriteTimeout: o.RequestTime + netconn.WriteTime, IdleTimeout: netconn.IdleTime,
		ReadBufferSize: maxHeaderBytes, StreamRequestBody: true, DisablePreParseMultipartForm: true,
		// The first byte of a body is read before the handler is called, which reads the rest.
		MaxRequestBodySize:    1,
		NoDefaultServerHeader: true, NoDefaultContentType: true, SecureErrorLogMessage: true, CloseOnShutdown: true, LazyRequestTime: true,
		Logger: debugLog{o.Log},
	}
	return s
}

// debugLog takes what fasthttp logs about single connections of callers.
type debugLog struct{ *slog.Logger }

// Printf implements fasthttp.Logger.
func (l debugLog) Printf(format string, args ...any) {
	l.Debug("ingest connection", "message", fmt.Sprintf(format, args...))
}

// Start listens and returns; requests are served from then on.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used {
		return errStopped
	}
	accepting, err := netconn.Listen(ctx, s.Options.Addr, s.Connections, s.Log.With("addr", s.Options.Addr))
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.Options.Addr, err)
	}
	s.used, s.listener, s.served = true, accepting, make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.fast.Serve(accepting); err != nil {
			s.Log.Error("ingest listener failed", "addr", s.Options.Addr, "error", err)
		}
	}()
	return nil
}

// Addr is the address on which the server listens. Before Start it is that of its options.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return s.Options.Addr
	}
	return s.listener.Addr().String()
}

// Drain makes every answer close its connection, so that load balancers send requests
// elsewhere. Requests are served as before, and idle connections stay open.
func (s *Server) Drain() { s.drain() }

// Stop drains, stops listening and waits for the requests in flight. It waits
// for callers that have not sent all of a request for a second at most, and for
// 0.1 s when the header is incomplete; then it closes their connections.
//
// When ctx ends first, Stop closes all connections and ends the contexts of their
// requests. It then returns the error of ctx if a request was at work.
func (s *Server) Stop(ctx context.Context) error {
	s.Drain()
	s.mu.Lock()
	s.used = true
	served := s.served
	s.mu.Unlock()
	if served == nil {
		s.abandon()
		return nil
	}
	_ = s.listener.Close()
	<-served
	s.listener.AwaitHeaders(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.fast.ShutdownWithContext(ctx) }()
	err := netconn.AwaitShutdown(ended, &s.working)
	s.abandon()
	s.listener.CloseConnections()
	if err != nil {
		return fmt.Errorf("stop listening on %s: %w", s.Options.Addr, err)
	}
	return nil
}

// trackState is fasthttp.Server.ConnState. A connection becomes active with its first byte
// there, and with a whole header here: see serve.
func (s *Server) trackState(of net.Conn, state fasthttp.ConnState) {
	c := of.(*netconn.Conn)
	switch state {
	case fasthttp.StateNew:
		s.listener.Track(c, netconn.New)
	case fasthttp.StateIdle:
		s.listener.Track(c, netconn.Idle)
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		s.listener.Track(c, netconn.Closed)
	case fasthttp.StateActive:
	}
}
