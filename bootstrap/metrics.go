package bootstrap

import (
	"context"
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/application/resharding"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// flushMetrics are what Prometheus is told of the group commit.
type flushMetrics struct {
	items, requests, seconds *prometheus.HistogramVec
	failures, lost           *prometheus.CounterVec
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func newFlushMetrics(r *prometheus.Registry) *flushMetrics {
	sizes := prometheus.ExponentialBuckets(1, 2, 13)
	node := []string{"node"}
	m := &flushMetrics{
		items: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "footfall_batch_items", Help: "Distinct items of each batch sent to a node.", Buckets: sizes,
		}, node),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "footfall_batch_requests", Help: "Callers' items that each batch sent to a node adds up.", Buckets: sizes,
		}, node),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "footfall_batch_apply_duration_seconds", Help: "Time for a node to apply a batch.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 14),
		}, node),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "footfall_batch_failures_total", Help: "Calls of a node to apply a batch that it did not answer by applying it.",
		}, node),
		lost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "footfall_batches_lost_total", Help: "Batches that a node had applied and forgot, and that could not be repeated.",
		}, node),
	}
	r.MustRegister(m.items, m.requests, m.seconds, m.failures, m.lost)
	return m
}

func (m *flushMetrics) observe(id counting.NodeID, f groupcommit.Flush) {
	node := string(id)
	m.items.WithLabelValues(node).Observe(float64(f.Items))
	m.requests.WithLabelValues(node).Observe(float64(f.Requests))
	m.seconds.WithLabelValues(node).Observe(f.Took.Seconds())
	if f.Err != nil {
		m.failures.WithLabelValues(node).Inc()
	}
}

func (m *flushMetrics) countLost(id counting.NodeID, batches int64) {
	m.lost.WithLabelValues(string(id)).Add(float64(batches))
}

// newCallbackCounter counts what the capture log has a line for: attempts by
// their outcome, and endpoints that were given up.
func newCallbackCounter(r *prometheus.Registry) func(publishing.Attempt) {
	all := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "footfall_callbacks_total", Help: "Attempts to call an endpoint by their outcome; abandoned are endpoints given up.",
	}, []string{"outcome"})
	r.MustRegister(all)
	for _, o := range []publishing.Outcome{publishing.Delivered, publishing.Refused, publishing.Failed, publishing.Abandoned} {
		all.WithLabelValues(string(o)) // shown before the first one
	}
	return func(a publishing.Attempt) { all.WithLabelValues(string(a.Outcome())).Inc() }
}

// queues shows how much waits for each node at the moment of a scrape.
type queues struct {
	cluster *cluster.Cluster
	desc    *prometheus.Desc
}

func registerQueues(r *prometheus.Registry, c *cluster.Cluster) {
	r.MustRegister(queues{c, prometheus.NewDesc("footfall_queue_items", "Callers' items that wait to be sent to a node.", []string{"node"}, nil)})
}

func (q queues) Describe(ch chan<- *prometheus.Desc) { ch <- q.desc }

func (q queues) Collect(ch chan<- prometheus.Metric) {
	for id, n := range q.cluster.Queued() {
		ch <- prometheus.MustNewConstMetric(q.desc, prometheus.GaugeValue, float64(n), string(id))
	}
}

// registerRing shows how far the ring is.
func registerRing(r *prometheus.Registry, ring *resharding.Service) {
	gauge := func(name, help string, value func(epoch counting.Epoch, left int) float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(ring.Seen()) }))
	}
	gauge("footfall_ring_epoch", "Epoch of the ring that this instance goes by.", func(epoch counting.Epoch, _ int) float64 { return float64(epoch) })
	gauge("footfall_ring_arcs_left", "Arcs that were still to be moved when this instance last looked.", func(_ counting.Epoch, left int) float64 { return float64(left) })
	r.MustRegister(stuckArcs{ring, prometheus.NewDesc("footfall_ring_arc_stuck",
		"1 for an arc that this instance tried to move again and again, at most 100 of them; GET /ring says more.",
		[]string{"arc", "from", "to", "at", "reason"}, nil)})
}

// stuckArcs shows the arcs that this instance can't move.
type stuckArcs struct {
	ring *resharding.Service
	desc *prometheus.Desc
}

func (s stuckArcs) Describe(ch chan<- *prometheus.Desc) { ch <- s.desc }

func (s stuckArcs) Collect(ch chan<- prometheus.Metric) {
	stuck := s.ring.Stuck()
	for _, a := range stuck[:min(len(stuck), mostStuck)] {
		ch <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, 1,
			strconv.Itoa(int(a.Arc)), string(a.From), string(a.To), string(a.At), a.Reason)
	}
}

// mostStuck is how many arcs have a metric of their own.
const mostStuck = 100

// measuredPublisher counts how publishing ended.
type measuredPublisher struct {
	publishing.Publisher
	confirmed, refused, unknown prometheus.Counter
}

func measured(r *prometheus.Registry, publishers []publishing.Publisher) []publishing.Publisher {
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "footfall_publish_attempts_total",
		Help: "Counts handed to a publisher, by what became of them: confirmed, refused (surely not taken), unknown.",
	}, []string{"publisher", "outcome"})
	r.MustRegister(outcomes)
	all := make([]publishing.Publisher, len(publishers))
	for i, p := range publishers {
		of := func(outcome string) prometheus.Counter { return outcomes.WithLabelValues(p.Name(), outcome) }
		all[i] = measuredPublisher{p, of("confirmed"), of("refused"), of("unknown")}
	}
	return all
}

func (m measuredPublisher) Publish(ctx context.Context, r publishing.Report) error {
	err := m.Publisher.Publish(ctx, r)
	switch {
	case err == nil:
		m.confirmed.Inc()
	case errors.Is(err, publishing.ErrRefused):
		m.refused.Inc()
	default:
		m.unknown.Inc()
	}
	return err
}
