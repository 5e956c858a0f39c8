package httpapi

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// slack is how late a deadline of a connection may come.
const slack = time.Second

// conn is a connection of a caller on which net/http costs less. For each
// request it sets about seven deadlines, which mostly end long after: here one
// is set again only where the one before it would come too late, or came too
// soon. And while a handler runs it reads ahead, to learn when the caller goes:
// here that read ends at once, with nothing, while the handler doesn't care.
type conn struct {
	net.Conn
	sawHeader bool // its first header isn't waited for any more; Server.listen's own

	mu          sync.Mutex
	reading     half
	writing     half
	readsPaused bool // nobody wants to know what the caller sends
}

func newConn(inner net.Conn) *conn {
	return &conn{Conn: inner, reading: half{set: inner.SetReadDeadline}, writing: half{set: inner.SetWriteDeadline}}
}

// half is the deadline of one direction. Its fields are by the mutex of conn.
type half struct {
	set    func(time.Time) error
	wanted time.Time
	real   time.Time // what was set
	spent  bool      // real ended a call, so that it has to be set again
	busy   bool      // a call is under way
}

// isOver tells whether a deadline is one that is set to end a call at once.
func isOver(t time.Time) bool { return !t.IsZero() && t.Unix() <= 1 }

func (h *half) want(t time.Time) {
	h.wanted = t
	if h.busy {
		h.arm()
	}
}

// arm makes the real deadline one that is not too late.
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

// end tells whether the call that ended with err came to a deadline that is
// not the wanted one any more.
func (h *half) end(err error) (tooSoon bool) {
	h.busy = false
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	h.spent = true
	return h.wanted.IsZero() || time.Now().Before(h.wanted)
}

// ignore makes reads end with nothing until heed. Nothing but the read ahead
// may read meanwhile: net/http gives that one up for this request, instead of
// parking a goroutine for it that has to be woken at the end.
func (c *conn) pauseBackgroundRead() { c.setReadsPaused(true) }

func (c *conn) resumeBackgroundRead() { c.setReadsPaused(false) }

func (c *conn) setReadsPaused(unheeded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readsPaused = unheeded
}

// Read implements net.Conn; one call at a time. While the caller is ignored it
// returns 0 and no error, which an io.Reader says when nothing happened.
func (c *conn) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		over, unheeded := isOver(c.reading.wanted), c.readsPaused
		if !over && !unheeded {
			c.reading.begin()
		}
		c.mu.Unlock()
		if over {
			return 0, os.ErrDeadlineExceeded
		}
		if unheeded {
			return 0, nil
		}
		n, err := c.Conn.Read(p)
		c.mu.Lock()
		tooSoon := c.reading.end(err)
		c.mu.Unlock()
		if !tooSoon {
			return n, err
		}
	}
}

// Write implements net.Conn; one call at a time.
func (c *conn) Write(p []byte) (int, error) {
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
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading.want(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing.want(t)
	return nil
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite is what net/http wants of a connection that it closes while the
// caller may still send.
func (c *conn) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return errors.ErrUnsupported
}

// limitBuffer bounds what the kernel keeps of what the caller doesn't read.
func (c *conn) limitBuffer(bytes int) {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(bytes)
	}
}

// connOf is the connection of a request's context; nil in a test without one.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// listener makes a conn of each connection.
type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}
