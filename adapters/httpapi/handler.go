package httpapi

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/meter"
	"footfall/adapters/httpapi/netconn"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
)

// Action returns the body of an answer 200, which is JSON that no cache keeps
// unless the action sets a Content-Type. It returns nil when it has written the
// answer itself. Before an error it writes nothing. variable is the value of the
// path's variable.
type Action func(w http.ResponseWriter, r *http.Request, variable string) (body []byte, err error)

// Route is a route of a Handler. Body has the body that its action takes.
type Route = request.Route[Action]

// HandlerOptions is what a handler needs.
type HandlerOptions struct {
	// Routes are tried in their order, so the busiest come first.
	Routes []Route
	// Metrics may be nil.
	Metrics *meter.Metrics
	// Identify tells which client sent a request.
	Identify limits.Identify
	// Bytes bounds those of bodies that are held at a time. It may be nil, for no bound.
	Bytes *limits.Pool
	// Requests bounds the requests that are served at a time. It may be nil, for no bound.
	Requests *limits.Pool
	// Clients may be nil, for no limit.
	Clients *limits.Clients
	Log     *slog.Logger
}

// Handler answers the requests of one listener.
type Handler struct {
	options HandlerOptions
	router  *mux.Router
	noVars  map[string]string
	// All answers share these values of headers, so nothing may change them.
	jsonType, textType, noStore []string
}

// NewHandler registers the routes.
func NewHandler(o HandlerOptions) *Handler {
	h := &Handler{
		options: o,
		// mux must not look at a decoded or a cleaned path.
		router:   mux.NewRouter().UseEncodedPath().SkipClean(true),
		noVars:   map[string]string{},
		jsonType: []string{"application/json"},
		textType: []string{"text/plain; charset=utf-8"},
		noStore:  []string{"no-store"},
	}
	for i := range o.Routes {
		rt := &o.Routes[i]
		e := &endpoint{Route: rt, path: newPathMatcher(rt), handler: h}
		if o.Metrics != nil {
			e.meter = o.Metrics.Of(rt.Path, rt.Method, rt.Stream)
		}
		h.router.MatcherFunc(e.path.match).Methods(e.Methods()...).Name(e.Method + " " + e.Path).Handler(e)
	}
	h.router.NotFoundHandler = http.HandlerFunc(h.notFound)
	h.router.MethodNotAllowedHandler = http.HandlerFunc(h.methodNotAllowed)
	return h
}

// Routes are the methods and paths that are registered, such as
// "GET /visits/{page_id}".
func (h *Handler) Routes() []string {
	var names []string
	_ = h.router.Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		names = append(names, r.GetName())
		return nil
	})
	return names
}

// ServeHTTP uses mux's match alone: mux.Router.ServeHTTP copies the request
// twice, for variables that no route has.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	match := mux.RouteMatch{Vars: h.noVars} // without it, mux makes a map
	h.router.Match(r, &match)
	match.Handler.ServeHTTP(w, r)
}

func (h *Handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.refuse(w, r, &Route{Path: meter.Unmatched}, problem.NotFound("no_such_route", "Nothing is served at this path."))
}

func (h *Handler) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	var allow []string
	var at *Route
	_ = h.router.Walk(func(rt *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		var match mux.RouteMatch
		if rt.Match(r, &match); match.MatchErr == mux.ErrMethodMismatch { //nolint:errorlint // mux doesn't wrap it
			found := rt.GetHandler().(*endpoint).Route
			at = cmp.Or(at, found) // the first, which has the longer path
			allow = append(allow, found.Methods()...)
		}
		return nil
	})
	slices.Sort(allow)
	w.Header().Set("Allow", strings.Join(slices.Compact(allow), ", "))
	h.refuse(w, r, at, problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "The Allow header has the methods that this path takes."))
}

// refuse answers a request that no route takes.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, at *Route, f problem.Fault) {
	start := time.Now()
	if err := h.checkRate(r); err != nil {
		f = problem.Of(err, false)
		w.Header().Del("Allow")
	}
	h.Fail(w, f, at.Plain)
	if h.options.Metrics != nil {
		h.options.Metrics.Refused(at.Path, r.Method, f.Status, time.Since(start))
	}
}

func (h *Handler) checkRate(r *http.Request) error {
	if h.options.Clients == nil {
		return nil
	}
	return h.options.Clients.Check(r.RemoteAddr, r.Header.Values("X-Forwarded-For"))
}

// ClientOf is the client that sent a request.
func ClientOf(r *http.Request, i limits.Identify) netip.Prefix {
	return i.Of(r.RemoteAddr, r.Header["X-Forwarded-For"])
}

// endpoint serves one route.
type endpoint struct {
	*Route
	path    pathMatcher
	handler *Handler
	meter   *meter.Route
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	status, code := http.StatusOK, ""
	traced := e.handler.options.Log.Enabled(r.Context(), slog.LevelDebug)
	if traced {
		request.ID(w.Header(), r.Header) // now, while the answer's header can be written
	}
	if err := e.run(w, r); err != nil {
		f := problem.Of(err, e.Writes)
		if f.Unexpected {
			e.handler.options.Log.Error("http request failed", append(request.LogIDs(w.Header(), r.Header), "route", e.Path, "error", err)...)
		}
		status, code = f.Status, f.Code
		e.handler.Fail(w, f, e.Plain)
	}
	took := time.Since(start)
	if e.meter != nil {
		e.meter.Observe(r.Method, status, took)
	}
	if traced {
		e.handler.options.Log.Debug("http request", append(request.LogIDs(w.Header(), r.Header), "route", e.Path, "method", r.Method,
			"status", status, "code", code, "duration", took)...)
	}
}

// run applies the limits, runs the action and writes its body. It turns a panic
// into an error: a write that panicked may have been applied, so it is in doubt.
func (e *endpoint) run(w http.ResponseWriter, r *http.Request) (err error) {
	if !e.Vital {
		if err := e.handler.checkRate(r); err != nil {
			return err
		}
	}
	if e.Query != nil {
		if err := request.Only(r.URL.RawQuery, e.Query...); err != nil {
			return err
		}
	}
	if !e.Vital {
		o, client := &e.handler.options, ClientOf(r, e.handler.options.Identify)
		held, err := e.receive(w, r, client)
		defer o.Bytes.Release(client, held)
		if err != nil {
			return err
		}
		if !e.Stream {
			if err := o.Requests.Acquire(client, 1); err != nil {
				return err
			}
			defer o.Requests.Release(client, 1)
		}
	}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
				panic(v)
			}
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if e.IgnoresDisconnect && r.Body == http.NoBody {
		if c := netconn.Of(r.Context()); c != nil {
			c.PauseBackgroundRead()
			defer c.ResumeBackgroundRead()
		}
	}
	body, err := e.Do(w, r, e.path.value(r.URL))
	if err == nil && body != nil {
		e.handler.succeed(w, body, e.Plain)
	}
	return err
}
