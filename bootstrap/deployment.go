package bootstrap

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"footfall/application/resharding"
	"footfall/application/uniques"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

const (
	// lookTime bounds what a scrape asks the nodes for. Prometheus waits 10 s.
	lookTime = 3 * time.Second
	// lookWindows is how many of the newest windows a scrape looks at.
	lookWindows = 60
)

// deployment shows the ring, its nodes and the newest windows as they are at
// the moment of a scrape. What can't be read then is left out.
type deployment struct {
	ring    *resharding.Service
	uniques *uniques.Service

	epoch, left, stuck, arcs, pages, losses *prometheus.Desc
	up, share, keys, windows, age           *prometheus.Desc
}

func registerDeployment(r *prometheus.Registry, ring *resharding.Service, u *uniques.Service) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	r.MustRegister(&deployment{
		ring: ring, uniques: u,
		epoch:   desc("footfall_ring_epoch", "Epoch of the ring that this instance goes by."),
		left:    desc("footfall_ring_arcs_left", "Arcs that the last change of the ring has still to move."),
		stuck:   desc("footfall_ring_arcs_stuck", "Arcs that this instance tried to move and could not."),
		arcs:    desc("footfall_ring_arcs_moved_total", "Arcs that this instance moved from one node to another."),
		pages:   desc("footfall_ring_pages_moved_total", "Pages that this instance moved from one node to another."),
		losses:  desc("footfall_ring_losses", "Nodes that were given up with what they had counted."),
		up:      desc("footfall_node_up", "1 if a node of the ring answers and goes by it, and 0 if not.", "node"),
		share:   desc("footfall_node_share_ratio", "Part of all pages that a node of the ring has, 0 to 1.", "node"),
		keys:    desc("footfall_node_idempotency_keys", "Idempotency keys that count for the limit of a node.", "node"),
		windows: desc("footfall_windows", "The newest 60 windows by their state.", "state"),
		age:     desc("footfall_window_oldest_age_seconds", "Time since the end of the oldest of the newest 60 windows in a state; 0 for one that goes on.", "state"),
	})
}

func (d *deployment) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{d.epoch, d.left, d.stuck, d.arcs, d.pages, d.losses, d.up, d.share, d.keys, d.windows, d.age} {
		ch <- desc
	}
}

func (d *deployment) Collect(ch chan<- prometheus.Metric) {
	if d.ring.Epoch() == 0 {
		return // before the start
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	st := d.ring.Status(ctx)
	gauge(d.epoch, float64(st.Epoch))
	gauge(d.left, float64(st.Moves.Left))
	gauge(d.stuck, float64(len(st.Moves.Stuck)))
	gauge(d.losses, float64(len(st.Losses)))
	ch <- prometheus.MustNewConstMetric(d.arcs, prometheus.CounterValue, float64(st.Moves.Arcs))
	ch <- prometheus.MustNewConstMetric(d.pages, prometheus.CounterValue, float64(st.Moves.Pages))
	for _, n := range st.Nodes {
		answers := 1.0
		if n.Away != "" {
			answers = 0
		}
		gauge(d.up, answers, string(n.ID))
		gauge(d.share, n.Share, string(n.ID))
		if n.Away == "" && n.Keys >= 0 {
			gauge(d.keys, float64(n.Keys), string(n.ID))
		}
	}
	if list, err := d.uniques.Windows(ctx, lookWindows); err == nil {
		for state, s := range byState(list, time.Now()) {
			gauge(d.windows, float64(s.windows), string(state))
			gauge(d.age, s.oldest.Seconds(), string(state))
		}
	}
}

// standing is how many windows are in a state, and how long ago the first of
// them ended.
type standing struct {
	windows int
	oldest  time.Duration
}

// byState has every state, also those in which no window is.
func byState(list []publishing.Summary, now time.Time) map[counting.State]standing {
	states := make(map[counting.State]standing)
	for _, state := range []counting.State{counting.Open, counting.Sealed, counting.Published, counting.Done, counting.Lost, counting.Damaged} {
		states[state] = standing{}
	}
	for _, w := range list {
		s := states[w.State]
		s.windows++
		s.oldest = max(s.oldest, now.Sub(w.End))
		states[w.State] = s
	}
	return states
}
