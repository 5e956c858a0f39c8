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

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/public"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
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

func (instant) Windows(context.Context, int) ([]publishing.Summary, error) { return nil, nil }

// sink is a ResponseWriter that keeps its header and nothing else.
type sink struct{ header http.Header }

func (s sink) Header() http.Header         { return s.header }
func (s sink) Write(b []byte) (int, error) { return len(b), nil }
func (s sink) WriteHeader(int)             {}

func newBench(b *testing.B) http.Handler {
	b.Helper()
	return check.Value(public.New(public.Options{
		Visits: instant{}, Uniques: instant{}, Bounds: public.Bounds{Requests: &limits.Pool{Total: 4096, Share: 1024}},
		Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	}))(b)
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

// BenchmarkBulk measures a bulk of 500 items.
func BenchmarkBulk(b *testing.B) {
	handler := newBench(b)
	var body strings.Builder
	for i := range 500 {
		fmt.Fprintf(&body, "%c{\"page_id\":\"articles/2026/11/page-%d\",\"count\":%d}", "[,"[min(i, 1)], i%97, i+1)
	}
	body.WriteByte(']')
	w := sink{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		handler.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), "POST", "/visits", strings.NewReader(body.String())))
	}
}
