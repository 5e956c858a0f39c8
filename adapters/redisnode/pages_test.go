package redisnode_test

import (
	"fmt"
	"testing"

	"footfall/domain/counting"
	"footfall/test/servers"
)

// 1,000,000 pages on three nodes are 61 in each arc: a page whose name has 16
// bytes costs at most 45 there.
func TestAPageCostsLittleMemory(t *testing.T) {
	t.Parallel()
	const perArc = 61
	arcs := 500
	if *longFlag {
		arcs = 1 << 14 / 3 // what one of three nodes has
	}
	server := servers.StartRedis(t)
	n := joined(t, server)
	before := memory(t, server)
	for arc := range arcs {
		b := &counting.Batch{Epoch: 1, Session: "session", Seq: int64(arc) + 1}
		for i := range perArc {
			page := counting.Page(fmt.Sprintf("/articles/%06d", arc*perArc+i))
			b.Visits = append(b.Visits, counting.Visit{Arc: counting.Arc(arc), Page: page, Count: 1 + int64(i)*int64(i)*int64(i)})
		}
		if r, err := n.Apply(t.Context(), b); err != nil || len(r.Refused) > 0 {
			t.Fatalf("batch %d: %+v, %v", arc, r, err)
		}
	}
	each := float64(memory(t, server)-before) / float64(arcs*perArc)
	t.Logf("%d pages: %.1f B each", arcs*perArc, each)
	if each > 45 {
		t.Errorf("a page costs %.1f B, want 45 at most", each)
	}
}
