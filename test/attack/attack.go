// Package attack has callers that take what others need, and honest ones that notice it or
// do not.
package attack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"footfall/test/integration/service"
)

// Stranger is one anonymous caller at 127.0.0.2. It may be used concurrently.
type Stranger struct {
	public string
	client *http.Client
	sent   atomic.Int64
	serial atomic.Int64
}

// NewStranger returns a caller of a public listener.
func NewStranger(public string) *Stranger {
	return &Stranger{public: public, client: from(net.IPv4(127, 0, 0, 2))}
}

// Sent is the number of requests that it has begun to send.
func (s *Stranger) Sent() int64 { return s.sent.Load() }

// Attack is a way to take from a service what others need. Run goes on until its context ends.
type Attack struct {
	Name string
	Run  func(context.Context, *Stranger)
}

// All are the attacks of docs/failures.md that one address can make for long.
func All() []Attack {
	return []Attack{
		{"S3 endpoints", func(ctx context.Context, s *Stranger) {
			s.every(ctx, 4, 20*time.Millisecond, func(n int64) {
				s.send(ctx, http.MethodGet, service.AcceptPath(fmt.Sprint(n), fmt.Sprintf("http://127.0.0.1:9/%d", n)), "", nil)
			})
		}},
		{"S4 keys", func(ctx context.Context, s *Stranger) {
			s.every(ctx, 4, 100*time.Millisecond, func(n int64) {
				s.send(ctx, http.MethodPost, "/visits", names(n, 200), http.Header{"Idempotency-Key": {fmt.Sprint("key-", n)}})
			})
		}},
		{"S5 names", func(ctx context.Context, s *Stranger) {
			s.every(ctx, 4, 100*time.Millisecond, func(n int64) { s.send(ctx, http.MethodPost, "/visits", names(n, 500), nil) })
		}},
		{"S6 headers", func(ctx context.Context, s *Stranger) {
			s.hold(ctx, 416, 4*time.Second, "GET / HTTP/1.1\r\nHost: localhost\r\nA: "+strings.Repeat("a", 1<<20))
		}},
		{"S7 silent bulks", func(ctx context.Context, s *Stranger) {
			s.hold(ctx, 256, time.Second, "POST /visits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 450000\r\n\r\n")
		}},
		{"S8 streams", func(ctx context.Context, s *Stranger) {
			var query strings.Builder
			for i := range 50 {
				fmt.Fprintf(&query, "page_id=invented-%d&", i)
			}
			s.hold(ctx, 200, time.Second, "GET /events?"+query.String()+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}},
		{"S13 bulks of 2,000", func(ctx context.Context, s *Stranger) {
			s.every(ctx, 2, 200*time.Millisecond, func(n int64) { s.send(ctx, http.MethodPost, "/visits", names(n, 2000), nil) })
		}},
	}
}

// Everything is all attacks together.
func Everything(ctx context.Context, s *Stranger) {
	var all sync.WaitGroup
	for _, a := range All() {
		all.Go(func() { a.Run(ctx, s) })
	}
	all.Wait()
}

// every does something at so many places, each with a gap, until ctx ends.
func (s *Stranger) every(ctx context.Context, places int, gap time.Duration, do func(n int64)) {
	var all sync.WaitGroup
	for place := range places {
		all.Go(func() {
			time.Sleep(gap * time.Duration(place) / time.Duration(places)) // not all at the same moment
			for ctx.Err() == nil {
				begin := time.Now()
				do(s.serial.Add(1))
				time.Sleep(max(0, gap-time.Since(begin)))
			}
		})
	}
	all.Wait()
}

func (s *Stranger) send(ctx context.Context, method, path, body string, header http.Header) {
	s.sent.Add(1)
	send(ctx, s.client, method, s.public+path, body, header)
}

// hold opens connections that send a text and no more, and opens those again that end, each
// once in a time.
func (s *Stranger) hold(ctx context.Context, connections int, gap time.Duration, text string) {
	s.every(ctx, connections, gap, func(int64) {
		s.sent.Add(1)
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		c, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(s.public, "http://"))
		if err != nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		defer stop()
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, text)
		_, _ = io.Copy(io.Discard, c)
	})
}

// names is a bulk of pages that nothing has counted before.
func names(n int64, items int) string {
	var b bytes.Buffer
	for i := range items {
		fmt.Fprintf(&b, "{\"page_id\":\"new/%d/%d\"}\n", n, i)
	}
	return b.String()
}
