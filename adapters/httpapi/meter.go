package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unmatched is the route of all requests that match none.
const unmatched = "unmatched"

// Metrics are those of a listener. The label route is a template, never the path
// that was sent.
type Metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

// NewMetrics registers footfall_http_requests_total and
// footfall_http_request_duration_seconds. It fails when they are registered
// already.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "footfall_http_requests_total",
			Help: "Requests of the public listener that were answered.",
		}, []string{"route", "method", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "footfall_http_request_duration_seconds",
			Help:    "Time from the header of a request of the public listener to the end of its answer, but for streams.",
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

// meter is what one route needs of the metrics, looked up beforehand.
type meter struct {
	*Metrics
	route, method string
	byCode        map[int]prometheus.Counter
	took          prometheus.Observer // nil for a stream
}

func (m *Metrics) of(rt *Route) *meter {
	route, method := rt.Path, rt.Method
	byCode := make(map[int]prometheus.Counter)
	for _, code := range []int{
		http.StatusOK, http.StatusBadRequest, http.StatusInternalServerError,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	} {
		byCode[code] = m.requests.WithLabelValues(route, method, strconv.Itoa(code))
	}
	one := &meter{Metrics: m, route: route, method: method, byCode: byCode}
	if !rt.Stream {
		one.took = m.durations.WithLabelValues(route)
	}
	return one
}

func (m *meter) observe(method string, code int, took time.Duration) {
	if m.took != nil {
		m.took.Observe(took.Seconds())
	}
	if c, ok := m.byCode[code]; ok && method == m.method {
		c.Inc()
		return
	}
	m.requests.WithLabelValues(m.route, knownMethod(method), strconv.Itoa(code)).Inc()
}

// refused counts a request that no route takes; route is the template of its
// path, if the path is known.
func (m *Metrics) refused(route, method string, code int, took time.Duration) {
	m.durations.WithLabelValues(route).Observe(took.Seconds())
	m.requests.WithLabelValues(route, knownMethod(method), strconv.Itoa(code)).Inc()
}

// knownMethod bounds the values of the label method.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
