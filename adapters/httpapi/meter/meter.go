// Package meter counts the requests of listeners and the time that they take, without a
// library for HTTP.
package meter

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Unmatched is the route of all requests that match none.
const Unmatched = "unmatched"

// Metrics are those of one listener, or of several together. The label route is a template, never the path
// that was sent.
type Metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

// New registers footfall_http_requests_total and
// footfall_http_request_duration_seconds. It fails when they are registered
// already.
func New(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "footfall_http_requests_total",
			Help: "Requests of the public and the ingest listener that were answered.",
		}, []string{"route", "method", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "footfall_http_request_duration_seconds",
			Help:    "Time from the header of a request of the public or the ingest listener to the end of its answer, but for streams.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.durations} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of http: %w", err)
		}
	}
	return m, nil
}

// Route is what one route needs of the metrics, looked up beforehand.
type Route struct {
	all           *Metrics
	route, method string
	byCode        map[int]prometheus.Counter
	took          prometheus.Observer // nil for a stream
}

// Of is the meter of a route by its template and method. The time of a stream isn't kept.
func (m *Metrics) Of(route, method string, stream bool) *Route {
	byCode := make(map[int]prometheus.Counter)
	for _, code := range []int{200, 400, 500, 503, 504} {
		byCode[code] = m.requests.WithLabelValues(route, method, strconv.Itoa(code))
	}
	one := &Route{all: m, route: route, method: method, byCode: byCode}
	if !stream {
		one.took = m.durations.WithLabelValues(route)
	}
	return one
}

// Observe counts a request of the route that was answered.
func (r *Route) Observe(method string, code int, took time.Duration) {
	if r.took != nil {
		r.took.Observe(took.Seconds())
	}
	if c, ok := r.byCode[code]; ok && method == r.method {
		c.Inc()
		return
	}
	r.all.requests.WithLabelValues(r.route, knownMethod(method), strconv.Itoa(code)).Inc()
}

// Refused counts a request that no route takes; route is the template of its
// path, if the path is known.
func (m *Metrics) Refused(route, method string, code int, took time.Duration) {
	m.durations.WithLabelValues(route).Observe(took.Seconds())
	m.requests.WithLabelValues(route, knownMethod(method), strconv.Itoa(code)).Inc()
}

// knownMethod bounds the values of the label method.
func knownMethod(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return method
	}
	return "other"
}
