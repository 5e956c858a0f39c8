package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/netconn"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// refusals are the bounds that have refused something.
type refusals struct {
	mu  sync.Mutex
	all []string
}

func (r *refusals) note(resource, bound string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, resource+" "+bound)
}

// has reports whether a bound has refused something n times.
func (r *refusals) has(bound string, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all) == n && strings.Count(strings.Join(r.all, ","), bound) == n
}

// bound makes the bounds of a server.
func bound(l netconn.Limits) *netconn.Connections {
	return netconn.NewConnections(l, slog.New(slog.DiscardHandler))
}

// bounded starts a server with bounds.
func bounded(t *testing.T, h http.Handler, l netconn.Limits) *httpapi.Server {
	t.Helper()
	s := httpcheck.NewServer(h)
	s.Limit(bound(l))
	check.Must(t, s.Start(t.Context()))
	t.Cleanup(func() { check.OK(t, s.Stop(context.Background())) })
	return s
}

// dialFrom opens a connection from an address of this machine.
func dialFrom(t *testing.T, from string, s *httpapi.Server) caller {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c := check.Value(d.DialContext(t.Context(), "tcp", s.Addr()))(t)
	t.Cleanup(func() { _ = c.Close() })
	check.Must(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return caller{c, bufio.NewReader(c)}
}

// status is that of the next answer, 0 if the connection ends without one.
func (c caller) status() int {
	got, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, got.Body)
	_ = got.Body.Close()
	return got.StatusCode
}

// S6: a client beyond its share of connections is refused, unless one of its own is idle.
// Other clients, and those behind a proxy that is trusted, are served.
func TestS6AClientHasItsShareOfConnections(t *testing.T) {
	t.Parallel()
	var refused refusals
	release := make(chan struct{})
	s := bounded(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
	}), netconn.Limits{
		Connections: 20, Share: 2, Refused: limits.NewRefusals(refused.note, slog.New(slog.DiscardHandler)),
		Identify: limits.Identify{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.3/32")}},
	})
	first, second := dialFrom(t, "127.0.0.2", s), dialFrom(t, "127.0.0.2", s)
	first.send(t, "/slow")
	second.send(t, "/slow")
	if got := dialFrom(t, "127.0.0.2", s).status(); got != http.StatusTooManyRequests || !refused.has("connections client", 1) {
		t.Errorf("the third connection: %d, %v", got, refused.all)
	}
	for _, from := range []string{"127.0.0.1", "127.0.0.3", "127.0.0.3", "127.0.0.3", "127.0.0.3"} {
		c := dialFrom(t, from, s)
		c.send(t, "/")
		check.Equal(t, c.status(), http.StatusOK, "the status for %s", from)
	}
	close(release)
	check.Equal(t, first.status(), http.StatusOK, "the status of the first connection")
	check.Equal(t, second.status(), http.StatusOK, "the status of the second connection")
	for deadline := time.Now().Add(time.Minute); ; { // until the first one has been idle for long enough
		c := dialFrom(t, "127.0.0.2", s)
		c.send(t, "/")
		if got := c.status(); got == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a client with idle connections has no new one")
		}
	}
	ended := make(chan error, 2)
	for _, c := range []caller{first, second} {
		go func() { ended <- check.Err(c.answers.ReadByte()) }()
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("none of the idle connections has ended: %v", err)
	}
}

// S6: bytes of headers that are not complete are accounted, for their client and for all.
// They are free again when the connection ends.
func TestS6BytesOfUnfinishedHeadersAreBounded(t *testing.T) {
	t.Parallel()
	var refused refusals
	bytes := &limits.Pool{Resource: "bytes", Total: 48 << 10, Share: 20 << 10, Refused: limits.NewRefusals(refused.note, slog.New(slog.DiscardHandler))}
	s := bounded(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), netconn.Limits{Bytes: bytes})
	long := "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 20<<10)
	open := dialFrom(t, "127.0.0.2", s)
	check.Value(io.WriteString(open, long))(t)
	for deadline := time.Now().Add(time.Minute); !refused.has("bytes client", 1); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the bytes of the header are not accounted")
		}
		if err := bytes.Acquire(netip.MustParsePrefix("127.0.0.2/32"), 8<<10); err == nil { // the header has not come yet
			bytes.Release(netip.MustParsePrefix("127.0.0.2/32"), 8<<10)
		}
	}
	again := dialFrom(t, "127.0.0.2", s)
	check.Value(io.WriteString(again, long))(t)
	if got := again.status(); got != http.StatusTooManyRequests && got != 0 || !refused.has("bytes client", 2) {
		t.Errorf("the next header of the client: %d, %v", got, refused.all)
	}
	other := dialFrom(t, "127.0.0.1", s)
	check.Value(io.WriteString(other, long+"\r\n\r\n"))(t)
	check.Equal(t, other.status(), http.StatusOK, "the status of another client")
	_ = open.Close()
	for deadline := time.Now().Add(time.Minute); bytes.Acquire(netip.MustParsePrefix("127.0.0.2/32"), 20<<10) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the bytes of a connection that has ended are not free")
		}
	}
}

// slotted serves one route that has a body, with one slot.
func slotted(t *testing.T, refused *refusals) *httpapi.Server {
	t.Helper()
	h := httpapi.NewHandler(httpapi.HandlerOptions{
		Routes: []httpapi.Route{{Method: http.MethodPost, Path: "/{name}", MaxBody: 1 << 20, Do: func(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
			return fmt.Appendf(nil, "%d", len(httpapi.Body(r))), nil
		}}},
		Requests: &limits.Pool{Resource: "requests", Total: 1}, Log: slog.New(slog.DiscardHandler),
		Bytes: &limits.Pool{Resource: "bytes", Total: 128 << 10, Share: 64 << 10, Refused: limits.NewRefusals(refused.note, slog.New(slog.DiscardHandler))},
	})
	return bounded(t, h, netconn.Limits{})
}

func (c caller) post(t *testing.T, length int, body string) {
	t.Helper()
	check.Value(fmt.Fprintf(c, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", length, body))(t)
}

// S7: a request has a slot when its body is there, so callers that send none keep no slot
// from others. They are cut off soon.
func TestS7ARequestHasASlotWhenItsBodyIsThere(t *testing.T) {
	t.Parallel()
	s := slotted(t, &refusals{})
	var silent []caller
	for range 8 {
		c := dialFrom(t, "127.0.0.2", s)
		c.post(t, 1<<20, "")
		silent = append(silent, c)
	}
	c := dialFrom(t, "127.0.0.1", s)
	c.post(t, 10<<10, strings.Repeat("x", 10<<10))
	check.Equal(t, c.status(), http.StatusOK, "the status of another caller")
	began := time.Now()
	for _, c := range silent {
		check.Equal(t, c.status(), http.StatusRequestTimeout, "the status of a silent caller")
	}
	if took := time.Since(began); took > 20*time.Second { // the time of a request is 30 s
		t.Errorf("silent callers are cut off after %v", took)
	}
}

// S6: bytes of bodies are accounted as they come, not as they are announced.
func TestS6BytesOfBodiesAreBounded(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := slotted(t, &refused)
	for range 8 {
		dialFrom(t, "127.0.0.2", s).post(t, 1<<20, "")
	}
	c := dialFrom(t, "127.0.0.2", s)
	c.post(t, 60<<10, strings.Repeat("x", 60<<10))
	check.Equal(t, c.status(), http.StatusOK, "the status of a body that fits, while others announce more")
	c.post(t, 80<<10, strings.Repeat("x", 80<<10))
	if got := c.status(); got != http.StatusTooManyRequests || !refused.has("bytes client", 1) {
		t.Errorf("a body beyond the share: %d, %v", got, refused.all)
	}
	c = dialFrom(t, "127.0.0.2", s)
	c.post(t, 60<<10, strings.Repeat("x", 60<<10))
	check.Equal(t, c.status(), http.StatusOK, "the status afterwards")
}
