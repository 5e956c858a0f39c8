package prometheus

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
)

const (
	// scrapeTimeout bounds what a scrape reads from the nodes. Prometheus waits
	// 10 s.
	scrapeTimeout = 3 * time.Second
	// scrapedWindows is how many of the newest windows a scrape reads.
	scrapedWindows = 60
)

// Deployment reads what a scrape exposes.
type Deployment struct {
	// Queued is the number of callers' items that wait for each node.
	Queued func() map[counting.NodeID]int
	// Epoch is that of the ring that the instance uses; 0 before the start.
	Epoch   func() counting.Epoch
	Status  func(context.Context) sharding.Status
	Windows func(ctx context.Context, limit int) ([]publishing.Summary, error)
}

// Expose registers the queues, the ring, its nodes and the newest windows. Each
// scrape reads them; it omits what it can't read.
func (m *Metrics) Expose(d Deployment) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m.MustRegister(&deployment{
		Deployment: d,
		queued:     desc("footfall_queue_items", "Callers' items that wait to be sent to a node.", "node"),
		epoch:      desc("footfall_ring_epoch", "Epoch of the ring that this instance uses."),
		left:       desc("footfall_ring_arcs_left", "Arcs that the last change of the ring has still to move."),
		stuck:      desc("footfall_ring_arcs_stuck", "Arcs that this instance repeatedly failed to move."),
		arcs:       desc("footfall_ring_arcs_moved_total", "Arcs that this instance moved from one node to another."),
		pages:      desc("footfall_ring_pages_moved_total", "Pages that this instance moved from one node to another."),
		losses:     desc("footfall_ring_losses", "Nodes that were abandoned with what they had counted."),
		up:         desc("footfall_node_up", "1 if a node of the ring answers and has its epoch, and 0 if not.", "node"),
		share:      desc("footfall_node_share_ratio", "Part of all pages that a node of the ring has, 0 to 1.", "node"),
		keys:       desc("footfall_node_idempotency_keys", "Idempotency keys that count for the limit of a node.", "node"),
		windows:    desc("footfall_windows", "The newest 60 windows by state.", "state"),
		age:        desc("footfall_window_oldest_age_seconds", "Time since the end of the oldest of the newest 60 windows in a state; 0 for an open one.", "state"),
	})
}

type deployment struct {
	Deployment
	queued, epoch, left, stuck, arcs, pages, losses, up, share, keys, windows, age *prometheus.Desc
}

func (d *deployment) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{d.queued, d.epoch, d.left, d.stuck, d.arcs, d.pages, d.losses, d.up, d.share, d.keys, d.windows, d.age} {
		ch <- desc
	}
}

func (d *deployment) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for id, n := range d.Queued() {
		gauge(d.queued, float64(n), string(id))
	}
	if d.Epoch() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	st := d.Status(ctx)
	gauge(d.epoch, float64(st.Epoch))
	gauge(d.left, float64(st.Moves.Left))
	gauge(d.stuck, float64(len(st.Moves.Stuck)))
	gauge(d.losses, float64(len(st.Losses)))
	ch <- prometheus.MustNewConstMetric(d.arcs, prometheus.CounterValue, float64(st.Moves.Arcs))
	ch <- prometheus.MustNewConstMetric(d.pages, prometheus.CounterValue, float64(st.Moves.Pages))
	for _, n := range st.Nodes {
		gauge(d.share, n.Share, string(n.ID))
		if n.Away != "" {
			gauge(d.up, 0, string(n.ID))
			continue
		}
		gauge(d.up, 1, string(n.ID))
		if n.Keys >= 0 {
			gauge(d.keys, float64(n.Keys), string(n.ID))
		}
	}
	if list, err := d.Windows(ctx, scrapedWindows); err == nil {
		for state, s := range byState(list, time.Now()) {
			gauge(d.windows, float64(s.windows), string(state))
			gauge(d.age, s.oldest.Seconds(), string(state))
		}
	}
}

// stateTotal is the number of windows in a state, and the time since the first
// of them ended.
type stateTotal struct {
	windows int
	oldest  time.Duration
}

// byState has every state, also those without a window.
func byState(list []publishing.Summary, now time.Time) map[counting.State]stateTotal {
	states := make(map[counting.State]stateTotal)
	for _, state := range []counting.State{counting.Open, counting.Sealed, counting.Published, counting.Done, counting.Lost, counting.Damaged} {
		states[state] = stateTotal{}
	}
	for _, w := range list {
		s := states[w.State]
		states[w.State] = stateTotal{s.windows + 1, max(s.oldest, now.Sub(w.End))}
	}
	return states
}
