package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"footfall/adapters/httpapi/netconn"
)

// maxHeaderBytes bounds a request's line and headers together; net/http reads up to
// 4 KiB more. It leaves room for a read of 1,000 pages in one URL where each name takes 23
// bytes there.
const maxHeaderBytes = 32 << 10

// errStopped: a server is started at most once, and not after Stop.
var errStopped = errors.New("http server was started or stopped before")

// Server is one listener with its handler. Start and Stop may be called from
// different goroutines, Stop any number of times, also without Start.
type Server struct {
	addr        string
	log         *slog.Logger
	http        *http.Server
	undrained   context.Context // ends when draining begins
	drain       context.CancelFunc
	connections *netconn.Connections
	working     atomic.Int64 // handlers that don't wait for their callers

	mu       sync.Mutex
	used     bool
	listener *netconn.Listener
	served   chan struct{} // closed when the accepting goroutine is gone
}

// serverKey is the key of a request's context under which its server is.
type serverKey struct{}

// IsDraining reports whether the server of a request's context is draining.
func IsDraining(ctx context.Context) bool {
	s, ok := ctx.Value(serverKey{}).(*Server)
	return ok && s.undrained.Err() != nil
}

// UntilDrain is the context of a request that waits for something which may take long. It
// ends when the server drains.
func UntilDrain(of context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(of)
	s, ok := of.Value(serverKey{}).(*Server)
	if !ok {
		return ctx, cancel
	}
	stop := context.AfterFunc(s.undrained, cancel)
	return ctx, func() { stop(); cancel() }
}

// StreamContext is the context of a request whose answer is a stream of unknown
// length. It ends when the caller disconnects or the server drains, and Stop
// doesn't wait for it. The system buffers at most sendBuffer bytes for a caller
// that does not read. The caller of StreamContext must call leave.
func StreamContext(r *http.Request, sendBuffer int) (ctx context.Context, leave func()) {
	if c := netconn.Of(r.Context()); c != nil {
		c.LimitWriteBuffer(sendBuffer)
	}
	ctx, cancel := UntilDrain(r.Context())
	s, ok := r.Context().Value(serverKey{}).(*Server)
	if !ok {
		return ctx, cancel
	}
	s.working.Add(-1)
	return ctx, func() {
		cancel()
		s.working.Add(1)
	}
}

// NewServer makes a server that will listen on addr (host:port; port 0 takes
// any). requestTime bounds the reading of a request. A connection is closed when
// its answer isn't written 5 s later. Contexts of requests have no deadline.
func NewServer(addr string, handler http.Handler, requestTime time.Duration, log *slog.Logger) *Server {
	s := &Server{addr: addr, log: log, connections: netconn.NewConnections(netconn.Limits{}, log)}
	s.undrained, s.drain = context.WithCancel(context.Background())
	base := context.WithValue(context.Background(), serverKey{}, s)
	s.http = &http.Server{
		Handler:           s.tracked(handler),
		ConnState:         s.trackState,
		ReadHeaderTimeout: min(netconn.HeaderTime, requestTime),
		ReadTimeout:       requestTime,
		WriteTimeout:      requestTime + netconn.WriteTime,
		IdleTimeout:       netconn.IdleTime,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       netconn.WithConn,
		// OPTIONS * is answered as every other path that nothing serves.
		DisableGeneralOptionsHandler: true,
		// net/http logs about single connections of callers.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// bodyDeadline is when a body has to be there whose header has just been read.
func (s *Server) bodyDeadline() time.Time { return time.Now().Add(s.http.ReadTimeout) }

// Limit bounds what callers take, together with other servers that have the same
// connections. It has to be called before Start.
func (s *Server) Limit(c *netconn.Connections) { s.connections = c }

// Start listens and returns; requests are served from then on.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used {
		return errStopped
	}
	accepting, err := netconn.Listen(ctx, s.addr, s.connections, s.log.With("addr", s.addr))
	if err != nil {
		return err
	}
	s.used, s.listener, s.served = true, accepting, make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.http.Serve(accepting); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("http listener failed", "addr", s.addr, "error", err)
		}
	}()
	return nil
}

// Addr is the address on which the server listens. Before Start it is the one
// given to NewServer.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return s.addr
	}
	return s.listener.Addr().String()
}

// Drain ends streams, makes GET /readyz say 503, and makes every answer close
// its connection, so that load balancers send requests elsewhere. Other requests
// are served as before, and idle connections stay open.
func (s *Server) Drain() { s.drain() }

// Stop drains, stops listening and waits for the requests in flight. It waits
// for callers that have not sent all of a request for a second at most, and for
// 0.1 s when the header is incomplete; then it closes their connections.
//
// When ctx ends first, Stop closes all connections. That ends the contexts of
// their requests, but for routes that ignore a disconnect, which end soon by
// themselves. It then returns the error of ctx if a request was at work.
func (s *Server) Stop(ctx context.Context) error {
	s.Drain()
	s.mu.Lock()
	s.used = true
	served := s.served
	s.mu.Unlock()
	if served == nil {
		return nil
	}
	_ = s.listener.Close()
	<-served
	// net/http would wait for headers for 5 s, and would serve no request whose header it
	// reads after its shutdown began.
	s.listener.AwaitHeaders(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.http.Shutdown(ctx) }()
	err := netconn.AwaitShutdown(ended, &s.working)
	_ = s.http.Close() // the listener is closed already; it closes the other connections
	if err != nil {
		return fmt.Errorf("stop listening on %s: %w", s.addr, err)
	}
	return nil
}

// trackState is http.Server.ConnState.
func (s *Server) trackState(of net.Conn, state http.ConnState) {
	c := of.(*netconn.Conn)
	switch state {
	case http.StateNew:
		s.listener.Track(c, netconn.New)
	case http.StateActive:
		s.listener.Track(c, netconn.Active)
	case http.StateIdle:
		s.listener.Track(c, netconn.Idle)
	case http.StateClosed, http.StateHijacked:
		s.listener.Track(c, netconn.Closed)
	}
}

// tracked counts the requests on which a handler is at work.
func (s *Server) tracked(handler http.Handler) http.Handler {
	noSniff := []string{"nosniff"} // all answers share it
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.working.Add(1)
		defer s.working.Add(-1)
		w.Header()["X-Content-Type-Options"] = noSniff
		if s.undrained.Err() != nil || s.connections.Waiting() {
			w.Header().Set("Connection", "close")
		}
		if !isUnambiguous(w, r) {
			return
		}
		if r.Body != http.NoBody {
			r = r.WithContext(r.Context()) // a copy: net/http looks at the body of its own
			r.Body = &callerBody{ReadCloser: r.Body, working: &s.working}
		}
		handler.ServeHTTP(w, r)
	})
}

// callerBody is a body whose reading is not work, but waiting for its caller.
type callerBody struct {
	io.ReadCloser
	working *atomic.Int64
}

func (b *callerBody) Read(p []byte) (int, error) {
	b.working.Add(-1)
	defer b.working.Add(1)
	return b.ReadCloser.Read(p)
}
