package health_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/httpapi/health"
	"footfall/domain/counting"
	"footfall/domain/watching"
	"footfall/test/check"
)

// A master of a Redis Cluster that is away has many partitions with the same reason.
func TestNodesWithTheSameReasonShareALine(t *testing.T) {
	t.Parallel()
	const one, two = "redis_10.0.0.1_6379", "redis_10.0.0.2_6379"
	_, body := readyz(t, health.Options{}, answering(),
		watching.Node{ID: "p00", Answers: true, Skew: 5 * time.Second, Host: one},
		watching.Node{ID: "p01", Answers: true, Skew: 5*time.Second + 3*time.Millisecond, Host: one},
		watching.Node{ID: "p02", Answers: true, Skew: -7 * time.Second, Host: two},
		watching.Node{ID: "p03"},
		watching.Node{ID: "p04", Says: "LOADING"},
		watching.Node{ID: "p05", Says: "LOADING"},
		watching.Node{ID: "p06", Answers: true, Says: "OOM"},
		watching.Node{ID: "p07"},
		watching.Node{ID: "p08", Answers: true, Says: "OOM"},
		watching.Node{ID: "p13", Silent: "connection refused"},
		watching.Node{ID: "p14", Silent: "connection refused"},
		watching.Node{ID: "p09", Why: "the store is empty"},
		watching.Node{ID: "p10", Why: "the store is empty"},
		watching.Node{ID: "p11", Answers: true, Full: counting.BoundPages + "," + counting.BoundKeys},
		watching.Node{ID: "p12", Answers: true, Full: counting.BoundPages},
	)
	want := []string{
		"p00, p01 take no ids: their clock and this instance's differ by 5s",
		"node p02 takes no ids: its clock and this instance's differ by 7s",
		"p03, p07 do not answer",
		"p04, p05 refuse calls: LOADING",
		"p06, p08 refuse writes: OOM",
		"p13, p14 do not answer: connection refused",
		"p09, p10: the store is empty",
		"p11, p12 take no other pages: they have as many as FOOTFALL_PAGE_LIMIT allows",
		"node p11 takes no other idempotency keys: it has as many as FOOTFALL_KEY_LIMIT and FOOTFALL_PAGE_LIMIT allow",
	}
	var got struct{ Reasons []string }
	check.Must(t, json.Unmarshal([]byte(body), &got))
	if diff := cmp.Diff(want, got.Reasons); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
