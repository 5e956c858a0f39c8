package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"footfall/application/groupcommit"
)

// asleep is longer than the phase of the fault with the answers that it
// brings, so that nothing ends early by itself.
const asleep = 4000 * time.Millisecond

// stuck are the ways in which a node doesn't answer for some seconds.
func stuck() map[string]func(r *ring, node int) (end func()) {
	ignore := func(r *ring, node int, args ...any) {
		c := r.servers[node].Client()
		defer c.Close()
		_ = c.Do(context.Background(), args...).Err() // DEBUG SLEEP answers when it is over
	}
	return map[string]func(r *ring, node int) func(){
		"killed": func(r *ring, node int) func() {
			r.servers[node].Kill()
			return func() {
				if err := r.servers[node].Start(); err != nil {
					r.t.Error(err)
				}
			}
		},
		"frozen": func(r *ring, node int) func() {
			r.servers[node].Freeze()
			return r.servers[node].Thaw
		},
		"paused": func(r *ring, node int) func() {
			ignore(r, node, "client", "pause", asleep.Milliseconds(), "all")
			return func() {}
		},
		"asleep": func(r *ring, node int) func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				ignore(r, node, "debug", "sleep", asleep.Seconds())
			}()
			return func() { <-done }
		},
	}
}

// V18, V19, V20 of the list of failures, and P2, P3: a node that is killed,
// frozen, paused or asleep for some seconds costs its own pages 503 or 504
// within a second, and those of the others nothing; then it heals by itself.
func TestANodeThatIsAwayHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	for name, begin := range stuck() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRing(t, 3)
			in := r.start()
			by := r.pages(in, 20)
			sick, well := newTraffic(r, in, by[0]), newTraffic(r, in, slices.Concat(by[1:]...))
			time.Sleep(time.Second)
			end := begin(r, 0)
			waitFor(t, "the node doesn't answer", time.Second, func() bool { return !r.answers(0) })
			begun := time.Now()
			sick.enter(during)
			well.enter(during)
			r.checkReads(in, by)
			time.Sleep(time.Until(begun.Add(1500 * time.Millisecond)))
			sick.enter(after)
			well.enter(after)
			sick.await(t, during)
			if r.answers(0) {
				t.Fatal("the node answered while it was away")
			}
			end()
			r.heals(in, by[0][0], sick.accounts[by[0][0]])
			sick.stop()
			well.stop()
			sick.checkRefused(t, name != "killed")
			well.checkUnharmed(t)
			sick.resolve(t, r, in)
			well.resolve(t, r, in)
		})
	}
}

// answers tells whether a server answers at once.
func (r *ring) answers(node int) bool {
	c, err := net.Dial("tcp", r.servers[node].Addr)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
	_, _ = io.WriteString(c, "PING\r\n")
	answer, _ := bufio.NewReader(c).ReadString('\n')
	return answer == "+PONG\r\n"
}

// checkReads reads while the first node is away: no number for its pages,
// and those of the others as ever; the service is ready.
func (r *ring) checkReads(in *instance, by [][]string) {
	r.t.Helper()
	var away, there, many, ready reply
	var wg sync.WaitGroup
	wg.Go(func() { away = r.read(in, by[0][0]) })
	wg.Go(func() { there = r.read(in, by[1][0]) })
	wg.Go(func() { many = r.readAll(in, []string{by[0][1], by[1][1], by[2][1]}) })
	wg.Go(func() { ready = r.ask(in, "GET", "/readyz", "") })
	wg.Wait()
	if away.status != 503 || away.header.Get("Retry-After") == "" {
		r.t.Errorf("read of a page that is away: %d %s, Retry-After %q", away.status, away.body, away.header.Get("Retry-After"))
	}
	if there.status != 200 {
		r.t.Errorf("read of a page that is there: %d %s", there.status, there.body)
	}
	all := r.results(many)
	if all[0].Visits != nil || all[0].Error != "unavailable" || all[1].Visits == nil || all[2].Visits == nil {
		r.t.Errorf("read of pages of all nodes: %s", many.body)
	}
	if ready.status != 200 {
		r.t.Errorf("/readyz with two of three nodes: %d %s", ready.status, ready.body)
	}
	if slowest := max(away.took, there.took, many.took, ready.took); slowest > patience {
		r.t.Errorf("an answer took %v", slowest)
	}
}

// checkRefused checks the answers for pages of a node that was away: none was
// counted, and none was late. What was under way when the node hung is in doubt.
func (tr *traffic) checkRefused(t *testing.T, hung bool) {
	t.Helper()
	_, earlier := tr.answers(before)
	_, statuses := tr.answers(during)
	t.Logf("its pages: %v, while it was away: %v", earlier, statuses)
	if hung && earlier[504]+statuses[504] == 0 {
		t.Error("nothing was in doubt")
	}
	if statuses[503] == 0 || len(statuses) > 2 || len(statuses) == 2 && statuses[504] == 0 {
		t.Errorf("the answers are %v, want 503, and 504 for what is in doubt", statuses)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, got := range slices.Concat(tr.replies[before], tr.replies[during]) {
		if got.took > patience || got.status == 503 && got.header.Get("Retry-After") == "" {
			t.Errorf("%d %s after %v, Retry-After %q", got.status, got.body, got.took, got.header.Get("Retry-After"))
			return
		}
	}
}

// checkUnharmed checks that all other pages were counted, and that their
// callers did not wait for the node that is away: its own callers wait for a
// second, so half of that is a wait which no busy machine explains.
func (tr *traffic) checkUnharmed(t *testing.T) {
	t.Helper()
	was, _ := tr.answers(before)
	is, statuses := tr.answers(during)
	t.Logf("the other pages: p99 %v before, %v while it was away, %v", was, is, statuses)
	if len(statuses) != 1 || statuses[200] < 20 {
		t.Errorf("the answers for the other pages are %v", statuses)
	}
	if is > groupcommit.Deadline/2 {
		t.Errorf("p99 of the other pages went from %v to %v, want %v at most", was, is, groupcommit.Deadline/2)
	}
}

// V5, V6, V26 of the list of failures: with every node down nothing is ready
// and nothing counts; with one back its pages count again, with what they had,
// and the others stay away without a number.
func TestAllNodesDownAndOneBack(t *testing.T) {
	t.Parallel()
	r := newRing(t, 3)
	in := r.start()
	by := r.pages(in, 2)
	known := newAccounts(by...)
	for _, page := range slices.Concat(by...) {
		known[page].add(r.visit(in, page))
	}
	for _, s := range r.servers {
		s.Kill()
	}
	for range 8 { // more than it takes to give a node up
		for _, page := range slices.Concat(by...) {
			if got := r.visit(in, page); known[page].add(got) == acknowledged {
				t.Fatalf("a visit was counted nowhere: %s", got.body)
			}
			if got := r.read(in, page); got.status != 503 {
				t.Fatalf("read: %d %s", got.status, got.body)
			}
		}
	}
	if got := r.ask(in, "GET", "/readyz", ""); got.status != 503 || got.took > patience {
		t.Errorf("/readyz with no node: %d %s after %v", got.status, got.body, got.took)
	}
	if got := r.ask(in, "GET", "/healthz", ""); got.status != 200 {
		t.Errorf("/healthz: %d %s", got.status, got.body)
	}
	if err := r.servers[0].Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "ready with one node", 5*time.Second, func() bool { return r.ask(in, "GET", "/readyz", "").status == 200 })
	r.heals(in, by[0][0], known[by[0][0]])
	if got := r.visit(in, by[1][0]); known[by[1][0]].add(got) == acknowledged {
		t.Errorf("a visit of a page that is away: %d %s", got.status, got.body)
	}
	if got := r.read(in, by[1][0]); got.status != 503 {
		t.Errorf("read of a page that is away: %d %s", got.status, got.body)
	}
	for node := 1; node <= 2; node++ {
		if err := r.servers[node].Start(); err != nil {
			t.Fatal(err)
		}
		r.heals(in, by[node][0], known[by[node][0]])
	}
	known.resolve(t, r, in)
}

// V4 of the list of failures: of a bulk over two nodes, one of them down,
// each item says what became of it; repeating those that failed counts
// nothing twice.
func TestHalfOfABulkIsCountedOnce(t *testing.T) {
	t.Parallel()
	r := newRing(t, 2)
	in := r.start()
	by := r.pages(in, 30)
	all := slices.Concat(by...)
	r.servers[0].Kill()
	var failed []string
	for i, item := range r.results(r.bulk(in, all)) {
		if down := i < len(by[0]); down != (item.Status == "failed") || down != (item.Error == "unavailable") {
			t.Fatalf("page %s of node %d: %+v", item.PageID, i/len(by[0]), item)
		}
		if item.Status == "failed" {
			failed = append(failed, item.PageID)
		}
	}
	if got := r.bulk(in, by[0]); got.status != 503 {
		t.Errorf("a bulk of which nothing is counted: %d %s", got.status, got.body)
	}
	if err := r.servers[0].Start(); err != nil {
		t.Fatal(err)
	}
	var got reply
	waitFor(t, "the bulk is taken", 15*time.Second, func() bool { got = r.bulk(in, failed); return got.status != 503 })
	for _, item := range r.results(got) {
		if item.Status != "success" {
			t.Errorf("%+v", item)
		}
	}
	for _, page := range r.results(r.readAll(in, all)) {
		if page.Visits == nil || *page.Visits != 1 {
			t.Errorf("page %s: %s", page.PageID, fmt.Sprintf("%+v", page))
		}
	}
}

// P3, and V20 of the list of failures: a node that comes back empty is lost,
// not zero, also to an instance that starts later.
func TestANodeThatCameBackEmptyHasNoNumbers(t *testing.T) {
	t.Parallel()
	r := newRing(t, 3)
	in := r.start()
	by := r.pages(in, 1)
	lost, kept := by[0][0], by[1][0]
	for _, page := range []string{lost, kept} {
		if got := r.visit(in, page); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	r.do(0, "flushall")
	for _, in := range []*instance{in, r.start()} {
		if got := r.read(in, lost); got.status != 503 {
			t.Errorf("read of a lost page: %d %s", got.status, got.body)
		}
		if got := r.visit(in, lost); got.status != 503 {
			t.Errorf("visit of a lost page: %d %s", got.status, got.body)
		}
		if got := r.stored(in, kept); got != 1 {
			t.Errorf("1 visit became %d", got)
		}
	}
}
