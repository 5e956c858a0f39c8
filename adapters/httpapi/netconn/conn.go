// Package netconn has the connections of the listeners for HTTP. It bounds how many there
// are, and looks at the header of each request for what can be read in two ways. It knows
// no HTTP library, so that another adapter for HTTP may use it.
//
// Its connections make net/http cheaper: 9 to 14 % more requests per second on the same
// CPU (test/bench/RESULTS.md), mostly of system calls that they save.
//
//   - net/http sets about seven deadlines for each request, which mostly end
//     long after it. Here a deadline of the inner connection is set again only
//     where the one before would come too late, or has come too soon.
//   - While a handler runs, net/http reads in the background, to learn that the
//     caller has closed the connection. For handlers that end soon anyway, that
//     read can be made to end immediately, with nothing.
package netconn

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"footfall/adapters/httpapi/problem"
)

// slack is how late a deadline of a connection may come.
const slack = time.Second

// Conn is one connection. Its methods may be called from several goroutines, but
// only one may read and one may write at a time.
type Conn struct {
	net.Conn
	// Client is whose connection it is; the zero value where its requests are of many, as
	// those of a proxy. Addr is the address of the other end. Listener sets both.
	Client netip.Prefix
	Addr   string

	sawHeader bool         // of its first request; one goroutine at a time tracks it
	idleSince atomic.Int64 // Unix nanoseconds, 0 while it is not idle

	mu          sync.Mutex
	reading     half
	writing     half
	readsPaused bool

	header framing // that of the request that is awaited or served; see awaitHeader
	bytes  headerBytes
}

// Wrap makes a Conn of a connection.
func Wrap(inner net.Conn) *Conn {
	return &Conn{
		Conn: inner, reading: half{set: inner.SetReadDeadline}, writing: half{set: inner.SetWriteDeadline},
		header: framing{done: true},
	}
}

// contextKey is the key of a request's context under which its Conn is.
type contextKey struct{}

// WithConn is what http.Server.ConnContext wants.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// Of is the connection of a request's context; nil for none.
func Of(ctx context.Context) *Conn {
	c, _ := ctx.Value(contextKey{}).(*Conn)
	return c
}

// half is the deadline of one direction. The mutex of its Conn guards it.
type half struct {
	set    func(time.Time) error
	wanted time.Time
	real   time.Time // what was set
	spent  bool      // real ended a call, so it has to be set again
	busy   bool      // a call is under way
}

// isOver reports whether a deadline is one that is set to end a call immediately.
func isOver(t time.Time) bool { return !t.IsZero() && t.Unix() <= 1 }

func (h *half) want(t time.Time) {
	h.wanted = t
	if h.busy {
		h.arm()
	}
}

// arm sets the real deadline, unless it is early enough.
func (h *half) arm() {
	late := !h.wanted.IsZero() && (h.real.IsZero() || h.real.Sub(h.wanted) > slack)
	if !late && !h.spent {
		return
	}
	h.real, h.spent = h.wanted, false
	_ = h.set(h.real) // it fails where the call does, on a closed connection
}

func (h *half) begin() {
	h.arm()
	h.busy = true
}

// end reports whether the call that ended with err was ended by a deadline that
// has been postponed since.
func (h *half) end(err error) (tooSoon bool) {
	h.busy = false
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	h.spent = true
	return h.wanted.IsZero() || time.Now().Before(h.wanted)
}

// PauseBackgroundRead makes reads return 0 bytes and no error until
// ResumeBackgroundRead. Only the background read of net/http may be under way:
// it then ends for this request, instead of parking a goroutine that has to be
// woken at the end.
func (c *Conn) PauseBackgroundRead() { c.setReadsPaused(true) }

// ResumeBackgroundRead ends PauseBackgroundRead.
func (c *Conn) ResumeBackgroundRead() { c.setReadsPaused(false) }

func (c *Conn) setReadsPaused(paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readsPaused = paused
}

// Read implements net.Conn. It returns 0 and no error while reads are paused: of
// an io.Reader that means that nothing happened.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		over, paused := isOver(c.reading.wanted), c.readsPaused
		if !over && !paused {
			c.reading.begin()
		}
		c.mu.Unlock()
		if over {
			return 0, os.ErrDeadlineExceeded
		}
		if paused {
			return 0, nil
		}
		n, err := c.Conn.Read(p)
		c.mu.Lock()
		tooSoon := c.reading.end(err)
		var refused error
		if !c.header.done {
			refused = c.heard(n)
		}
		c.header.see(p[:n])
		c.mu.Unlock()
		if f, ok := errors.AsType[problem.Fault](refused); ok {
			c.Refuse(f)
			return 0, io.EOF
		}
		if !tooSoon {
			return n, err
		}
	}
}

// ReadIsLate reports whether the last read was ended by its deadline. Libraries may return
// another error then.
func (c *Conn) ReadIsLate() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reading.spent
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	written := 0
	for {
		c.mu.Lock()
		c.writing.begin()
		c.mu.Unlock()
		n, err := c.Conn.Write(p[written:])
		written += n
		c.mu.Lock()
		tooSoon := c.writing.end(err)
		c.mu.Unlock()
		if !tooSoon {
			return written, err
		}
	}
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading.want(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing.want(t)
	return nil
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite is what net/http calls before it closes a connection on which the
// caller may still send. It returns errors.ErrUnsupported where the inner
// connection is not TCP.
func (c *Conn) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return errors.ErrUnsupported
}

// LimitWriteBuffer bounds how many bytes the system buffers for a caller that
// does not read.
func (c *Conn) LimitWriteBuffer(bytes int) {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(bytes)
	}
}
