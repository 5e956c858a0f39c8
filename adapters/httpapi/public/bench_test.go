package public_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/limits"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// instant is a service that does nothing.
type instant struct{}

func (instant) Record(context.Context, counting.Page, int64) error { return nil }

func (instant) Read(_ context.Context, pages []counting.Page) []counting.Reading {
	return make([]counting.Reading, len(pages))
}

func (instant) RecordAll(_ context.Context, visits []counting.Visit) []error {
	return make([]error, len(visits))
}

func (instant) RecordOnce(_ context.Context, _ counting.RequestKey, visits []counting.Visit) ([]error, error) {
	return make([]error, len(visits)), nil
}

func (instant) Accept(context.Context, netip.Prefix, counting.ID, publishing.Endpoint) (bool, error) {
	return true, nil
}

// sink is a ResponseWriter that keeps its header and nothing else.
type sink struct{ header http.Header }

func (s sink) Header() http.Header         { return s.header }
func (s sink) Write(b []byte) (int, error) { return len(b), nil }
func (s sink) WriteHeader(int)             {}

func newBench(b *testing.B) http.Handler {
	b.Helper()
	registry := prometheus.NewRegistry()
	return options{listener{Registry: registry}, counted{
		Visits: instant{}, IDs: instant{}, Bounds: counter.Bounds{Requests: &limits.Pool{Total: 4096, Share: 1024}},
		Metrics: registry, Log: slog.New(slog.DiscardHandler),
	}}.handler(b)
}

// BenchmarkRoute measures what this package adds to a request, beside a router
// with one route that says ok.
func BenchmarkRoute(b *testing.B) {
	handler := newBench(b)
	bare := mux.NewRouter()
	bare.HandleFunc("/visit/{page_id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	for _, c := range []struct {
		name, method, target string
		handler              http.Handler
	}{
		{"bare mux", "POST", "/visit/home", bare},
		{"record", "POST", "/visit/home", handler},
		{"accept", "GET", "/api/verve/accept?id=123", handler},
		{"read", "GET", "/visits/home", handler},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			w, r := sink{http.Header{}}, httptest.NewRequestWithContext(b.Context(), c.method, c.target, nil)
			for b.Loop() {
				clear(w.header)
				c.handler.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkMany measures a bulk of 2,000 items, and a read of 1,000 pages.
func BenchmarkMany(b *testing.B) {
	handler := newBench(b)
	var array, lines, query strings.Builder
	for i := range 2000 {
		name := fmt.Sprintf("articles/2026/11/the-page-%04d", i)[20*(i%2):]
		item := fmt.Sprintf(`{"page_id":"%s"}`, name)
		if i%4 < 2 {
			item = fmt.Sprintf(`{"page_id":"%s","count":%d}`, name, i+1)
		}
		array.WriteString("[,"[min(i, 1):][:1] + item)
		lines.WriteString(item + "\n")
		if i < 1000 {
			query.WriteString("?&"[min(i, 1):][:1] + "page_id=" + name)
		}
	}
	array.WriteString("]")
	for _, c := range []struct {
		name, method, target, body string
		items                      int
	}{
		{"bulk array", "POST", "/visits", array.String(), 2000},
		{"bulk ndjson", "POST", "/visits", lines.String(), 2000},
		{"read", "GET", "/visits" + query.String(), "", 1000},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := sink{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				handler.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), c.method, c.target, strings.NewReader(c.body)))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.items), "ns/item")
		})
	}
}
