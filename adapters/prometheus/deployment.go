package prometheus

import (
	"context"
	"slices"
	"sync/atomic"
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
	// DroppedLines is the number of lines of the log that no reader took.
	DroppedLines func() int64
	// Queued is the number of callers' items that wait for each node.
	Queued func() map[counting.NodeID]int
	// Epoch is that of the ring that the instance uses; 0 before the start.
	Epoch   func() counting.Epoch
	Status  func(context.Context) sharding.Status
	Windows func(ctx context.Context, limit int) ([]publishing.Summary, error)
	Build   Build
	// History is what each node keeps, as far as it is known.
	History func() map[counting.NodeID]counting.HistoryState
}

// Expose registers the queues, the ring, its nodes and the newest windows. Each
// scrape reads them; it omits what it can't read, but shows the windows that it read last.
func (m *Metrics) Expose(d Deployment) { m.MustRegister(&collector{Deployment: d}) }

type collector struct {
	Deployment
	// windows were read last. While a node is away they can't be read, and none of them is
	// closed: so those that wait go on waiting, and their ages rise.
	windows atomic.Pointer[[]publishing.Summary]
}

// Describe sends nothing: the registry checks the metrics at each scrape.
func (*collector) Describe(chan<- *prometheus.Desc) {}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	emit := func(kind prometheus.ValueType, name, help string, value float64, label ...string) {
		names, values := label[:len(label)/2], label[len(label)/2:]
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
	}
	gauge := func(name, help string, value float64, label ...string) {
		emit(prometheus.GaugeValue, name, help, value, label...)
	}
	gauge("footfall_build_info", "1, with what the program was built from.", 1, "version", "revision", "goversion", c.Build.Version, c.Build.Commit, c.Build.Go)
	emit(prometheus.CounterValue, "footfall_log_lines_dropped_total", "Lines of the log that were dropped, because its reader was blocked or gone.", float64(c.DroppedLines()))
	for id, n := range c.Queued() {
		gauge("footfall_queue_items", "Callers' items that wait to be sent to a node.", float64(n), "node", string(id))
	}
	if c.Epoch() == 0 {
		return
	}
	gaugeHistory(gauge, c.History())
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	st := c.Status(ctx)
	gauge("footfall_ring_epoch", "Epoch of the ring that this instance uses.", float64(st.Epoch))
	gauge("footfall_ring_arcs_left", "Arcs that the last change of the ring has still to move.", float64(st.Moves.Left))
	gauge("footfall_ring_arcs_stuck", "Arcs that this instance repeatedly failed to move.", float64(len(st.Moves.Stuck)))
	gauge("footfall_ring_losses", "Nodes that were abandoned with what they had counted.", float64(len(st.Losses)))
	emit(prometheus.CounterValue, "footfall_ring_arcs_moved_total", "Arcs that this instance moved from one node to another.", float64(st.Moves.Arcs))
	emit(prometheus.CounterValue, "footfall_ring_pages_moved_total", "Pages that this instance moved from one node to another.", float64(st.Moves.Pages))
	emit(prometheus.CounterValue, "footfall_ring_excess_pages_total", "Pages that passed 2^63-1 when this instance moved them, so that a part of them is in no count.", float64(st.Moves.Excess))
	for _, n := range st.Nodes {
		up := 0.0
		if n.Away == "" {
			up = 1
		}
		gauge("footfall_node_up", "1 if a node of the ring answers and has its epoch, and 0 if not.", up, "node", string(n.ID))
		for _, reason := range counting.Refusals() {
			refused := 0.0
			if n.Refused == reason {
				refused = 1
			}
			gauge("footfall_node_refused", "1 while a node refuses every call of this instance, by reason, and 0 if not.", refused, "node", "reason", string(n.ID), reason)
		}
		gauge("footfall_node_share_ratio", "Part of all pages that a node of the ring has, 0 to 1.", n.Share, "node", string(n.ID))
		gauge("footfall_node_clock_skew_seconds", "How far the clock of a node was ahead of that of this instance at the last heartbeat.", n.ClockSkew, "node", string(n.ID))
		if up == 1 {
			gaugeStored(gauge, n)
			emit(prometheus.CounterValue, "footfall_failed_callbacks_dropped_total", "Failed callbacks that a node has deleted because it had too many on record; the same at every instance.", float64(n.DroppedDeadLetters), "node", string(n.ID))
		}
	}
	if list, err := c.Windows(ctx, scrapedWindows); err == nil {
		c.windows.Store(&list)
	}
	if list := c.windows.Load(); list != nil {
		gaugeWindows(gauge, *list)
	}
}

// gaugeWindows emits how many windows are in each state, and how old they are.
func gaugeWindows(gauge func(name, help string, value float64, label ...string), list []publishing.Summary) {
	for _, state := range []counting.State{counting.Open, counting.Sealed, counting.Published, counting.Done, counting.Lost, counting.Damaged} {
		windows, oldest := 0, time.Duration(0)
		for _, w := range list {
			if w.State == state {
				windows, oldest = windows+1, max(oldest, time.Since(w.End))
			}
		}
		gauge("footfall_windows", "The newest 60 windows by state.", float64(windows), "state", string(state))
		gauge("footfall_window_oldest_age_seconds", "Time since the end of the oldest of the newest 60 windows in a state; 0 for an open one.", oldest.Seconds(), "state", string(state))
	}
}

// gaugeHistory emits since when nodes keep history.
func gaugeHistory(gauge func(name, help string, value float64, label ...string), states map[counting.NodeID]counting.HistoryState) {
	for id, h := range states {
		since := 0.0
		if !h.Since.IsZero() {
			since = float64(h.Since.Unix())
		}
		gauge("footfall_history_since_timestamp_seconds", "Unix time since when a node keeps when its visits came, and 0 if it does not.", since, "node", string(id))
	}
}

// gaugeStored emits what a node stores, and whether it has room for more.
func gaugeStored(gauge func(name, help string, value float64, label ...string), n sharding.MemberStatus) {
	id := string(n.ID)
	gauge("footfall_pages", "Pages that a node stores, about: counted again about once a minute, or at the start.", float64(n.Pages), "node", id)
	if n.DeadLetters >= 0 {
		gauge("footfall_failed_callbacks", "Failed callbacks that a node has on record for a retry.", float64(n.DeadLetters), "node", id)
	}
	if n.DiskFree > 0 {
		gauge("footfall_node_disk_free_bytes", "Bytes that are free on the disk of the embedded store.", float64(n.DiskFree), "node", id)
	}
	for _, bound := range counting.Bounds() {
		full := 0.0
		if slices.Contains(n.Full, bound) {
			full = 1
		}
		gauge("footfall_node_full", "1 while a node has no room for other pages or keys, by the bound that it has reached, and 0 if not.", full, "node", "bound", id, bound)
	}
	if n.Keys.Requests >= 0 {
		gauge("footfall_node_idempotency_keys", "Requests with an idempotency key that count for the limit of a node.", float64(n.Keys.Requests), "node", id)
	}
	if n.Keys.Records >= 0 {
		gauge("footfall_node_idempotency_records", "Records of idempotency keys on a node: one of each request and of each of its visits.", float64(n.Keys.Records), "node", id)
	}
}
