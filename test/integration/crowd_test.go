package integration_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// crowd is one listener that is many hosts: every address of 127.0.0.0/8.
type crowd struct {
	net.Listener
	port string
	mu   sync.Mutex
	// requests by host, as they came.
	requests map[string][]heard
	over     chan struct{} // closed at the end
}

// newCrowd lets each connection be handled by what its host does.
func newCrowd(t *testing.T, behave func(host string) func(*crowd, net.Conn)) *crowd {
	t.Helper()
	l, err := net.Listen("tcp4", "0.0.0.0:0") // all of 127.0.0.0/8
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{Listener: l, requests: make(map[string][]heard), over: make(chan struct{})}
	_, c.port, _ = net.SplitHostPort(l.Addr().String())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
				behave(host)(c, conn)
			})
		}
	})
	t.Cleanup(func() { close(c.over); _ = l.Close(); all.Wait() })
	return c
}

func (c *crowd) url(host string) string { return "http://" + host + ":" + c.port + "/" }

// host is the nth one.
func host(group, n int) string { return fmt.Sprintf("127.%d.%d.%d", group, n/250, n%250+1) }

// hear reads a request and keeps it; the number says the how manieth of its
// host it is.
func (c *crowd) hear(conn net.Conn) (number int) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, req.Body)
	host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[host] = append(c.requests[host], heard{req, time.Now()})
	return len(c.requests[host])
}

// heard is a request and when it was read.
type heard struct {
	*http.Request
	at time.Time
}

func (c *crowd) heard(host string) []heard {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests[host])
}

func (c *crowd) calls() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, all := range c.requests {
		n += len(all)
	}
	return n
}

// says answers with raw bytes, the last of them for ever.
func says(raw ...string) func(*crowd, net.Conn) {
	return func(c *crowd, conn net.Conn) {
		if n := c.hear(conn); n > 0 {
			_, _ = io.WriteString(conn, raw[min(n, len(raw))-1])
		}
	}
}

// until lets a handler go on until the caller gives up or the test is over.
func (c *crowd) until(conn net.Conn, again string, every time.Duration) {
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

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks"

// hostile is what endpoints do that are no good.
var hostile = map[string]func(*crowd, net.Conn){
	"hangs":          func(c *crowd, conn net.Conn) { c.hear(conn); c.until(conn, "", time.Hour) },
	"drips a header": func(c *crowd, conn net.Conn) { c.hear(conn); c.until(conn, "X", 20*time.Millisecond) },
	"sends gigabytes": func(c *crowd, conn net.Conn) {
		c.hear(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 500 No\r\n\r\n")
		for more := []byte(strings.Repeat("x", 64<<10)); ; {
			if _, err := conn.Write(more); err != nil {
				return
			}
		}
	},
	"sends a header without end": func(c *crowd, conn net.Conn) {
		c.hear(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for more := []byte("X-Fill: " + strings.Repeat("x", 1000) + "\r\n"); ; {
			if _, err := conn.Write(more); err != nil {
				return
			}
		}
	},
	"resets":     func(c *crowd, conn net.Conn) { c.hear(conn); _ = conn.(*net.TCPConn).SetLinger(0) },
	"is garbage": says("\x00\xff not http\r\n\r\n"),
	"is down":    says("HTTP/1.1 503 No\r\n\r\n"),
}
