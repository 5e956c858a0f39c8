// Package public is the listener for everyone: it counts visits and ids, and
// shows counts, windows and changes. Its API is openapi.json.
package public

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/health"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/page"
	"footfall/adapters/httpapi/pagestats"
	"footfall/adapters/httpapi/request"
	"footfall/domain/watching"
)

//go:embed openapi.json
var openAPI []byte

// Options is what the public listener needs; all of it but the limits and the publisher must be
// set.
type Options struct {
	Visits   Visits
	Uniques  Uniques
	Watching Watching
	Stats    pagestats.Stats
	// Nodes asks the nodes of the ring whether they answer; the service can
	// serve when one does. It is called with a deadline.
	Nodes func(context.Context) []watching.Node
	// Publisher is asked whether it is away. It may be nil.
	Publisher health.Publisher
	// Waiting is since when windows wait for too long, and why; the error is nil if none
	// do. It may be nil.
	Waiting func() (since time.Time, why error)
	// Metrics registers footfall_http_requests_total,
	// footfall_http_request_duration_seconds, footfall_event_streams,
	// footfall_counts_refused_total, footfall_items_total and footfall_visits_total.
	Metrics prometheus.Registerer
	Log     *slog.Logger
	Bounds
	// Identify tells which client sent a request.
	Identify limits.Identify
	// Private: pages are shown only where they are named, and neither listed nor summed up.
	// Windows do not show how their callbacks went.
	Private bool
	// Origins are those whose pages may use all routes, as with AllowOrigins.
	Origins []string
	// CountLimit is the largest count of an item of POST /visits. The counts of a request
	// are at most ten times that together. 0 is no limit.
	CountLimit int64
	// Clients limits the requests of each client, health exempt. It may be nil.
	Clients *limits.Clients
}

// Bounds are what callers may take, most of it at a time. Those that are nil have no bound. Health is
// exempt.
type Bounds struct {
	// Requests that are served, but for streams.
	Requests *limits.Pool
	// Bytes of bodies, beyond 4 KiB of each.
	Bytes *limits.Pool
	// Bulks are requests of POST /visits that are served.
	Bulks *limits.Pool
	// Streams of GET /events, and WatchedPages: the pages that each of them watches.
	Streams, WatchedPages *limits.Pool
	// PageStats are requests of top and total, which may wait for a scan.
	PageStats *limits.Pool
	// Keys are the idempotency keys that one client may have stored.
	Keys *limits.KeyQuota
}

// New builds the handler of the public listener. It fails when Metrics has
// metrics of the same names already.
func New(o Options) (*httpapi.Handler, error) {
	metrics, err := httpapi.NewMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	streams := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "footfall_event_streams",
		Help: "Streams of GET /events that are open.",
	})
	if err := o.Metrics.Register(streams); err != nil {
		return nil, fmt.Errorf("register the metrics of http: %w", err)
	}
	counts, err := newCountRefusals(o.Metrics)
	if err != nil {
		return nil, err
	}
	items, err := newItems(o.Metrics)
	if err != nil {
		return nil, err
	}
	home, err := page.New()
	if err != nil {
		return nil, err
	}
	a := &api{
		Options: o, streams: streams, counts: counts, items: items, homePage: home, ok: []byte("ok"),
		refusals: rate.Sometimes{Interval: time.Second},
		shares:   rate.Sometimes{Interval: time.Minute},
	}
	return httpapi.NewHandler(httpapi.HandlerOptions{
		Routes: a.routes(), Metrics: metrics, Log: o.Log,
		Identify: o.Identify, Requests: o.Requests, Bytes: o.Bytes, Clients: o.Clients,
	}), nil
}

// api has the actions of the public listener.
type api struct {
	Options
	streams  prometheus.Gauge
	counts   *countRefusals
	items    *items
	homePage *template.Template
	ok       []byte // the answer of accept
	// refusals samples the lines of the log about refused endpoints.
	refusals rate.Sometimes
	// shares samples those about endpoints beyond a share.
	shares rate.Sometimes
}

// client is the client that sent a request.
func (a *api) client(r *http.Request) netip.Prefix { return httpapi.ClientOf(r, a.Identify) }

// routes is the table of the public listener.
func (a *api) routes() []httpapi.Route {
	const get, post = http.MethodGet, http.MethodPost
	none, pages := []string{}, []string{"page_id"}
	stats := pagestats.Options{Stats: a.Stats, Off: a.Private, Client: a.client, Requests: a.PageStats}
	counter := func(prefix string) []httpapi.Route {
		return append([]httpapi.Route{
			{Method: post, Path: prefix + "/visit/{page_id}", Slashes: true, Do: a.items.each(visitItem, a.record), Query: none, MaxBody: maxVisitBody, JSONBody: true, Writes: true, IgnoresDisconnect: true},
			{Method: get, Path: prefix + "/visits/{page_id}/badge.svg", Slashes: true, Do: a.items.each(readItem, a.badge)},
			{Method: get, Path: prefix + "/visits/{page_id}", Slashes: true, Do: a.items.each(readItem, a.read), Query: none, IgnoresDisconnect: true},
			{Method: post, Path: prefix + "/visits", Do: a.recordMany, Query: none, MaxBody: request.MaxBytes, Writes: true},
			{Method: get, Path: prefix + "/visits", Do: a.readMany, Query: pages},
		}, pagestats.Routes(stats, prefix)...)
	}
	return slices.Concat(
		[]httpapi.Route{{Method: get, Path: "/api/verve/accept", Do: a.items.each(idItem, a.accept), Writes: true, IgnoresDisconnect: true, Plain: true}},
		counter(""),
		counter("/api/v1/counter"),
		[]httpapi.Route{{Method: get, Path: "/api/verve/windows", Do: a.windows}},
		health.Routes(health.Options{Nodes: a.Nodes, Publisher: a.Publisher, Waiting: a.Waiting, Public: true}),
		[]httpapi.Route{
			{Method: get, Path: "/events", Do: a.events, Query: pages, Stream: true},
			{Method: get, Path: "/", Do: a.home},
			{Method: get, Path: "/assets/{name}", Do: a.asset},
			{Method: get, Path: "/docs", Do: a.documentation},
			{Method: get, Path: "/openapi.json", Do: document},
		},
	)
}

// document serves the OpenAPI document.
func document(w http.ResponseWriter, _ *http.Request, _ string) ([]byte, error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	return openAPI, nil
}
