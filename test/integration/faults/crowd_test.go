package faults_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"footfall/test/integration/service"
)

// host is the nth one.
func host(group, n int) string { return fmt.Sprintf("127.%d.%d.%d", group, n/250, n%250+1) }

// says answers each request with the next raw bytes, and repeats the last ones.
func says(raw ...string) func(*service.Crowd, net.Conn) {
	return func(c *service.Crowd, conn net.Conn) {
		if n := c.Hear(conn); n > 0 {
			_, _ = io.WriteString(conn, raw[min(n, len(raw))-1])
		}
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks"

// hostile is what endpoints do that are no good.
var hostile = map[string]func(*service.Crowd, net.Conn){
	"hangs":          func(c *service.Crowd, conn net.Conn) { c.Hear(conn); c.Until(conn, "", time.Hour) },
	"drips a header": func(c *service.Crowd, conn net.Conn) { c.Hear(conn); c.Until(conn, "X", 500*time.Millisecond) },
	"sends gigabytes": func(c *service.Crowd, conn net.Conn) {
		c.Hear(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 500 No\r\n\r\n")
		for more := []byte(strings.Repeat("x", 64<<10)); ; {
			if _, err := conn.Write(more); err != nil {
				return
			}
		}
	},
	"sends a header without end": func(c *service.Crowd, conn net.Conn) {
		c.Hear(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for more := []byte("X-Fill: " + strings.Repeat("x", 1000) + "\r\n"); ; {
			if _, err := conn.Write(more); err != nil {
				return
			}
		}
	},
	"resets":     func(c *service.Crowd, conn net.Conn) { c.Hear(conn); _ = conn.(*net.TCPConn).SetLinger(0) },
	"is garbage": says("\x00\xff not http\r\n\r\n"),
	"is down":    says("HTTP/1.1 503 No\r\n\r\n"),
}

// inWindows lets a test try with windows of some length, and with longer ones where a
// machine is too busy for those: then try says what it has missed.
func inWindows(t *testing.T, window time.Duration, try func(window time.Duration) (missed string)) {
	t.Helper()
	missed := ""
	for range 4 {
		if missed = try(window); missed == "" {
			return
		}
		t.Logf("in windows of %v: %s", window, missed)
		window *= 2
	}
	t.Error(missed)
}
