package visits_test

import (
	"fmt"
	"slices"
	"testing"

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
	for _, in := range instances {
		for some := range slices.Chunk(all, 1000) {
			for _, page := range r.Results(r.Bulk(in, some)) {
				if page.Status != "success" {
					t.Fatalf("page %s: %+v", page.PageID, page)
				}
			}
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
	if total != pages {
		t.Errorf("the servers have %d pages, want %d", total, pages)
	}
	ratio := float64(most*len(r.Servers)) / pages
	t.Logf("the fullest of %d servers has %.4f times the mean", len(r.Servers), ratio)
	if ratio > fullest {
		t.Errorf("the fullest server has %.4f times the mean, want at most %v", ratio, fullest)
	}
}
