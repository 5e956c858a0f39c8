package public

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
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

// refuseOtherSites is the fault cross_site for what a browser sends for a page of another
// site, unless its origin is allowed. Browsers send some requests without asking, from the
// address of each visitor. One visit, or one id, is what such a page may count.
func (a *api) refuseOtherSites(r *http.Request) error {
	if !fromOtherSite(r) || slices.Contains(a.Origins, "*") {
		return nil
	}
	origin := originOf(r)
	if slices.ContainsFunc(a.Origins, func(allowed string) bool { return strings.EqualFold(allowed, origin) }) {
		return nil
	}
	return problem.New(http.StatusForbidden, "cross_site",
		"A page of another site may count single visits and ids. Bulks, keys and endpoints need its origin in FOOTFALL_CORS_ORIGINS.")
}

// fromOtherSite goes by the Origin, or the Referer, where the browser does not name the
// site: it does so over TLS and on loopback only. Requests of images have no Origin.
func fromOtherSite(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "cross-site"
	}
	if r.Header.Get("Origin") != "" {
		return httpapi.IsForeignOrigin(r)
	}
	return httpapi.IsForeignReferer(r)
}

// originOf is the origin of the page for which a browser sends a request: its Origin, or
// else that of its Referer. It is empty where the browser names none.
func originOf(r *http.Request) string {
	if origin := r.Header.Get("Origin"); origin != "" {
		return origin
	}
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
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
