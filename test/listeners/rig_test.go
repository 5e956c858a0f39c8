// Package listeners_test sends one table of raw requests to the public and to the ingest
// listener, and compares what they answer and what they count.
package listeners_test

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

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/netconn"
	"footfall/adapters/httpapi/public"
	"footfall/adapters/ingest"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// fasthttp has a goroutine that keeps the date for all servers, and one of each server that
// ends some time after it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// store is an application that notes what it is asked to count.
type store struct {
	mu    sync.Mutex
	calls []string
	sums  map[counting.Page]int64
	keys  map[[16]byte]counting.RequestKey
}

func newStore() *store {
	return &store{sums: make(map[counting.Page]int64), keys: make(map[[16]byte]counting.RequestKey)}
}

// add notes and counts a visit. Pages that are named for an error cause it.
func (s *store) add(v counting.Visit) error {
	s.calls = append(s.calls, fmt.Sprintf("%q+%d", v.Page, v.Count))
	for name, err := range map[counting.Page]error{
		"away": counting.ErrUnavailable, "doubt": counting.ErrInDoubt, "moving": counting.Moving, "corrupt": counting.Corrupt, "unknown": errors.New("x"),
	} {
		if v.Page == name {
			return fmt.Errorf("apply on redis_6379: %w", err)
		}
	}
	if v.Page == "panic" {
		panic("a store that panics")
	}
	sum, ok := counting.AddChecked(s.sums[v.Page], v.Count)
	if !ok {
		return counting.Overflow
	}
	s.sums[v.Page] = sum
	return nil
}

func (s *store) Record(_ context.Context, page counting.Page, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(counting.Visit{Page: page, Count: n})
}

func (s *store) RecordAll(_ context.Context, visits []counting.Visit) []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := make([]error, len(visits))
	for i, v := range visits {
		errs[i] = s.add(v)
	}
	return errs
}

func (s *store) RecordOnce(ctx context.Context, key counting.RequestKey, visits []counting.Visit) ([]error, error) {
	s.mu.Lock()
	known, ok := s.keys[key.Key]
	if !ok {
		s.keys[key.Key] = key
	}
	s.calls = append(s.calls, fmt.Sprintf("key %x %x", key.Key, key.Print))
	s.mu.Unlock()
	if ok && known != key {
		return nil, counting.KeyReused
	}
	if ok {
		return make([]error, len(visits)), nil
	}
	return s.RecordAll(ctx, visits), nil
}

func (s *store) Read(_ context.Context, pages []counting.Page) []counting.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	readings := make([]counting.Reading, len(pages))
	for i, page := range pages {
		s.calls = append(s.calls, fmt.Sprintf("read %q", page))
		readings[i].Via, readings[i].Visits = "redis_7070", s.sums[page]
		switch page {
		case "away":
			readings[i].Err = counting.ErrUnavailable
		case "unknown":
			readings[i].Err = errors.New("x")
		}
	}
	return readings
}

func (s *store) Accept(_ context.Context, client netip.Prefix, id counting.ID, endpoint publishing.Endpoint) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf("id %d %q of %s", id, endpoint, client))
	switch id {
	case 503:
		return false, counting.ErrUnavailable
	case 504:
		return false, counting.ErrInDoubt
	case 429:
		return false, nil
	}
	return true, nil
}

// noted are the calls since the last time.
func (s *store) noted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := strings.Join(s.calls, "; ")
	s.calls = nil
	return calls
}

// server is a listener.
type server interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	Drain()
	Addr() string
}

// listener is one of the two, with its own store, metrics and log.
type listener struct {
	server
	name    string
	store   *store
	metrics *prometheus.Registry
	log     *lockedLog
}

type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// options change what both listeners have.
type options struct {
	change      func(*counter.Options)
	limits      netconn.Limits
	requestTime time.Duration
	level       slog.Level
}

// both starts the two listeners.
func both(t *testing.T, o options) [2]*listener {
	t.Helper()
	if o.requestTime == 0 {
		o.requestTime = time.Minute
	}
	var all [2]*listener
	for i, name := range []string{"public", "ingest"} {
		l := &listener{name: name, store: newStore(), metrics: prometheus.NewRegistry(), log: &lockedLog{}}
		log := slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: o.level}))
		of := counter.Options{Visits: l.store, IDs: l.store, Metrics: l.metrics, Log: log, CountLimit: 1000}
		if o.change != nil {
			o.change(&of)
		}
		shared := check.Value(counter.New(of))(t)
		connections := netconn.NewConnections(o.limits, log)
		if name == "ingest" {
			l.server = ingest.New(ingest.Options{
				Addr: "127.0.0.1:0", Counter: shared, Connections: connections, RequestTime: o.requestTime, Log: log,
				Origins: public.OriginFields(of.Origins),
			})
		} else {
			handler := check.Value(public.New(public.Options{Counter: shared, Registry: l.metrics}))(t)
			s := httpapi.NewServer("127.0.0.1:0", public.AllowOrigins(handler, of.Origins), o.requestTime, log)
			s.Limit(connections)
			l.server = s
		}
		check.Must(t, l.Start(t.Context()))
		t.Cleanup(func() { check.OK(t, l.Stop(context.Background())) })
		all[i] = l
	}
	return all
}

// caller is a connection to a listener.
type caller struct {
	net.Conn
	answers *bufio.Reader
}

func (l *listener) dial(t *testing.T) caller {
	t.Helper()
	c := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr()))(t)
	t.Cleanup(func() { _ = c.Close() })
	check.Must(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return caller{c, bufio.NewReader(c)}
}

// answer is what matters of an answer. Those that a library writes by itself have a text.
type answer struct {
	status int
	header http.Header
	body   string
	closes bool
}

// next reads an answer; ok is false if the connection ends without one. It passes over those
// of status 100.
func (c caller) next(t *testing.T, method string) (a answer, ok bool) {
	t.Helper()
	for {
		got, err := http.ReadResponse(c.answers, &http.Request{Method: method})
		if err != nil {
			return answer{}, false
		}
		body, err := io.ReadAll(got.Body)
		if err != nil {
			t.Errorf("the body of an answer: %v", err)
		}
		if got.StatusCode != http.StatusContinue {
			header := got.Header
			for _, name := range []string{"Date", "Content-Length", "X-Request-Id"} {
				header.Del(name)
			}
			return answer{got.StatusCode, header, string(body), got.Close}, true
		}
	}
}

// goesOn reports whether a connection takes one more request, and no answer comes but that.
func (c caller) goesOn(t *testing.T) bool {
	t.Helper()
	if _, err := io.WriteString(c, "GET /visits/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return false
	}
	a, ok := c.next(t, "GET")
	_, more := c.next(t, "GET")
	return ok && !more && a.status == http.StatusOK && strings.Contains(a.body, `"page_id":"last"`)
}
