package ring_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/test/integration/service"
)

// P1: a node that was removed, emptied and added again has forgotten batches, of
// which nothing is lost: their counts left it before. They are not counted again.
func TestANodeThatIsAddedAgainCountsNothingTwice(t *testing.T) {
	t.Parallel()
	const pages = 60
	r := service.NewRing(t, 3, "--appendfsync", "everysec")
	r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}
	in := r.Start()
	visitAll := func() {
		t.Helper()
		for i := range pages {
			if got := r.Visit(in, fmt.Sprint("page", i)); got.Status != 200 {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
		}
	}
	visitAll()
	gone := in.Ring().Nodes[0]
	in.Change(http.MethodDelete, "/ring/nodes/"+gone.ID, "")
	service.WaitFor(t, "the ring has forgotten the node", time.Minute, func() bool { return len(in.Ring().Nodes) == 2 })
	for i, s := range r.Servers {
		if s.Addr == gone.Addr {
			r.Do(i, "flushall")
		}
	}
	in.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, gone.Addr))
	in.Moved()
	visitAll()
	visitAll()
	for i := range pages {
		if got := r.Ask(in, http.MethodGet, fmt.Sprint("/visits/page", i), ""); !strings.Contains(got.Body, `"visits":3,`) {
			t.Errorf("page%d, visited 3 times: %d %s", i, got.Status, got.Body)
		}
	}
	_, metrics := in.Administer(http.MethodGet, "/metrics", "")
	if want := fmt.Sprintf("footfall_batches_lost_total{node=%q} 0\n", gone.ID); !strings.Contains(metrics, want) {
		t.Errorf("the metrics have no %q", want)
	}
}
