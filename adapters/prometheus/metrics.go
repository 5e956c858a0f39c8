// Package prometheus counts and exposes what a deployment does, as metrics of
// Prometheus.
package prometheus

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// Metrics are the metrics of an instance. Its methods are safe for concurrent use.
type Metrics struct {
	*prometheus.Registry
	items, requests, seconds                       *prometheus.HistogramVec
	failures, lost, callbacks, publishing, refused *prometheus.CounterVec
	compacted, uncompacted, dropped                *prometheus.CounterVec
	unauthorized                                   prometheus.Counter
	scans                                          *prometheus.CounterVec
	scanSeconds                                    prometheus.Gauge
}

// New registers the metrics of the instance and of its process.
func New() *Metrics {
	sizes := prometheus.ExponentialBuckets(1, 2, 13)
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"node"})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		items:    histogram("footfall_batch_items", "Distinct items of each batch sent to a node.", sizes),
		requests: histogram("footfall_batch_requests", "Callers' items that each batch sent to a node adds up.", sizes),
		seconds: histogram("footfall_batch_apply_duration_seconds", "Time for a node to apply a batch.",
			prometheus.ExponentialBuckets(0.0001, 2, 14)),
		failures:    counter("footfall_batch_failures_total", "Attempts to apply a batch on a node that failed.", "node"),
		lost:        counter("footfall_batches_lost_total", "Acknowledged batches that a node lost and that could not be repeated.", "node"),
		callbacks:   counter("footfall_callbacks_total", "Attempts to notify an endpoint, by outcome; abandoned, limited and paused count endpoints.", "outcome"),
		refused:     counter("footfall_refused_total", "What was refused because a bound was reached, by resource and by whose bound it is.", "resource", "bound"),
		compacted:   counter("footfall_history_compact_seconds_total", "Time that calls took by which this instance had a node compact its history.", "node"),
		uncompacted: counter("footfall_history_compact_failures_total", "Calls by which a node compacts its history that failed.", "node"),
		dropped:     counter("footfall_history_drops_total", "Times that this instance had a node drop its oldest history, because its memory or disk was full.", "node"),
		unauthorized: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "footfall_admin_unauthorized_total", Help: "Requests of the admin listener without its token, or with another one.",
		}),
		scans: counter("footfall_page_scans_total", "Scans of all pages for top and total, by outcome: ok, failed.", "outcome"),
		scanSeconds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "footfall_page_scan_duration_seconds", Help: "Time that the last scan of all pages took that did not fail.",
		}),
		publishing: counter("footfall_publish_attempts_total",
			"Attempts to publish a count, by outcome: confirmed, refused (surely not taken), unknown.", "publisher", "outcome"),
	}
	for _, o := range []publishing.Outcome{publishing.Delivered, publishing.Refused, publishing.Failed, publishing.Abandoned, publishing.Limited, publishing.Paused} {
		m.callbacks.WithLabelValues(string(o)) // exposed before the first one
	}
	for _, b := range bounds() {
		m.refused.WithLabelValues(b[0], b[1])
	}
	m.refused.WithLabelValues("admin_token", "client")
	for _, outcome := range []string{"ok", "failed"} {
		m.scans.WithLabelValues(outcome)
	}
	m.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.items, m.requests, m.seconds, m.failures, m.lost, m.callbacks, m.publishing, m.refused, m.unauthorized, m.compacted, m.uncompacted, m.dropped, m.scans, m.scanSeconds)
	return m
}

// Batches returns the observer of the batches of a node: their distinct items,
// the callers' items in them, the time to apply them, and the error.
func (m *Metrics) Batches(id counting.NodeID) func(items, requests int, took time.Duration, err error) {
	node := string(id)
	itemsOf, requestsOf, seconds := m.items.WithLabelValues(node), m.requests.WithLabelValues(node), m.seconds.WithLabelValues(node)
	// Both are exposed before the first one: an alert needs an increase, and a
	// counter that begins with 1 has not increased.
	failed, _ := m.failures.WithLabelValues(node), m.lost.WithLabelValues(node)
	_, _, _ = m.compacted.WithLabelValues(node), m.uncompacted.WithLabelValues(node), m.dropped.WithLabelValues(node)
	return func(items, requests int, took time.Duration, err error) {
		itemsOf.Observe(float64(items))
		requestsOf.Observe(float64(requests))
		seconds.Observe(took.Seconds())
		if err != nil {
			failed.Inc()
		}
	}
}

// CountLost counts batches that a node lost.
func (m *Metrics) CountLost(id counting.NodeID, batches int64) {
	m.lost.WithLabelValues(string(id)).Add(float64(batches))
}

// CountCompaction counts a call by which a node compacts its history.
func (m *Metrics) CountCompaction(id counting.NodeID, took time.Duration, err error) {
	m.compacted.WithLabelValues(string(id)).Add(took.Seconds())
	if err != nil {
		m.uncompacted.WithLabelValues(string(id)).Inc()
	}
}

// CountDrop counts a drop of the oldest history of a node.
func (m *Metrics) CountDrop(id counting.NodeID) { m.dropped.WithLabelValues(string(id)).Inc() }

// CountAttempt counts an attempt to notify an endpoint.
func (m *Metrics) CountAttempt(a publishing.Attempt) {
	m.callbacks.WithLabelValues(string(a.Outcome)).Inc()
}

// bounds are those of which refusals are exposed before the first one, each with its
// resource.
func bounds() [][2]string {
	all := [][2]string{{"rate", "client"}, {"endpoints", "host"}}
	all = append(all, [2]string{"pages", "total"}, [2]string{"disk", "total"})
	for _, resource := range []string{"connections", "bytes", "requests", "bulks", "streams", "watched_pages", "page_stats", "prefixes", "endpoints", "keys"} {
		all = append(all, [2]string{resource, "client"}, [2]string{resource, "total"})
	}
	return all
}

// CountRefused counts what was refused of a resource because of a bound.
func (m *Metrics) CountRefused(resource, bound string) {
	m.refused.WithLabelValues(resource, bound).Inc()
}

// CountScan counts a scan of all pages, with the time that it took.
func (m *Metrics) CountScan(took time.Duration, err error) {
	if err != nil {
		m.scans.WithLabelValues("failed").Inc()
		return
	}
	m.scans.WithLabelValues("ok").Inc()
	m.scanSeconds.Set(took.Seconds())
}

// CountUnauthorized counts a request of the admin listener without its token; limited:
// its client had sent too many of them.
func (m *Metrics) CountUnauthorized(limited bool) {
	m.unauthorized.Inc()
	if limited {
		m.CountRefused("admin_token", "client")
	}
}

// ExposePaused registers the number of endpoints and addresses that are paused.
func (m *Metrics) ExposePaused(paused func() int) {
	m.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "footfall_callback_pauses",
		Help: "Endpoints and addresses that are not called for some time, since they failed for long or answered 410.",
	}, func() float64 { return float64(paused()) }))
}

// Publisher returns p with its attempts counted.
func (m *Metrics) Publisher(p publishing.Publisher) publishing.Publisher {
	of := func(outcome string) prometheus.Counter { return m.publishing.WithLabelValues(p.Name(), outcome) }
	return countedPublisher{p, of("confirmed"), of("refused"), of("unknown")}
}

type countedPublisher struct {
	publishing.Publisher
	confirmed, refused, unknown prometheus.Counter
}

func (c countedPublisher) Publish(ctx context.Context, r publishing.Report) error {
	err := c.Publisher.Publish(ctx, r)
	switch {
	case err == nil:
		c.confirmed.Inc()
	case errors.Is(err, publishing.ErrRefused):
		c.refused.Inc()
	default:
		c.unknown.Inc()
	}
	return err
}
