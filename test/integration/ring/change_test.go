package ring_test

import (
	"flag"
	"testing"
	"time"

	"footfall/test/integration/service"
)

var reshardPages = flag.Int("reshard.pages", 4000, "pages that are there when the ring changes")

// P4, V12, V13, V17: a node is added and removed through one instance while
// two write and read; nothing is lost, doubled or read low. In the long form
// there are 1,000,000 pages.
func TestTheRingGrowsAndShrinksUnderLoad(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3, "--appendfsync", "everysec")
	a, b := r.Start(), r.Start()
	fourth := r.AddServer("--appendfsync", "everysec")
	pages, rest := *reshardPages, 3*time.Second
	if service.Long() {
		pages, rest = 1_000_000, 30*time.Second
	}
	c := service.NewRingCrowd(r, []*service.Instance{a, b}, pages)
	c.Start(6, 4)
	c.Compare("added", rest, func() {
		a.Add(fourth)
		a.Moved()
	})
	st := b.Ring()
	if len(st.Nodes) != 4 || st.Moves.Total != 4096 {
		t.Errorf("the ring is %+v", st)
	}
	id := ""
	for _, n := range st.Nodes {
		if n.Share < 0.2499 || n.Share > 0.2501 {
			t.Errorf("%s has the share %v", n.ID, n.Share)
		}
		if n.Addr == fourth.Addr {
			id = n.ID
		}
	}

	c.Compare("removed", rest, func() {
		b.Remove(id, "")
		b.Moved()
	})
	c.Check()
	if c.Reads.Load() == 0 {
		t.Error("nothing was read")
	}
}
