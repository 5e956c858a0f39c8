// Package public is the listener for everyone: it counts visits and ids, and
// shows counts, windows and changes. Its API is openapi.json.
package public

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/health"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/page"
	"footfall/adapters/httpapi/pagestats"
	"footfall/adapters/httpapi/windows"
	"footfall/domain/watching"
)

//go:embed openapi.json
var openAPI []byte

// Options is what the public listener needs; all of it but the limits and the publisher must be
// set.
type Options struct {
	// Counter has the routes that other listeners serve, too, and the limits of all.
	*counter.Counter
	History  History
	Windows  windows.Lister
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
	// Registry registers footfall_event_streams.
	Registry prometheus.Registerer
	// Private: pages are shown only where they are named, and neither listed nor summed up.
	// Windows do not show how their callbacks went.
	Private bool
	// Streams of GET /events, and WatchedPages: the pages that each of them watches. Nil is
	// no bound.
	Streams, WatchedPages *limits.Pool
	// PageStats are requests of top and total, which may wait for a scan. Nil is no bound.
	PageStats *limits.Pool
}

// New builds the handler of the public listener. Health is exempt from the limits. It fails
// when Registry has a metric of the same name already.
func New(o Options) (*httpapi.Handler, error) {
	streams := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "footfall_event_streams",
		Help: "Streams of GET /events that are open.",
	})
	if err := o.Registry.Register(streams); err != nil {
		return nil, fmt.Errorf("register the metrics of http: %w", err)
	}
	home, err := page.New()
	if err != nil {
		return nil, err
	}
	a := &api{Options: o, streams: streams, homePage: home}
	return httpapi.NewHandler(httpapi.HandlerOptions{
		Routes: a.routes(), Metrics: o.Meter, Log: o.Log,
		Identify: o.Identify, Requests: o.Requests, Bytes: o.Bytes, Clients: o.Clients,
	}), nil
}

// api has the actions of the public listener.
type api struct {
	Options
	streams  prometheus.Gauge
	homePage *template.Template
}

// client is the client that sent a request.
func (a *api) client(r *http.Request) netip.Prefix { return httpapi.ClientOf(r, a.Identify) }

// received is a request as the counter takes it.
func (a *api) received(w http.ResponseWriter, r *http.Request) counter.Request {
	return counter.Request{
		Context: r.Context(), Host: r.Host, Addr: r.RemoteAddr, Query: r.URL.RawQuery, Client: a.client(r),
		Header: r.Header, Answer: w.Header(), Body: httpapi.Body(r),
	}
}

// shared is an action of the counter.
func (a *api) shared(do counter.Action) httpapi.Action {
	return func(w http.ResponseWriter, r *http.Request, variable string) ([]byte, error) {
		return do(a.received(w, r), variable)
	}
}

// reads is an action of which each request reads one page.
func (a *api) reads(do httpapi.Action) httpapi.Action {
	return func(w http.ResponseWriter, r *http.Request, variable string) ([]byte, error) {
		body, err := do(w, r, variable)
		a.NoteRead(err)
		return body, err
	}
}

// routes is the table of the public listener.
func (a *api) routes() []httpapi.Route {
	const get = http.MethodGet
	pages, rolling := []string{"page_id"}, []string{"page_id", "period"}
	stats := pagestats.Options{Stats: a.Stats, Off: a.Private, Client: a.client, Requests: a.PageStats}
	var counts []httpapi.Route
	for _, prefix := range counter.Prefixes() {
		of := counter.Pages(a.Counter, prefix, a.shared)
		counts = append(counts, of[0],
			httpapi.Route{Method: get, Path: prefix + "/visits/{page_id}/badge.svg", Slashes: true, Do: a.reads(a.badge)},
			httpapi.Route{Method: get, Path: prefix + "/visits/{page_id}/history", Slashes: true, Do: a.reads(a.history)})
		counts = append(counts, of[1:]...)
		counts = append(counts, httpapi.Route{Method: get, Path: prefix + "/visits", Do: a.readMany, Query: rolling})
		counts = append(counts, pagestats.Routes(stats, prefix)...)
	}
	return slices.Concat(
		[]httpapi.Route{counter.Accept(a.Counter, a.shared)},
		counts,
		[]httpapi.Route{windows.Route(windows.Options{Lister: a.Windows, Private: a.Private}, "/api/verve/windows")},
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
