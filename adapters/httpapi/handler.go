package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"
)

// action answers a request with 200 and returns nil, or writes nothing and
// returns an error. param is the value of the path's parameter.
type action func(w http.ResponseWriter, r *http.Request, param string) error

// route is one line of a listener's table.
type route struct {
	method string
	path   pattern
	do     action
	// counts: the route changes counts, so a failure may be in doubt, and
	// HEAD isn't GET.
	counts bool
	// brief: the route waits for a node at most, and ends by itself, so that it is
	// not worth knowing when its caller goes: its request's context doesn't tell.
	ignoresDisconnect bool
	// plain: errors are the text "failed" instead of a problem.
	plain bool
	// vital: the route answers however busy the listener is, and whoever
	// asks how often.
	vital bool
	// stream: the answer goes on until somebody ends it, so it has a bound
	// of its own in place of the listener's.
	stream bool
}

func (rt *route) methods() []string {
	if rt.method == http.MethodGet && !rt.counts && !rt.stream {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{rt.method}
}

// Handler answers the requests of one listener.
type Handler struct {
	replies
	router *mux.Router
	routes []route
	meters *meters
	gate   gate
	limit  *limiter // nil: none
	log    *slog.Logger
}

// newHandler registers the routes, which are tried in their order. meters and
// limit may be nil; maxInFlight of 0 is no limit.
func newHandler(routes []route, m *meters, maxInFlight int, limit *limiter, log *slog.Logger) *Handler {
	h := &Handler{
		replies: newReplies(),
		// Nothing in mux may look at a decoded or a cleaned path.
		router: mux.NewRouter().UseEncodedPath().SkipClean(true),
		routes: routes,
		meters: m,
		gate:   gate{limit: int64(maxInFlight)},
		limit:  limit,
		log:    log,
	}
	// Matched routes share this map instead of getting an empty one each.
	noVars := map[string]string{}
	for i := range h.routes {
		e := &endpoint{route: &h.routes[i], handler: h}
		if m != nil {
			e.meter = m.of(e.route)
		}
		methods := e.methods()
		h.router.NewRoute().Name(e.method + " " + e.path.String()).Handler(e).
			MatcherFunc(func(r *http.Request, match *mux.RouteMatch) bool {
				if !slices.Contains(methods, r.Method) || !e.path.matches(r.URL) {
					return false
				}
				match.Vars = noVars
				return true
			})
	}
	h.router.NotFoundHandler = http.HandlerFunc(h.miss)
	return h
}

// ServeHTTP uses the match alone: mux's own ServeHTTP copies the request twice
// to hang variables on it that nobody here reads.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var match mux.RouteMatch
	h.router.Match(r, &match)
	match.Handler.ServeHTTP(w, r)
}

// miss answers 405 where the path exists, and otherwise 404.
func (h *Handler) miss(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	var allow []string
	label, plain := unmatched, false
	for i := range h.routes {
		if rt := &h.routes[i]; rt.path.matches(r.URL) {
			allow = append(allow, rt.methods()...)
			label, plain = rt.path.String(), rt.plain
		}
	}
	f := notFound("no_such_route", "Nothing is served at this path.")
	if err := h.limit.check(r); err != nil {
		f = faultOf(err, false)
	} else if allow != nil {
		slices.Sort(allow)
		w.Header().Set("Allow", strings.Join(allow, ", "))
		f = fault{
			status: http.StatusMethodNotAllowed, code: "method_not_allowed",
			detail: "The Allow header has the methods that this path takes.",
		}
	}
	h.fail(w, f, plain)
	if h.meters != nil {
		h.meters.missed(label, r.Method, f.status, time.Since(start))
	}
}

// endpoint serves one route.
type endpoint struct {
	*route
	handler *Handler
	meter   *meter
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	status, code := http.StatusOK, ""
	traced := e.handler.log.Enabled(r.Context(), slog.LevelDebug)
	if traced {
		requestID(w, r) // now, while the answer's header can be written
	}
	if err := e.run(w, r); err != nil {
		f := faultOf(err, e.counts)
		if f.unexpected {
			e.handler.log.Error("http request failed", "request_id", requestID(w, r), "route", e.path.String(), "error", err)
		}
		status, code = f.status, f.code
		e.handler.fail(w, f, e.plain)
	}
	took := time.Since(start)
	if e.meter != nil {
		e.meter.observe(r.Method, status, took)
	}
	if traced {
		e.handler.log.Debug("http request", "request_id", requestID(w, r), "route", e.path.String(), "method", r.Method,
			"status", status, "code", code, "duration", took)
	}
}

// run turns a panic into an error of the request, so that the table decides
// what the caller is told: a write that panicked may have been applied.
func (e *endpoint) run(w http.ResponseWriter, r *http.Request) (err error) {
	if l := e.handler.limit; l != nil && !e.vital {
		if err := l.check(r); err != nil {
			return err
		}
	}
	if !e.vital && !e.stream {
		if !e.handler.gate.enter() {
			return unavailable("overloaded", "Too many requests at once; this one changed nothing.", 1)
		}
		defer e.handler.gate.leave()
	}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
				panic(v)
			}
			err = panicError{value: v, stack: debug.Stack()}
		}
	}()
	if e.ignoresDisconnect && r.Body == http.NoBody {
		if c := connOf(r.Context()); c != nil {
			c.pauseBackgroundRead()
			defer c.resumeBackgroundRead()
		}
	}
	return e.do(w, r, e.path.value(r.URL))
}

// panicError is a handler's panic.
type panicError struct {
	value any
	stack []byte
}

func (e panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }
