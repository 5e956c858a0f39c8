package prometheus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/prometheus"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// series are the values of the metrics of Footfall, sorted; of a histogram the
// number of observations.
func series(t *testing.T, m *prometheus.Metrics) []string {
	t.Helper()
	families := check.Value(m.Gather())(t)
	var all []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "footfall_") {
			continue
		}
		for _, s := range f.GetMetric() {
			var labels []string
			for _, l := range s.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := s.GetGauge().GetValue() + s.GetCounter().GetValue() + float64(s.GetHistogram().GetSampleCount())
			all = append(all, fmt.Sprintf("%s{%s} %v", f.GetName(), strings.Join(labels, ","), value))
		}
	}
	slices.Sort(all)
	return all
}

// sink takes a report, refuses it, or fails.
type sink struct{ err error }

func (sink) Name() string { return "x" }

func (s *sink) Publish(context.Context, publishing.Report) error { return s.err }

func TestEveryMetricHasItsNameAndLabels(t *testing.T) {
	m := prometheus.New()
	observe := m.Batches("a")
	observe(3, 5, time.Second, nil)
	observe(1, 1, time.Second, errors.New("no answer"))
	m.CountLost("a", 2)
	m.CountAttempt(publishing.Attempt{Outcome: publishing.Refused})
	m.CountUnauthorized(true)
	m.CountCompaction("a", 2*time.Second, nil)
	m.CountDrop("a")
	m.CountCompaction("a", time.Second, errors.New("no answer"))
	m.CountScan(3*time.Second, nil)
	m.CountScan(9*time.Second, errors.New("no answer"))
	s := &sink{}
	p := m.Publisher(s)
	for _, s.err = range []error{nil, nil, fmt.Errorf("full: %w", publishing.ErrRefused), errors.New("no answer")} {
		_ = p.Publish(t.Context(), publishing.Report{})
	}
	epoch := counting.Epoch(0)
	m.Expose(prometheus.Deployment{
		Build:        prometheus.Build{Version: "v1", Commit: "abc", Date: "2026-11-28T00:00:00Z", Go: "go1.26"},
		DroppedLines: func() int64 { return 5 },
		Queued:       func() map[counting.NodeID]int { return map[counting.NodeID]int{"a": 4} },
		Epoch:        func() counting.Epoch { return epoch },
		Status: func(context.Context) sharding.Status {
			return sharding.Status{
				Epoch: 7, Losses: make([]sharding.Loss, 2),
				Nodes: []sharding.MemberStatus{{Member: sharding.Member{ID: "a"}, Share: 0.75, Keys: sharding.Keys{Requests: 9, Records: 30}, Pages: 40, Full: []string{"pages"}, DiskFree: 50, DeadLetters: 6, DroppedDeadLetters: 8}, {Member: sharding.Member{ID: "b"}, Share: 0.25, Away: "no answer", Refused: "empty"}},
				Moves: sharding.Progress{Left: 3, Arcs: 11, Pages: 12, Stuck: make([]sharding.StuckArc, 1)},
			}
		},
		History: func() map[counting.NodeID]counting.HistoryState {
			return map[counting.NodeID]counting.HistoryState{"a": {Since: time.Unix(900, 0)}, "b": {}}
		},
		Windows: func(_ context.Context, limit int) ([]publishing.Summary, error) {
			check.Equal(t, limit, 60, "the windows that are read")
			future := publishing.Report{End: time.Now().Add(time.Hour)}
			return []publishing.Summary{{State: counting.Open, Report: future}, {State: counting.Done, Report: future}, {State: counting.Done, Report: future}}, nil
		},
	})
	always := []string{
		"footfall_admin_unauthorized_total{} 1", "footfall_batch_apply_duration_seconds{node=a} 2", "footfall_batch_failures_total{node=a} 1", "footfall_batch_items{node=a} 2",
		"footfall_batch_requests{node=a} 2", "footfall_batches_lost_total{node=a} 2",
		"footfall_build_info{goversion=go1.26,revision=abc,version=v1} 1",
		"footfall_callbacks_total{outcome=abandoned} 0", "footfall_callbacks_total{outcome=delivered} 0",
		"footfall_callbacks_total{outcome=failed} 0", "footfall_callbacks_total{outcome=limited} 0",
		"footfall_callbacks_total{outcome=paused} 0", "footfall_callbacks_total{outcome=refused} 1",
		"footfall_history_compact_failures_total{node=a} 1", "footfall_history_compact_seconds_total{node=a} 3", "footfall_history_drops_total{node=a} 1",
		"footfall_log_lines_dropped_total{} 5",
		"footfall_page_scan_duration_seconds{} 3", "footfall_page_scans_total{outcome=failed} 1", "footfall_page_scans_total{outcome=ok} 1",
		"footfall_publish_attempts_total{outcome=confirmed,publisher=x} 2", "footfall_publish_attempts_total{outcome=refused,publisher=x} 1",
		"footfall_publish_attempts_total{outcome=unknown,publisher=x} 1", "footfall_queue_items{node=a} 4",
		"footfall_refused_total{bound=client,resource=admin_token} 1",
	}
	for bound, resources := range map[string]string{"client": "bulks bytes connections endpoints keys page_stats prefixes rate requests streams watched_pages", "host": "endpoints", "total": "bulks bytes connections disk endpoints keys page_stats pages prefixes requests streams watched_pages"} {
		for resource := range strings.FieldsSeq(resources) {
			always = append(always, fmt.Sprintf("footfall_refused_total{bound=%s,resource=%s} 0", bound, resource))
		}
	}
	slices.Sort(always)
	if diff := cmp.Diff(always, series(t, m)); diff != "" {
		t.Errorf("before the start (-want +got):\n%s", diff)
	}
	epoch = 7
	want := append([]string{
		"footfall_history_since_timestamp_seconds{node=a} 900", "footfall_history_since_timestamp_seconds{node=b} 0",
		"footfall_failed_callbacks_dropped_total{node=a} 8", "footfall_failed_callbacks{node=a} 6", "footfall_node_clock_skew_seconds{node=a} 0",
		"footfall_node_clock_skew_seconds{node=b} 0",
		"footfall_node_idempotency_keys{node=a} 9", "footfall_node_idempotency_records{node=a} 30", "footfall_node_share_ratio{node=a} 0.75", "footfall_node_share_ratio{node=b} 0.25",
		"footfall_node_full{bound=disk,node=a} 0", "footfall_node_full{bound=keys,node=a} 0", "footfall_node_full{bound=pages,node=a} 1", "footfall_node_disk_free_bytes{node=a} 50", "footfall_pages{node=a} 40",
		"footfall_node_up{node=a} 1", "footfall_node_up{node=b} 0", "footfall_ring_arcs_left{} 3", "footfall_ring_arcs_moved_total{} 11",
		"footfall_ring_arcs_stuck{} 1", "footfall_ring_epoch{} 7", "footfall_ring_excess_pages_total{} 0", "footfall_ring_losses{} 2", "footfall_ring_pages_moved_total{} 12",
	}, always...)
	for state, n := range map[counting.State]int{counting.Open: 1, counting.Sealed: 0, counting.Published: 0, counting.Done: 2, counting.Lost: 0, counting.Damaged: 0} {
		want = append(want, fmt.Sprintf("footfall_windows{state=%s} %d", state, n), fmt.Sprintf("footfall_window_oldest_age_seconds{state=%s} 0", state))
	}
	for _, reason := range counting.Refusals() {
		want = append(want, fmt.Sprintf("footfall_node_refused{node=a,reason=%s} 0", reason))
		refused := 0
		if reason == counting.RefusedEmpty {
			refused = 1
		}
		want = append(want, fmt.Sprintf("footfall_node_refused{node=b,reason=%s} %d", reason, refused))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, series(t, m)); diff != "" {
		t.Errorf("after it (-want +got):\n%s", diff)
	}
}
