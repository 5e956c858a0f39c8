package visits_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// V15, V16: two processes that were given the servers in different orders take
// every page to the same one of them, and the fullest has hardly more than its
// share.
func TestProcessesShareThePagesOutAlikeAndEvenly(t *testing.T) {
	t.Parallel()
	const pages, fullest = 60_000, 1.04
	r := service.NewRing(t, 3)
	forward := r.Deployment()
	slices.Reverse(r.Seeds)
	instances := []*service.Instance{forward.Launch(), r.Deployment().Launch()}
	for _, in := range instances {
		in.AwaitReady()
	}
	all := make([]string, pages)
	for i := range all {
		all[i] = fmt.Sprint("page/", i)
	}
	for i, in := range instances {
		for some := range slices.Chunk(all, 1000) {
			body := `[{"page_id":"` + strings.Join(some, `"},{"page_id":"`) + `"}]`
			insist(t, in, "/visits", fmt.Sprint(i, some[0]), body) // a busy machine may leave some in doubt
		}
	}
	total, most := 0, 0
	for server := range r.Servers {
		kept := r.Kept(server)
		total, most = total+len(kept), max(most, len(kept))
		for page, count := range kept {
			if count != "2" {
				t.Fatalf("page %s has %s on server %d, want the visits of both processes on one server", page, count, server)
			}
		}
	}
	check.Equal(t, total, pages, "pages on the servers")
	ratio := float64(most*len(r.Servers)) / pages
	t.Logf("the fullest of %d servers has %.4f times the mean", len(r.Servers), ratio)
	if ratio > fullest {
		t.Errorf("the fullest server has %.4f times the mean, want at most %v", ratio, fullest)
	}
}
