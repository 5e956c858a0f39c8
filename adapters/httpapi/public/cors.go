package public

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"

	"footfall/adapters/httpapi"
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
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders: []string{
			"Content-Type", "Idempotency-Key", "Last-Event-ID", httpapi.RequestIDHeader,
			"traceparent", "tracestate", "baggage",
		},
		ExposedHeaders: []string{"Retry-After", httpapi.RequestIDHeader, httpapi.ErrorHeader, EndpointHeader},
		MaxAge:         600,
	}).Handler(h)
}
