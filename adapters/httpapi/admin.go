package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"net/url"
	runtimepprof "runtime/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// AdminOptions is what the admin listener needs.
type AdminOptions struct {
	Uniques Uniques
	Ring    Ring
	Pages   Pages
	Metrics prometheus.Gatherer
	Log     *slog.Logger
	// Token, unless it is empty, must come with every request as a bearer
	// token. It may be empty only where the listener is on loopback.
	Token string
	// Loopback: the listener is on loopback, so a request for another host
	// was led here by a name that someone else's DNS serves.
	Loopback bool
}

// NewAdmin builds the handler of the admin listener.
func NewAdmin(o AdminOptions) http.Handler {
	u, ring := newUniqueRoutes(o.Uniques), &ringRoutes{replies: newReplies(), ring: o.Ring}
	pages := &pageRoutes{replies: newReplies(), pages: o.Pages}
	metrics := promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	h := newHandler([]route{
		{method: http.MethodGet, path: at("/metrics"), do: wrap(metrics)},
		{method: http.MethodGet, path: at("/debug/pprof/{profile}"), do: profile},
		{method: http.MethodGet, path: at("/windows/{id}"), do: u.window},
		{method: http.MethodGet, path: at("/ring"), do: ring.status},
		{method: http.MethodGet, path: at("/ring/owner"), do: ring.owner},
		{method: http.MethodPost, path: at("/ring/nodes"), do: ring.add, counts: true},
		{method: http.MethodPatch, path: at("/ring/nodes/{id}"), do: ring.reweight, counts: true},
		{method: http.MethodDelete, path: at("/ring/nodes/{id}"), do: ring.remove, counts: true},
		{method: http.MethodPost, path: at("/ring/repair"), do: ring.repair, counts: true},
		{method: http.MethodGet, path: at("/pages"), do: pages.list},
		{method: http.MethodPost, path: at("/pages"), do: pages.setMany, counts: true},
		{method: http.MethodPut, path: at("/pages/{page_id}"), do: pages.set, counts: true},
		{method: http.MethodDelete, path: at("/pages/{page_id}"), do: pages.remove, counts: true},
	}, nil, 0, nil, o.Log)
	return &guard{
		next:      h,
		token:     sha256.Sum256([]byte(o.Token)),
		needToken: o.Token != "",
		needLocal: o.Token == "" || o.Loopback,
	}
}

// foreign makes an action of a handler that writes its own answers.
func wrap(h http.Handler) action {
	return func(w http.ResponseWriter, r *http.Request, _ string) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

// profile serves /debug/pprof/. It leaves out cmdline: flags can hold
// credentials.
func profile(w http.ResponseWriter, r *http.Request, name string) error {
	switch name {
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		if name != "" && runtimepprof.Lookup(name) == nil {
			return notFound("no_such_profile", "There is no profile of this name.")
		}
		pprof.Index(w, r)
	}
	return nil
}

// guard decides who may use the admin listener.
type guard struct {
	next                 *Handler
	token                [sha256.Size]byte
	needToken, needLocal bool
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	forbidden := fault{status: http.StatusForbidden}
	switch {
	case g.needLocal && !localHost(r.Host):
		forbidden.code, forbidden.detail = "foreign_host", "The admin listener is asked for by a loopback address or localhost."
		g.next.fail(w, forbidden, false)
	case foreignOrigin(r):
		forbidden.code, forbidden.detail = "foreign_origin", "Pages of other origins may not use the admin listener."
		g.next.fail(w, forbidden, false)
	case g.needToken && !g.knows(r):
		w.Header().Set("WWW-Authenticate", "Bearer")
		g.next.fail(w, fault{
			status: http.StatusUnauthorized, code: "unauthorized",
			detail: "The admin listener wants its bearer token.",
		}, false)
	default:
		g.next.ServeHTTP(w, r)
	}
}

// knows compares hashes, so that the time it takes tells neither the token's
// text nor its length.
func (g *guard) knows(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// localHost tells whether a Host header, with or without a port, names this
// machine without the help of DNS.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// foreignOrigin tells whether a browser sent the request for a page that the
// requested host didn't serve.
func foreignOrigin(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	return false
}
