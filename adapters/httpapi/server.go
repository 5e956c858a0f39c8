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
)

const (
	// maxHeaderBytes leaves room for a read of 1,000 pages in one URL: 759 KiB
	// where each is 256 bytes long and every byte is percent-encoded.
	maxHeaderBytes = 1 << 20
	headerTime     = 5 * time.Second
	idleTime       = 2 * time.Minute
	// writeTime is added to the time of a request, so that one whose body
	// took all of it can still be answered.
	writeTime = 5 * time.Second
	// callerTime is how long a stop waits for callers who have not sent all of
	// their requests.
	callerTime = time.Second
	// headerGrace is how long it waits for the headers of new connections,
	// which are mostly there already.
	headerGrace = 100 * time.Millisecond
)

// errStopped: a server is started at most once, and not after Stop.
var errStopped = errors.New("http server was started or stopped before")

// Server is one listener with its handler. Start and Stop may be called from
// different goroutines, Stop any number of times, also without Start.
type Server struct {
	addr           string
	log            *slog.Logger
	http           *http.Server
	draining       atomic.Bool
	life           context.Context // ends when draining begins
	drain          context.CancelFunc
	working        atomic.Int64 // handlers that don't wait for their callers
	awaitingHeader sync.Map     // *conn: those that have sent no whole header yet

	mu       sync.Mutex
	used     bool
	listener net.Listener
	served   chan struct{} // closed when the accepting goroutine is gone
}

// serverKey and connKey are keys of a request's context.
type (
	serverKey struct{}
	connKey   struct{}
)

// isDraining tells whether the server of a request's context is draining.
func isDraining(ctx context.Context) bool {
	s, ok := ctx.Value(serverKey{}).(*Server)
	return ok && s.draining.Load()
}

// NewServer makes a server that will listen on addr (host:port; port 0 takes
// any). requestTime bounds the reading of a request; an answer that isn't
// written 5 s after it is cut off. The contexts of requests have no deadline.
func NewServer(addr string, handler http.Handler, requestTime time.Duration, log *slog.Logger) *Server {
	s := &Server{addr: addr, log: log}
	s.life, s.drain = context.WithCancel(context.Background())
	base := context.WithValue(context.Background(), serverKey{}, s)
	s.http = &http.Server{
		Handler:           s.watched(handler),
		ConnState:         s.listen,
		ReadHeaderTimeout: min(headerTime, requestTime),
		ReadTimeout:       requestTime,
		WriteTimeout:      requestTime + writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
		// OPTIONS * is answered as every other path that nothing serves.
		DisableGeneralOptionsHandler: true,
		// What net/http says is about single connections of callers.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// Start listens and returns; requests are served from then on.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used {
		return errStopped
	}
	var lc net.ListenConfig
	accepting, err := lc.Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.addr, err)
	}
	s.used, s.listener, s.served = true, accepting, make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener{accepting}); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("http listener failed", "addr", s.addr, "error", err)
		}
	}()
	return nil
}

// Addr is where the server listens, once it does, and before that the address
// it was made with.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return s.addr
	}
	return s.listener.Addr().String()
}

// Drain makes GET /readyz say 503, and every answer close its connection, so
// that balancers send their requests elsewhere, and ends streams. Other
// requests are served as before, and connections without one stay open.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.drain()
}

// Stop drains, stops listening and waits for the requests in flight. Callers
// who have not sent all of a request are waited for a second at most, and 0.1 s
// when its header isn't whole; then their connections are closed. When ctx
// ends first, it closes all connections, which ends the contexts of their
// requests but of brief ones, which end by themselves, and returns the error of
// ctx if a request was at work.
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
	s.hear(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.http.Shutdown(ctx) }()
	err := s.await(ended)
	_ = s.http.Close() // the listener is closed already, what is left is cut off
	if err != nil {
		return fmt.Errorf("stop listening on %s: %w", s.addr, err)
	}
	return nil
}

// hear waits for the headers of connections that have not sent one, and closes
// those that don't send it soon: net/http would wait for them, for 5 s, and
// serve no request whose header it reads after its shutdown began.
func (s *Server) hear(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, headerGrace)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for ctx.Err() == nil {
		silent := false
		s.awaitingHeader.Range(func(any, any) bool {
			silent = true
			return false
		})
		if !silent {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
	s.awaitingHeader.Range(func(c, _ any) bool {
		_ = c.(*conn).Close()
		return true
	})
}

// quietLooks is how many looks in a row have to find no handler at work.
const quietLooks = 10

// await returns when a shutdown has ended, with its error if a handler is at
// work then, or when there is nobody to wait for but callers who have not sent
// all of their requests.
func (s *Server) await(ended <-chan error) error {
	patience := time.NewTimer(callerTime)
	defer patience.Stop()
	over := patience.C
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	quiet := 0 // looks in a row at which no handler was at work
	for {
		select {
		case err := <-ended:
			if s.working.Load() == 0 {
				return nil
			}
			return err
		case <-over:
			over = nil
		case <-look.C:
			if s.working.Load() > 0 {
				quiet = 0
			}
			// An answer is sent a moment after its handler has returned.
			if quiet++; over == nil && quiet > quietLooks {
				return nil
			}
		}
	}
}

// listen knows the connections that have not sent a header, nor ended. For one
// connection net/http calls it in turn.
func (s *Server) listen(of net.Conn, state http.ConnState) {
	c := of.(*conn)
	if state == http.StateNew {
		s.awaitingHeader.Store(c, nil)
	} else if !c.sawHeader {
		c.sawHeader = true
		s.awaitingHeader.Delete(c)
	}
}

// watched is a handler of whose requests s knows when it works on them.
func (s *Server) watched(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.working.Add(1)
		defer s.working.Add(-1)
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		if r.Body != http.NoBody {
			r = r.WithContext(r.Context()) // a copy: net/http looks at the body of its own
			r.Body = &sentBody{ReadCloser: r.Body, working: &s.working}
		}
		handler.ServeHTTP(w, r)
	})
}

// sentBody is a body whose reading is no work, but waiting for its caller.
type sentBody struct {
	io.ReadCloser
	working *atomic.Int64
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.working.Add(-1)
	defer b.working.Add(1)
	return b.ReadCloser.Read(p)
}
