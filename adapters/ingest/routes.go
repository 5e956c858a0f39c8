package ingest

import (
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/meter"
	"footfall/adapters/httpapi/request"
)

// endpoint is a route with its meter.
type endpoint struct {
	request.Route[counter.Action]
	prefix   string // of its path; its variable is the rest
	variable bool
	meter    *meter.Route
}

// endpoints are the routes of the listener, the busiest first.
func endpoints(c *counter.Counter) []*endpoint {
	own := func(do counter.Action) counter.Action { return do }
	routes := []request.Route[counter.Action]{counter.Accept(c, own)}
	for _, prefix := range counter.Prefixes() {
		routes = append(routes, counter.Pages(c, prefix, own)...)
	}
	all := make([]*endpoint, len(routes))
	for i, rt := range routes {
		prefix, _, variable := strings.Cut(rt.Path, "{")
		all[i] = &endpoint{Route: rt, prefix: prefix, variable: variable, meter: c.Meter.Of(rt.Path, rt.Method, false)}
	}
	return all
}

// takes reports whether a path, as it was sent, is that of the route. The public listener
// has routes of other kinds among those of GET, which are no names of pages.
func (e *endpoint) takes(path string) bool {
	rest, ok := strings.CutPrefix(path, e.prefix)
	if !ok || !e.variable {
		return ok && rest == ""
	}
	return e.Method == fasthttp.MethodPost || !strings.HasSuffix(rest, "/badge.svg") && !strings.HasSuffix(rest, "/history")
}

// find is the route of a path and a method. Where no route has the method, at is the first
// that has the path, and allow are the methods of all that have it; at is nil for none. ok
// is false if the path is not percent-encoded rightly.
func (s *Server) find(method, path string) (e, at *endpoint, variable string, allow []string, ok bool) {
	decoded := path
	if strings.Contains(path, "%") {
		var err error
		if decoded, err = url.PathUnescape(path); err != nil {
			return nil, nil, "", nil, false
		}
	}
	for _, e := range s.endpoints {
		if !e.takes(path) {
			continue
		}
		if methods := e.Methods(); slices.Contains(methods, method) {
			return e, e, decoded[len(e.prefix):], nil, true
		} else if allow = append(allow, methods...); at == nil {
			at = e
		}
	}
	slices.Sort(allow)
	return nil, at, "", slices.Compact(allow), true
}
