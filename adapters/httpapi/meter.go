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

// meters are the metrics of a listener; the label route is a template, never
// the path that was sent.
type meters struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	streams   prometheus.Gauge
}

func newMeters(registry prometheus.Registerer) (meters, error) {
	m := meters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "footfall_http_requests_total",
			Help: "Requests of the public listener that were answered.",
		}, []string{"route", "method", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "footfall_http_request_duration_seconds",
			Help:    "Time from the header of a request of the public listener to the end of its answer, but for streams.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "footfall_event_streams",
			Help: "Streams of GET /events that are open.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.durations, m.streams} {
		if err := registry.Register(c); err != nil {
			return meters{}, fmt.Errorf("register the metrics of http: %w", err)
		}
	}
	return m, nil
}

// meter is what one route needs of the meters, looked up beforehand.
type meter struct {
	meters
	route, method string
	byCode        map[int]prometheus.Counter
	took          prometheus.Observer // nil for a stream
}

func (m meters) of(rt *route) *meter {
	route, method := rt.path.String(), rt.method
	byCode := make(map[int]prometheus.Counter)
	for _, code := range []int{
		http.StatusOK, http.StatusBadRequest, http.StatusInternalServerError,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	} {
		byCode[code] = m.requests.WithLabelValues(route, method, strconv.Itoa(code))
	}
	one := &meter{meters: m, route: route, method: method, byCode: byCode}
	if !rt.stream {
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

// missed counts a request that no route answered; route is the template of
// its path, if the path is known.
func (m meters) missed(route, method string, code int, took time.Duration) {
	m.durations.WithLabelValues(route).Observe(took.Seconds())
	m.requests.WithLabelValues(route, knownMethod(method), strconv.Itoa(code)).Inc()
}

// knownMethod keeps callers from making labels.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
