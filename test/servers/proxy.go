package servers

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands before a server and breaks TCP as networks do. Its methods are
// safe for concurrent use.
type Proxy struct {
	Addr        string // 127.0.0.1:port
	target      string
	text, other []byte // one is replaced by the other

	mu       sync.Mutex
	listener net.Listener
	refusing bool
	conns    map[net.Conn]struct{}
	cuts     []*cut
	hold     *cut          // of requests
	stalled  chan struct{} // closed by Resume; nil while bytes flow

	idleTime atomic.Int64 // nanoseconds, 0 is without end
	dropped  atomic.Int64
	rewrites atomic.Int64
}

// DropIdle lets connections on which no bytes flow for some time lead nowhere from then
// on, though they stay open. It holds for those that are made later.
func (p *Proxy) DropIdle(after time.Duration) { p.idleTime.Store(int64(after)) }

// Dropped is how many connections led nowhere.
func (p *Proxy) Dropped() int64 { return p.dropped.Load() }

// Rewrites is how often the text was replaced. A text that never comes is no defect.
func (p *Proxy) Rewrites() int64 { return p.rewrites.Load() }

// cut is a reply that is to be cut.
type cut struct {
	after int
	with  []byte        // what the reply has to contain
	more  []byte        // goes out behind the whole reply, in one piece with it; nil: it is cut
	done  chan struct{} // closed when it was
}

// StartProxy starts a proxy that passes everything on to the target until
// it is changed. A target that is down closes the connection.
func StartProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	return start(tb, &Proxy{target: target})
}

// StartRewriter starts a proxy that replaces a text by another of the same
// length in what clients send.
func StartRewriter(tb testing.TB, target, text, other string) *Proxy {
	tb.Helper()
	if len(text) != len(other) || text == "" {
		tb.Fatalf("%q and %q differ in length", text, other)
	}
	return start(tb, &Proxy{target: target, text: []byte(text), other: []byte(other)})
}

func start(tb testing.TB, p *Proxy) *Proxy {
	tb.Helper()
	p.conns = make(map[net.Conn]struct{})
	var err error
	for range 5 { // another process may take the port in between
		p.Addr = FreeAddr(tb)
		if err = p.Accept(); err == nil {
			break
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.Refuse()
		p.Resume()
	})
	return p
}

// Accept lets the proxy take connections, again after Refuse.
func (p *Proxy) Accept() error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.Addr)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.listener, p.refusing = l, false
	p.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return nil
}

// Refuse lets the proxy refuse connections and ends those that are there.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = true
	_ = p.listener.Close()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Stall holds back all bytes of both directions until Resume. What clients
// have sent meanwhile arrives then, though they may have ended.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
	}
}

// Resume ends Stall.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		close(p.stalled)
		p.stalled = nil
	}
}

// Redirect lets the proxy lead to another server. Connections that are there stay.
func (p *Proxy) Redirect(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// CutReply lets at most n bytes of the next reply through, but never all of
// it, and ends its connection. The channel is closed when that has happened;
// withdraw says that it need not happen any more.
func (p *Proxy) CutReply(n int) (happened <-chan struct{}, withdraw func()) {
	return p.cut(&cut{after: n, done: make(chan struct{})})
}

// DropReply lets nothing through of the next reply that has the text in it,
// and ends its connection.
func (p *Proxy) DropReply(text string) (happened <-chan struct{}, withdraw func()) {
	return p.cut(&cut{with: []byte(text), done: make(chan struct{})})
}

// EndReply lets the next reply through that has the text in it, with more
// behind it in one piece, and ends its connection.
func (p *Proxy) EndReply(text, more string) (happened <-chan struct{}, withdraw func()) {
	return p.cut(&cut{with: []byte(text), more: []byte(more), done: make(chan struct{})})
}

func (p *Proxy) cut(c *cut) (happened <-chan struct{}, withdraw func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts = append(p.cuts, c)
	return c.done, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cuts = slices.DeleteFunc(p.cuts, func(other *cut) bool { return other == c })
	}
}

// serve takes one connection's bytes there and back.
func (p *Proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	p.keep(client, server)
	defer p.forget(client, server)
	drop := p.dropIdle()
	requests := make(chan struct{})
	go func() {
		defer close(requests)
		pump(server, client, drop(p.request))
	}()
	pump(client, server, drop(p.reply))
	_ = client.Close()
	_ = server.Close()
	<-requests
}

// dropIdle returns what both directions of one connection do while it is not idle.
func (p *Proxy) dropIdle() func(change func([]byte) ([]byte, bool)) func([]byte) ([]byte, bool) {
	after := time.Duration(p.idleTime.Load())
	if after == 0 {
		return func(change func([]byte) ([]byte, bool)) func([]byte) ([]byte, bool) { return change }
	}
	var nowhere atomic.Bool
	idle := time.AfterFunc(after, func() { nowhere.Store(true); p.dropped.Add(1) })
	return func(change func([]byte) ([]byte, bool)) func([]byte) ([]byte, bool) {
		return func(b []byte) ([]byte, bool) {
			switch {
			case len(b) == 0:
				idle.Stop()
			case nowhere.Load():
				return nil, true
			default:
				idle.Reset(after)
			}
			return change(b)
		}
	}
}

func (p *Proxy) keep(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = struct{}{}
		if p.refusing { // since it was accepted
			_ = c.Close()
		}
	}
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// pump copies from one end to the other what change makes of it, until an
// end is closed or change says so. Then the far end is closed.
func pump(to, from net.Conn, change func([]byte) (part []byte, goOn bool)) {
	defer func() { _ = to.Close() }()
	b := make([]byte, 64<<10)
	held := 0 // bytes that change has seen and not passed on
	for {
		n, err := from.Read(b[held:])
		part, goOn := change(b[:held+n])
		if _, bad := to.Write(part); err != nil || bad != nil || !goOn {
			return
		}
		held = copy(b, b[len(part):held+n])
	}
}

// request rewrites what a client sends. A beginning of the text at the end
// of b is held back: its other half is about to come.
func (p *Proxy) request(b []byte) ([]byte, bool) {
	p.wait()
	if p.holds(b) {
		return nil, true
	}
	if len(p.text) == 0 {
		return b, true
	}
	for at := bytes.Index(b, p.text); at >= 0; at = bytes.Index(b, p.text) {
		copy(b[at:], p.other)
		p.rewrites.Add(1)
	}
	for n := min(len(p.text)-1, len(b)); n > 0; n-- {
		if bytes.HasPrefix(p.text, b[len(b)-n:]) {
			return b[:len(b)-n], true
		}
	}
	return b, true
}

// reply cuts what a server answers, where a client waits for that.
func (p *Proxy) reply(b []byte) ([]byte, bool) {
	p.wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(b) == 0 || len(p.cuts) == 0 || !bytes.Contains(b, p.cuts[0].with) {
		return b, true
	}
	c := p.cuts[0]
	p.cuts = p.cuts[1:]
	close(c.done)
	if c.more != nil {
		return slices.Concat(b, c.more), false
	}
	return b[:min(c.after, len(b)-1)], false
}

// wait returns when bytes may flow.
func (p *Proxy) wait() {
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
}
