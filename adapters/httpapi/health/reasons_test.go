package health_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/httpapi/health"
	"footfall/domain/counting"
	"footfall/domain/watching"
	"footfall/test/check"
)

// wantReasons fails the test unless GET /readyz gives these reasons.
func wantReasons(t *testing.T, o health.Options, nodes []watching.Node, want ...string) {
	t.Helper()
	_, body := readyz(t, o, nodes...)
	var got struct{ Reasons []string }
	check.Must(t, json.Unmarshal([]byte(body), &got))
	if diff := cmp.Diff(want, got.Reasons); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// N4: nodes with the same reason share a line, which has the earliest time that is known.
func TestN4NodesWithTheSameReasonShareALineWithTheEarliestTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 15, 2, 11, 999, time.FixedZone("elsewhere", 3600))
	wantReasons(t, health.Options{}, []watching.Node{
		answering(),
		{ID: "n2", Silent: "connection refused", Since: at.Add(time.Hour)},
		{ID: "n3", Silent: "connection refused"},
		{ID: "n4", Silent: "connection refused", Since: at},
		{ID: "n5", Why: "the store is empty", Since: at},
		{ID: "n6", Answers: true, Says: "OOM", Since: at},
		{ID: "n7", Answers: true, Skew: -time.Hour, SkewSince: at},
		{ID: "n8", Answers: true, Skew: -time.Hour - time.Millisecond, SkewSince: at.Add(time.Minute)},
		{ID: "n9", Answers: true, Full: counting.BoundDisk},
		{ID: "n10", Answers: true, Full: counting.BoundDisk},
	},
		"n2, n3, n4 do not answer since 2026-11-29T14:02:11Z: connection refused",
		"node n5 since 2026-11-29T14:02:11Z: the store is empty",
		"node n6 refuses writes since 2026-11-29T14:02:11Z: OOM",
		"n7, n8 take no ids since 2026-11-29T14:02:11Z: their clock is 1h0m0s behind this instance's",
		"n9, n10 take no other pages and idempotency keys: less than FOOTFALL_DISK_RESERVE is free on their disks",
	)
}

// N4: if the clocks of all nodes are off alike, this instance's is wrong. One node does not
// tell which of the two is.
func TestN4AWrongClockOfTheInstanceIsNamed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 15, 2, 11, 0, time.UTC)
	off := func(id counting.NodeID, by time.Duration) watching.Node {
		return watching.Node{ID: id, Answers: true, Skew: by, SkewSince: at}
	}
	one, two, opposite := off("n1", time.Hour), off("n2", time.Hour+time.Second), off("n2", -time.Hour)
	const ownClock = "the clocks of all nodes differ by 1h0m0s from this instance's since 2026-11-29T15:02:11Z: check this instance's clock"
	const oneClock = "node n1 takes no ids since 2026-11-29T15:02:11Z: its clock is 1h0m0s ahead of this instance's"
	wantReasons(t, health.Options{}, []watching.Node{one, two}, ownClock)
	wantReasons(t, health.Options{}, []watching.Node{one, two, away("n3")}, ownClock, "node n3 does not answer")
	wantReasons(t, health.Options{}, []watching.Node{one}, oneClock)
	wantReasons(t, health.Options{}, []watching.Node{one, away("n2")}, oneClock, "node n2 does not answer")
	wantReasons(t, health.Options{}, []watching.Node{one, answering()}, oneClock)
	wantReasons(t, health.Options{}, []watching.Node{one, opposite}, oneClock,
		"node n2 takes no ids since 2026-11-29T15:02:11Z: its clock is 1h0m0s behind this instance's")
}

// N4: windows that wait are a reason. Only the admin listener has the errors.
func TestN4WindowsThatWaitAreAReason(t *testing.T) {
	t.Parallel()
	why := errors.New("close window w: publish to rabbitmq: dial tcp 10.0.0.7:5672\npublish to log: disk full")
	waiting := func() (time.Time, error) { return time.Date(2026, 11, 29, 15, 2, 11, 0, time.UTC), why }
	o := health.Options{Waiting: waiting}
	wantReasons(t, o, []watching.Node{answering()},
		"windows wait since 2026-11-29T15:02:11Z: close window w: publish to rabbitmq: dial tcp 10.0.0.7:5672; publish to log: disk full")
	o.Public = true
	wantReasons(t, o, []watching.Node{answering()}, "windows wait since 2026-11-29T15:02:11Z: they can't be closed or published")
	status, body := readyz(t, o, answering())
	check.Equal(t, status, http.StatusOK, "the status")
	check.Equal(t, strings.Contains(body, "10.0.0.7"), false, "the public answer has an address")
	why = nil
	wantReasons(t, o, []watching.Node{answering()})
}

// A master of a Redis Cluster that is away has many partitions with the same reason, and
// one clock.
func TestPartitionsWithTheSameReasonShareALine(t *testing.T) {
	t.Parallel()
	const one, two = "redis_10.0.0.1_6379", "redis_10.0.0.2_6379"
	first := watching.Node{ID: "p00", Answers: true, Skew: 5 * time.Second, Host: one}
	second := watching.Node{ID: "p01", Answers: true, Skew: 6*time.Second + time.Millisecond, Host: one}
	wantReasons(t, health.Options{}, []watching.Node{first, second}, "p00, p01 take no ids: their clock is 5s ahead of this instance's")
	wantReasons(t, health.Options{}, []watching.Node{
		answering(), first, second,
		{ID: "p02", Answers: true, Skew: -7 * time.Second, Host: two},
		{ID: "p03"},
		{ID: "p04", Says: "LOADING"},
		{ID: "p05", Says: "LOADING"},
		{ID: "p07"},
		{ID: "p11", Answers: true, Full: counting.BoundPages + "," + counting.BoundKeys},
		{ID: "p12", Answers: true, Full: counting.BoundPages},
	},
		"p00, p01 take no ids: their clock is 5s ahead of this instance's",
		"node p02 takes no ids: its clock is 7s behind this instance's",
		"p03, p07 do not answer",
		"p04, p05 refuse calls: LOADING",
		"p11, p12 take no other pages: they have as many as FOOTFALL_PAGE_LIMIT allows",
		"node p11 takes no other idempotency keys: it has as many as FOOTFALL_KEY_LIMIT and FOOTFALL_PAGE_LIMIT allow",
	)
}
