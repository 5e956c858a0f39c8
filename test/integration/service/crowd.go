package service

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"footfall/test/check"
)

// Crowd is one listener that is many hosts: every address of 127.0.0.0/8.
type Crowd struct {
	net.Listener
	Port string
	mu   sync.Mutex
	// requests by host, as they came.
	requests map[string][]HeardRequest
	over     chan struct{} // closed at the end
}

// NewCrowd lets each connection be handled by what its host does.
func NewCrowd(t testing.TB, behave func(host string) func(*Crowd, net.Conn)) *Crowd {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "0.0.0.0:0") // all of 127.0.0.0/8
	check.Must(t, err)
	c := &Crowd{Listener: l, requests: make(map[string][]HeardRequest), over: make(chan struct{})}
	_, c.Port, _ = net.SplitHostPort(l.Addr().String())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
				behave(host)(c, conn)
			})
		}
	})
	t.Cleanup(func() { close(c.over); _ = l.Close(); all.Wait() })
	return c
}

// URL is the address of an endpoint at a host.
func (c *Crowd) URL(host string) string { return "http://" + host + ":" + c.Port + "/" }

// Hear reads a request and keeps it; the number counts the requests of
// its host.
func (c *Crowd) Hear(conn net.Conn) (number int) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, req.Body)
	host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[host] = append(c.requests[host], HeardRequest{req, time.Now()})
	return len(c.requests[host])
}

// HeardRequest is a request and when it was read.
type HeardRequest struct {
	*http.Request
	At time.Time
}

// Heard returns the requests that a host has read, oldest first.
func (c *Crowd) Heard(host string) []HeardRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests[host])
}

// Calls is the number of requests that all hosts have read.
func (c *Crowd) Calls() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, all := range c.requests {
		n += len(all)
	}
	return n
}

// Until lets a handler go on until the caller closes it or the test is over.
func (c *Crowd) Until(conn net.Conn, again string, every time.Duration) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, conn)
	}()
	for {
		select {
		case <-gone:
			return
		case <-c.over:
			_ = conn.Close()
			<-gone
			return
		case <-time.After(every):
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := io.WriteString(conn, again); err != nil {
				_ = conn.Close()
			}
		}
	}
}
