package ring_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"footfall/test/check"
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
			r.MustVisit(in, fmt.Sprint("page", i))
		}
	}
	visitAll()
	gone := in.Ring().Nodes[0]
	server := r.ServerAt(gone.Addr)
	in.Remove(gone.ID, "")
	service.WaitFor(t, "the ring has forgotten the node", func() bool { return len(in.Ring().Nodes) == 2 })
	r.Do(slices.Index(r.Servers, server), "flushall")
	in.Add(server)
	in.Moved()
	visitAll()
	visitAll()
	for i := range pages {
		check.Equal(t, in.Visits(fmt.Sprint("page", i)), 3, "visits of page%d", i)
	}
	if want := fmt.Sprintf("footfall_batches_lost_total{node=%q} 0\n", gone.ID); !strings.Contains(in.Metrics(), want) {
		t.Errorf("the metrics have no %q", want)
	}
}
