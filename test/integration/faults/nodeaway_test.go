package faults_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/integration/service"
)

// V18, V19, V20, and P2, P3: a node that is killed,
// frozen, paused or asleep for some seconds costs its own pages 503 or 504
// within a second, and those of the others nothing; then it heals by itself.
func TestANodeThatIsAwayHarmsNoOther(t *testing.T) {
	t.Parallel()
	for name := range service.Stuck(0) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for asleep := 4 * time.Second; !isAwayFor(t, name, asleep); asleep *= 2 {
				t.Logf("the node answered before its absence of %v was looked at", asleep)
			}
		})
	}
}

// isAwayFor is false when the node was back too soon.
func isAwayFor(t *testing.T, name string, asleep time.Duration) bool {
	r := service.NewRing(t, 3)
	in := r.Start()
	by := r.Pages(in, 20)
	sick, well := service.NewTraffic(r, by[0], in).Start(4, 0), service.NewTraffic(r, slices.Concat(by[1:]...), in).Start(4, 0)
	sick.GoesOn(200)
	well.GoesOn(200)
	end := service.Stuck(asleep)[name](r, 0)
	service.WaitFor(t, "the node doesn't answer", func() bool { return !r.Answers(0) })
	begun := time.Now()
	sick.NextLap()
	well.NextLap()
	r.CheckReads(in, by)
	time.Sleep(time.Until(begun.Add(1500 * time.Millisecond)))
	sick.NextLap()
	well.NextLap()
	sick.AwaitAnswers(1)
	if r.Answers(0) {
		sick.Stop()
		well.Stop()
		return false
	}
	end()
	sick.Heals(by[0][0])
	sick.Check()
	well.Check()
	sick.CheckRefused(t, name != "killed", well)
	well.CheckUnharmed(t)
	return true
}

// V5, V6, V26: with every node down nothing is ready
// and nothing counts; with one back its pages count again, with what they had,
// and the others stay away without a number.
func TestAllNodesDownAndOneBack(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	in := r.Start()
	by := r.Pages(in, 2)
	known := service.NewTraffic(r, slices.Concat(by...), in)
	for _, page := range slices.Concat(by...) {
		known.Visit(page)
	}
	for _, s := range r.Servers {
		s.Kill()
	}
	for range 8 { // more than it takes to abandon a node
		for _, page := range slices.Concat(by...) {
			if got := known.Visit(page); got.Outcome == chaos.Acknowledged {
				t.Fatalf("a visit was counted nowhere: %s", got.Body)
			}
			r.Read(in, page).Want(t, 503)
		}
	}
	if got := r.Ask(in, "GET", "/readyz", ""); got.Status != 503 || r.Late(in, got.Took) {
		t.Errorf("/readyz with no node: %d %s after %v", got.Status, got.Body, got.Took)
	}
	r.Ask(in, "GET", "/healthz", "").Want(t, 200)
	check.Must(t, r.Servers[0].Start())
	service.WaitFor(t, "ready with one node", func() bool { return r.Ask(in, "GET", "/readyz", "").Status == 200 })
	known.Heals(by[0][0])
	if got := known.Visit(by[1][0]); got.Outcome == chaos.Acknowledged {
		t.Errorf("a visit of a page that is away: %d %s", got.Status, got.Body)
	}
	r.Read(in, by[1][0]).Want(t, 503)
	for node := 1; node <= 2; node++ {
		check.Must(t, r.Servers[node].Start())
		known.Heals(by[node][0])
	}
	known.Check()
}

// V4: of a bulk over two nodes, one of them down,
// each item says what became of it; repeating those that failed counts
// nothing twice.
func TestHalfOfABulkIsCountedOnce(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	in := r.Start()
	by := r.Pages(in, 30)
	all := slices.Concat(by...)
	r.Servers[0].Kill()
	var failed []string
	for i, item := range r.Results(r.Bulk(in, all)) {
		if down := i < len(by[0]); down != (item.Status == "failed") || down != (item.Error == "unavailable") {
			t.Fatalf("page %s of node %d: %+v", item.PageID, i/len(by[0]), item)
		}
		if item.Status == "failed" {
			failed = append(failed, item.PageID)
		}
	}
	r.Bulk(in, by[0]).Want(t, 503)
	check.Must(t, r.Servers[0].Start())
	var got service.Reply
	service.WaitFor(t, "the bulk is taken", func() bool { got = r.Bulk(in, failed); return got.Status != 503 })
	for _, item := range r.Results(got) {
		check.Equal(t, item.Status, "success", "%s", item.PageID)
	}
	for _, page := range r.Results(r.ReadAll(in, all)) {
		if page.Visits == nil || *page.Visits != 1 {
			t.Errorf("page %s: %s", page.PageID, fmt.Sprintf("%+v", page))
		}
	}
}

// P3, V20: a node that comes back empty is lost,
// not zero, also to an instance that starts later.
func TestANodeThatCameBackEmptyHasNoNumbers(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	in := r.Start()
	by := r.Pages(in, 1)
	lost, kept := by[0][0], by[1][0]
	for _, page := range []string{lost, kept} {
		r.MustVisit(in, page)
	}
	r.Do(0, "flushall")
	for _, in := range []*service.Instance{in, r.Start()} {
		r.Read(in, lost).Want(t, 503)
		r.Visit(in, lost).Want(t, 503)
		check.Equal(t, in.Visits(kept), 1, "visits")
	}
}
