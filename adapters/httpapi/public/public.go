// Package public is the listener for everyone: it counts visits and ids, and
// shows counts, windows and changes. Its API is openapi.json.
package public

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/limits"
	"footfall/domain/watching"
)

//go:embed openapi.json
var openAPI []byte

// Options is what the public listener needs; all of it but the limits must be
// set.
type Options struct {
	Visits   Visits
	Uniques  Uniques
	Watching Watching
	// Nodes asks the nodes of the ring whether they answer; the service can
	// serve when one does. It is called with a deadline.
	Nodes func(context.Context) []watching.Node
	// Metrics registers footfall_http_requests_total,
	// footfall_http_request_duration_seconds and footfall_event_streams.
	Metrics prometheus.Registerer
	Log     *slog.Logger
	// MaxInFlight is how many requests are served at a time; others are
	// answered 503 immediately. 0 is no limit. Health is exempt, and streams
	// have a limit of their own.
	MaxInFlight int
	// Clients limits the requests of each client, health exempt. It may be nil.
	Clients *limits.Clients
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
	html, err := newHTMLRoutes(o)
	if err != nil {
		return nil, err
	}
	return httpapi.NewHandler(httpapi.HandlerOptions{
		Routes: routes(o, html, streams), Metrics: metrics, MaxInFlight: o.MaxInFlight, Clients: o.Clients, Log: o.Log,
	}), nil
}

// routes is the table of the public listener.
func routes(o Options, html *htmlRoutes, streams prometheus.Gauge) []httpapi.Route {
	v := newVisitRoutes(o)
	u := &uniqueRoutes{Replies: httpapi.NewReplies(), uniques: o.Uniques, ok: []byte("ok")}
	health := &healthRoutes{Replies: httpapi.NewReplies(), nodes: o.Nodes}
	events := &eventRoutes{watching: o.Watching, streams: streams}
	const get, post = http.MethodGet, http.MethodPost
	counter := func(prefix string) []httpapi.Route {
		return []httpapi.Route{
			{Method: post, Path: prefix + "/visit/{page_id}", Do: v.record, Writes: true, IgnoresDisconnect: true},
			{Method: get, Path: prefix + "/visits/{page_id}", Do: v.read, IgnoresDisconnect: true},
			{Method: post, Path: prefix + "/visits", Do: v.recordMany, Writes: true},
			{Method: get, Path: prefix + "/visits", Do: v.readMany},
			{Method: get, Path: prefix + "/visits/{page_id}/badge.svg", Do: html.badge},
		}
	}
	return slices.Concat(
		[]httpapi.Route{{Method: get, Path: "/api/verve/accept", Do: u.accept, Writes: true, IgnoresDisconnect: true, Plain: true}},
		counter(""),
		counter("/api/v1/counter"),
		[]httpapi.Route{
			{Method: get, Path: "/api/verve/windows", Do: u.windows},
			{Method: get, Path: "/healthz", Do: health.alive, Vital: true},
			{Method: get, Path: "/readyz", Do: health.readiness, Vital: true},
			{Method: get, Path: "/events", Do: events.events, Stream: true},
			{Method: get, Path: "/", Do: html.home},
			{Method: get, Path: "/assets/{name}", Do: html.asset},
			{Method: get, Path: "/docs", Do: html.documentation},
			{Method: get, Path: "/openapi.json", Do: describe},
		},
	)
}

// describe serves the OpenAPI document.
func describe(w http.ResponseWriter, _ *http.Request, _ string) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(openAPI)
	return nil
}
