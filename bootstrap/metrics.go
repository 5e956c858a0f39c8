package bootstrap

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"footfall/application/cluster"
	"footfall/application/groupcommit"
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

func (m *flushMetrics) observer(id counting.NodeID) func(groupcommit.Flush) {
	node := string(id)
	items, requests, seconds := m.items.WithLabelValues(node), m.requests.WithLabelValues(node), m.seconds.WithLabelValues(node)
	// Both are shown before the first one: an alert sees how they grow, and
	// one that begins with 1 has not grown.
	failed, _ := m.failures.WithLabelValues(node), m.lost.WithLabelValues(node)
	return func(f groupcommit.Flush) {
		items.Observe(float64(f.Items))
		requests.Observe(float64(f.Requests))
		seconds.Observe(f.Took.Seconds())
		if f.Err != nil {
			failed.Inc()
		}
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
	return func(a publishing.Attempt) { all.WithLabelValues(string(a.Outcome)).Inc() }
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
