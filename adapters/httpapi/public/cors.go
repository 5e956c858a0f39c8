package public

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/request"
)

// ParseOrigins reads origins such as https://example.com, comma separated, or
// * for all.
func ParseOrigins(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var origins []string
	for origin := range strings.SplitSeq(text, ",") {
		origin = strings.TrimSpace(origin)
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || origin != u.Scheme+"://"+u.Host ||
			strings.Contains(origin, "*")) {
			return nil, errors.New("want origins such as https://example.com, comma separated, or *")
		}
		origins = append(origins, origin)
	}
	return origins, nil
}

// AllowOrigins permits pages of other origins to use a handler from a browser,
// without credentials. Without origins it returns the handler itself.
func AllowOrigins(h http.Handler, origins []string) http.Handler {
	if len(origins) == 0 {
		return h
	}
	return crossOrigin(origins).Handler(h)
}

// OriginFields returns what AllowOrigins does for another listener: the fields that the
// answer to a request has, and whether that is the whole answer, of status 204. Without
// origins it returns nil.
func OriginFields(origins []string) func(method string, header map[string][]string) (fields map[string][]string, answered bool) {
	if len(origins) == 0 {
		return nil
	}
	c := crossOrigin(origins)
	return func(method string, header map[string][]string) (map[string][]string, bool) {
		w := &fieldsOnly{header: make(http.Header)}
		c.HandlerFunc(w, &http.Request{Method: method, Header: header})
		return w.header, w.answered
	}
}

// fieldsOnly is an http.ResponseWriter for an answer without a body.
type fieldsOnly struct {
	header   http.Header
	answered bool
}

func (f *fieldsOnly) Header() http.Header         { return f.header }
func (f *fieldsOnly) Write(b []byte) (int, error) { return len(b), nil }
func (f *fieldsOnly) WriteHeader(int)             { f.answered = true }

func crossOrigin(origins []string) *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders: []string{
			"Content-Type", "Idempotency-Key", "Last-Event-ID", request.IDHeader,
			"traceparent", "tracestate", "baggage",
		},
		ExposedHeaders: []string{"Retry-After", request.IDHeader, httpapi.ErrorHeader, counter.EndpointHeader},
		MaxAge:         600,
	})
}
