// Package admin is the listener for operators: metrics, profiles, the ring,
// pages and windows. Changes are sent as application/json.
package admin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	runtimepprof "runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/health"
	"footfall/adapters/httpapi/pagestats"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/adapters/httpapi/windows"
	"footfall/domain/watching"
)

// Options is what the admin listener needs.
type Options struct {
	Windows   Windows
	Callbacks Callbacks
	Ring      Ring
	Pages     Pages
	Retention Retention
	Stats     pagestats.Stats
	// Nodes asks the nodes of the ring whether they answer. It is called with a deadline.
	Nodes func(context.Context) []watching.Node
	// Publisher is asked whether it is away. It may be nil.
	Publisher health.Publisher
	// Waiting is since when windows wait for too long, and why; the error is nil if none
	// do. It may be nil.
	Waiting func() (since time.Time, why error)
	Metrics prometheus.Gatherer
	Log     *slog.Logger
	// Token, unless it is empty, must come with every request as a bearer
	// token, but for those of health. It may be empty only where the listener is on
	// loopback.
	Token string
	// Unauthorized is called for each request without the token; limited: its client had
	// sent too many of them, so that the token was not looked at. It may be nil.
	Unauthorized func(limited bool)
	// NoNames: pages are neither listed nor summed up here.
	NoNames bool
	// Copy writes a copy of the store, as it is at one moment, while it counts. It calls begin
	// with the number of bytes, and writes them to what that returns. It calls abort when that has
	// to end, since the store grows meanwhile and must leave more than reserve bytes of its disk. An error before begin is
	// of the table of errors (package problem), or has a text for operators. Nil: the store is copied by other tools.
	Copy func(reserve int64, abort func(error), begin func(size int64) io.Writer) error
	// DiskReserve is the reserve for Copy.
	DiskReserve int64
	// Loopback: the listener is on loopback, so a request for another host
	// came by a name that a foreign DNS server resolves.
	Loopback bool
}

// New builds the handler of the admin listener.
func New(o Options) *Handler {
	h := &Handler{Options: o, guard: newGuard(o)}
	metrics := promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	const get, post = http.MethodGet, http.MethodPost
	none := []string{}
	h.Handler = httpapi.NewHandler(httpapi.HandlerOptions{Log: o.Log, Routes: slices.Concat(health.Routes(health.Options{Nodes: o.Nodes, Publisher: o.Publisher, Waiting: o.Waiting}), pagestats.Routes(pagestats.Options{Stats: o.Stats, Off: o.NoNames}, ""), []httpapi.Route{
		{Method: get, Path: "/metrics", Do: func(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
			metrics.ServeHTTP(w, r)
			return nil, nil
		}},
		{Method: get, Path: "/debug/pprof/{profile}", Do: profile},
		windows.Route(windows.Options{Lister: o.Windows}, "/windows"),
		{Method: get, Path: "/windows/{id}", Do: h.showWindow, Query: none},
		{Method: get, Path: "/callbacks", Do: h.listCallbacks, Query: []string{"state", "since", "window", "endpoint", "cursor", "limit"}},
		{Method: post, Path: "/callbacks/retry", Do: h.retryCallbacks, Query: none, Writes: true},
		{Method: get, Path: "/ring", Do: h.ringStatus, Query: none},
		{Method: get, Path: "/ring/owner", Do: h.owner, Query: []string{"page_id"}},
		{Method: post, Path: "/ring/nodes", Do: h.addNode, Query: none, Writes: true},
		{Method: http.MethodPatch, Path: "/ring/nodes/{id}", Do: h.changeNode, Query: none, Writes: true},
		{Method: http.MethodDelete, Path: "/ring/nodes/{id}", Do: h.removeNode, Query: none, Writes: true},
		{Method: post, Path: "/ring/repair", Do: h.repairRing, Query: none, Writes: true},
		{Method: get, Path: "/history", Do: h.showHistory, Query: none},
		{Method: http.MethodPut, Path: "/history", Do: h.setHistory, Query: none, Writes: true},
		{Method: get, Path: "/backup", Do: h.backup, Query: none, Stream: true},
		{Method: get, Path: "/pages", Do: h.listPages, Query: []string{"cursor"}},
		{Method: post, Path: "/pages", Do: h.setPages, Query: none, Writes: true},
		{Method: post, Path: "/pages/history", Do: h.savePages, Query: none},
		{Method: post, Path: "/pages/delete", Do: h.deletePages, Query: none, Writes: true},
		{Method: http.MethodPut, Path: "/pages/{page_id}", Slashes: true, Do: h.setPage, Query: none, Writes: true},
		{Method: http.MethodDelete, Path: "/pages/{page_id}", Slashes: true, Do: h.removePage, Query: none, Writes: true},
	})})
	return h
}

// profile serves /debug/pprof/. It leaves out cmdline: flags can hold
// credentials.
func profile(w http.ResponseWriter, r *http.Request, name string) ([]byte, error) {
	switch name {
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		if name != "" && runtimepprof.Lookup(name) == nil {
			return nil, problem.NotFound("no_such_profile", "There is no profile of this name.")
		}
		pprof.Index(w, r)
	}
	return nil, nil
}

// Handler answers the requests of those who may use the admin listener.
type Handler struct {
	*httpapi.Handler
	Options
	guard   *guard
	copying sync.Mutex // held by the one backup that is sent
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case (h.Token == "" || h.Loopback) && !isLoopback(r.Host):
		h.Fail(w, problem.New(http.StatusForbidden, "foreign_host", "The admin listener is asked for by a loopback address or localhost."), false)
	case foreignOrigin(r):
		h.Fail(w, problem.New(http.StatusForbidden, "foreign_origin", "Pages of other origins may not use the admin listener."), false)
	case health.Is(r.URL.Path): // probes have no token
		h.Handler.ServeHTTP(w, r)
	default:
		if err := h.guard.admit(r); err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			h.Fail(w, problem.Of(err, false), false)
			return
		}
		h.Handler.ServeHTTP(w, r)
	}
}

// isLoopback reports whether a Host header, with or without a port, names this
// machine without the help of DNS.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// foreignOrigin reports whether a browser sent the request for a page that the
// requested host didn't serve. Browsers send no Origin with a GET for a picture or a link.
func foreignOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	return request.IsForeignOrigin(r.Header, r.Host)
}
