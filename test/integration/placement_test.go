package integration_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

// kept are the counts of the pages that a server has.
func (r *ring) kept(server int) map[string]string {
	r.t.Helper()
	c := r.servers[server].Client()
	defer c.Close()
	arcs, err := c.Keys(r.t.Context(), "ff:c:*").Result()
	if err != nil {
		r.t.Fatal(err)
	}
	pages := make(map[string]string)
	for some := range slices.Chunk(arcs, 1000) {
		answers, err := c.Pipelined(r.t.Context(), func(p redis.Pipeliner) error {
			for _, arc := range some {
				p.HGetAll(r.t.Context(), arc)
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, a := range answers {
			for page, count := range a.(*redis.MapStringStringCmd).Val() {
				pages[page] = count
			}
		}
	}
	return pages
}

// V15, V16: two processes that were given the servers in different orders take
// every page to the same one of them, and the fullest has hardly more than its
// share.
func TestProcessesShareThePagesOutAlikeAndEvenly(t *testing.T) {
	t.Parallel()
	const pages, fullest = 60_000, 1.04
	r := newRing(t, 3)
	forward := r.deployment()
	slices.Reverse(r.seeds)
	instances := []*instance{forward.launch(), r.deployment().launch()}
	for _, in := range instances {
		in.awaitReady()
	}
	all := make([]string, pages)
	for i := range all {
		all[i] = fmt.Sprint("page/", i)
	}
	for _, in := range instances {
		for some := range slices.Chunk(all, 1000) {
			for _, page := range r.results(r.bulk(in, some)) {
				if page.Status != "success" {
					t.Fatalf("page %s: %+v", page.PageID, page)
				}
			}
		}
	}
	total, most := 0, 0
	for server := range r.servers {
		kept := r.kept(server)
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
	ratio := float64(most*len(r.servers)) / pages
	t.Logf("the fullest of %d servers has %.4f times the mean", len(r.servers), ratio)
	if ratio > fullest {
		t.Errorf("the fullest server has %.4f times the mean, want at most %v", ratio, fullest)
	}
}
