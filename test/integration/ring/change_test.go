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
	pages, rest, pause := *reshardPages, 2*time.Second, 5*time.Millisecond
	if service.Long() {
		pages, rest, pause = 1_000_000, 30*time.Second, 0
	}
	c := service.NewTrafficOf(r, pages, a, b)
	c.Pause = pause
	c.Start(6, 4)
	compare(t, c, "added", rest, func() {
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

	compare(t, c, "removed", rest, func() {
		b.Remove(id, "")
		b.Moved()
	})
	c.Check()
}

// compare logs how long writes take in a change, and in the time before it, in
// which nothing else happens. In the long form both are long enough to compare
// them: the p99 may be three times as long in the change.
func compare(t *testing.T, c *service.Traffic, name string, rest time.Duration, change func()) {
	t.Helper()
	first := c.NextLap()
	time.Sleep(rest)
	c.NextLap()
	begin := time.Now()
	change()
	took := time.Since(begin)
	c.NextLap()
	before, _ := c.Answers(first)
	p99, _ := c.Answers(first + 1)
	t.Logf("%s in %v: p99 %v, %v before", name, took, p99, before)
	if rest >= 30*time.Second && p99 > 3*before {
		t.Errorf("%s: the p99 of writes is %v, and was %v before", name, p99, before)
	}
}
