// Package counter has the routes that count and read single pages, ids and bulks, as
// functions over plain values. Each listener that serves them has a library for HTTP, which
// is not known here.
package counter

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/meter"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
)

// Options is what the routes need; all of it but the limits must be set.
type Options struct {
	Visits Visits
	IDs    IDs
	// Metrics registers footfall_http_requests_total, footfall_http_request_duration_seconds,
	// footfall_counts_refused_total, footfall_items_total and footfall_visits_total.
	Metrics prometheus.Registerer
	Log     *slog.Logger
	// Identify tells which client sent a request.
	Identify limits.Identify
	// Origins are those whose pages may use all routes.
	Origins []string
	// CountLimit is the largest count of an item of POST /visits. The counts of a request
	// are at most ten times that together. 0 is no limit.
	CountLimit int64
	// Clients limits the requests of each client. It may be nil.
	Clients *limits.Clients
	Bounds
}

// Bounds are what the callers of all listeners may take together, most of it at a time.
// Those that are nil have no bound.
type Bounds struct {
	// Requests that are served.
	Requests *limits.Pool
	// Bytes of bodies, beyond 4 KiB of each.
	Bytes *limits.Pool
	// Bulks are requests of POST /visits that are served.
	Bulks *limits.Pool
	// Keys are the idempotency keys that one client may have stored.
	Keys *limits.KeyQuota
}

// Counter has the actions of the routes. It is safe for concurrent use.
type Counter struct {
	Options
	// Meter counts the requests of all listeners.
	Meter  *meter.Metrics
	counts *countRefusals
	items  *items
	ok     []byte // the answer of accept
	// refusals samples the lines of the log about refused endpoints.
	refusals rate.Sometimes
	// shares samples those about endpoints beyond a share.
	shares rate.Sometimes
}

// New fails when Metrics has metrics of the same names already.
func New(o Options) (*Counter, error) {
	requests, err := meter.New(o.Metrics)
	if err != nil {
		return nil, err
	}
	counts, err := newCountRefusals(o.Metrics)
	if err != nil {
		return nil, err
	}
	items, err := newItems(o.Metrics)
	if err != nil {
		return nil, err
	}
	return &Counter{
		Options: o, Meter: requests, counts: counts, items: items, ok: []byte("ok"),
		refusals: rate.Sometimes{Interval: time.Second},
		shares:   rate.Sometimes{Interval: time.Minute},
	}, nil
}

// Request is what a listener has received of a request. Nothing of it is kept after the
// action has returned, but for the texts.
type Request struct {
	Context context.Context
	// Host is the host that is asked for, and Addr the address from which it came.
	Host, Addr string
	// Query is as it was sent.
	Query  string
	Client netip.Prefix
	Header request.Header
	// Answer takes fields of the answer before its body is returned.
	Answer request.Answer
	Body   []byte
}

// Action returns the body of an answer 200, or why there is none. variable is the value of
// the path's variable, percent-decoded.
type Action func(r Request, variable string) (body []byte, err error)

// Prefixes are those under which the routes of pages answer.
func Prefixes() []string { return []string{"", "/api/v1/counter"} }

// Accept is the route for an id. as makes the action of a listener.
func Accept[A any](c *Counter, as func(Action) A) request.Route[A] {
	return request.Route[A]{Method: "GET", Path: "/api/verve/accept", Do: as(c.items.each(idItem, c.accept)), Writes: true, IgnoresDisconnect: true, Plain: true}
}

// Pages are the routes of pages, the busiest first. as makes the action of a listener.
func Pages[A any](c *Counter, prefix string, as func(Action) A) []request.Route[A] {
	none := []string{}
	return []request.Route[A]{
		{Method: "POST", Path: prefix + "/visit/{page_id}", Slashes: true, Do: as(c.items.each(visitItem, c.record)), Query: none, MaxBody: maxVisitBody, JSONBody: true, Writes: true, IgnoresDisconnect: true},
		{Method: "GET", Path: prefix + "/visits/{page_id}", Slashes: true, Do: as(c.items.each(readItem, c.read)), Query: none, IgnoresDisconnect: true},
		{Method: "POST", Path: prefix + "/visits", Do: as(c.recordMany), Query: none, MaxBody: request.MaxBytes, Writes: true},
	}
}

// refuseOtherSites is the fault cross_site for what a browser sends for a page of another
// site, unless its origin is allowed. Browsers send some requests without asking, from the
// address of each visitor. One visit, or one id, is what such a page may count.
func (c *Counter) refuseOtherSites(r Request) error {
	if !request.IsFromOtherSite(r.Header, r.Host) || slices.Contains(c.Origins, "*") {
		return nil
	}
	origin := request.OriginOf(r.Header)
	if slices.ContainsFunc(c.Origins, func(allowed string) bool { return strings.EqualFold(allowed, origin) }) {
		return nil
	}
	return problem.New(403, "cross_site",
		"A page of another site may count single visits and ids. Bulks, keys and endpoints need its origin in FOOTFALL_CORS_ORIGINS.")
}
