package httpapi

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"footfall/domain/watching"
)

//go:embed openapi.json
var openAPI []byte

// PublicOptions is what the public listener needs; all of it but the limits
// must be set.
type PublicOptions struct {
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
	// MaxInFlight is how many requests may be served at once; those beyond
	// it are answered 503 at once. 0 is no limit. Health is exempt, and
	// streams have a limit of their own.
	MaxInFlight int
	// RateLimit is for each client, health exempt. Clients are told apart by
	// their addresses, or those for which TrustedProxies have forwarded.
	RateLimit      Rate
	TrustedProxies []netip.Prefix
}

// NewPublic builds the handler of the public listener. It fails when Metrics
// has metrics of the same names already.
func NewPublic(o PublicOptions) (*Handler, error) {
	m, err := newMeters(o.Metrics)
	if err != nil {
		return nil, err
	}
	routes, err := publicRoutes(o, &m)
	if err != nil {
		return nil, err
	}
	return newHandler(routes, &m, o.MaxInFlight, newLimiter(o.RateLimit, o.TrustedProxies), o.Log), nil
}

// publicRoutes is the table of the public listener; the busiest routes come
// first, for they are tried in this order.
func publicRoutes(o PublicOptions, m *meters) ([]route, error) {
	v := &visitRoutes{replies: newReplies(), visits: o.Visits, log: o.Log}
	v.bulk.limit = int64((o.MaxInFlight + bulkShare - 1) / bulkShare)
	u := newUniqueRoutes(o.Uniques)
	health := &healthRoutes{replies: newReplies(), nodes: o.Nodes}
	people, err := newHTMLRoutes(o)
	if err != nil {
		return nil, err
	}
	events := &eventRoutes{watching: o.Watching, streams: m.streams}
	const get, post = http.MethodGet, http.MethodPost
	counter := func(prefix string) []route {
		return []route{
			{method: post, path: at(prefix + "/visit/{page_id}"), do: v.record, counts: true, ignoresDisconnect: true},
			{method: get, path: at(prefix + "/visits/{page_id}"), do: v.read, ignoresDisconnect: true},
			{method: post, path: at(prefix + "/visits"), do: v.recordMany, counts: true},
			{method: get, path: at(prefix + "/visits"), do: v.readMany},
			{method: get, path: at(prefix + "/visits/{page_id}/badge.svg"), do: people.badge},
		}
	}
	return slices.Concat(
		[]route{{method: get, path: at("/api/verve/accept"), do: u.accept, counts: true, ignoresDisconnect: true, plain: true}},
		counter(""),
		counter("/api/v1/counter"),
		[]route{
			{method: get, path: at("/api/verve/windows"), do: u.windows},
			{method: get, path: at("/healthz"), do: health.alive, vital: true},
			{method: get, path: at("/readyz"), do: health.readiness, vital: true},
			{method: get, path: at("/events"), do: events.events, stream: true},
			{method: get, path: at("/"), do: people.home},
			{method: get, path: at("/assets/{name}"), do: people.asset},
			{method: get, path: at("/docs"), do: people.documentation},
			{method: get, path: at("/openapi.json"), do: describe},
		},
	), nil
}

// describe serves the OpenAPI document.
func describe(w http.ResponseWriter, _ *http.Request, _ string) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(openAPI)
	return nil
}
