package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// P1: a node that was removed, emptied and added again has forgotten batches, of
// which nothing is lost: their counts left it before. They are not counted again.
func TestANodeThatIsAddedAgainCountsNothingTwice(t *testing.T) {
	t.Parallel()
	const pages = 60
	r := newRing(t, 3, "--appendfsync", "everysec")
	r.env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}
	in := r.start()
	visitAll := func() {
		t.Helper()
		for i := range pages {
			if got := r.visit(in, fmt.Sprint("page", i)); got.status != 200 {
				t.Fatalf("%d %s", got.status, got.body)
			}
		}
	}
	visitAll()
	gone := in.ring().Nodes[0]
	in.change(http.MethodDelete, "/ring/nodes/"+gone.ID, "")
	waitFor(t, "the ring has forgotten the node", time.Minute, func() bool { return len(in.ring().Nodes) == 2 })
	for i, s := range r.servers {
		if s.Addr == gone.Addr {
			r.do(i, "flushall")
		}
	}
	in.change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, gone.Addr))
	in.moved()
	visitAll()
	visitAll()
	for i := range pages {
		if got := r.ask(in, http.MethodGet, fmt.Sprint("/visits/page", i), ""); !strings.Contains(got.body, `"visits":3,`) {
			t.Errorf("page%d, visited 3 times: %d %s", i, got.status, got.body)
		}
	}
	_, metrics := in.administer(http.MethodGet, "/metrics", "")
	if want := fmt.Sprintf("footfall_batches_lost_total{node=%q} 0\n", gone.ID); !strings.Contains(metrics, want) {
		t.Errorf("the metrics have no %q", want)
	}
}
