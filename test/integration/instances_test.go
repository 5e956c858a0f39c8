package integration_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// startAll starts n instances at once.
func (r *ring) startAll(n int) (all []*instance, folders []*deployment) {
	r.t.Helper()
	for range n {
		d := r.deployment()
		folders = append(folders, d)
		all = append(all, d.launch())
		// The order in which an instance is told its nodes must not matter.
		r.seeds = append(r.seeds[1:], r.seeds[0])
		r.servers = append(r.servers[1:], r.servers[0])
	}
	for _, in := range all {
		in.awaitReady()
	}
	return all, folders
}

// allReports are the counts that any of the folders has, one a window.
func allReports(t *testing.T, folders []*deployment) map[string]line {
	t.Helper()
	all := make(map[string]line)
	for _, d := range folders {
		for id, l := range d.reports() {
			if other, ok := all[id]; ok && other.Count != l.Count {
				t.Fatalf("window %s has the counts %d and %d", id, other.Count, l.Count)
			}
			all[id] = l
		}
	}
	return all
}

// V11, V15 of the list of failures: instances that start at once on new nodes,
// each with the list in another order, share one ring; what one has
// acknowledged the others read at once.
func TestInstancesSeeEachOthersVisits(t *testing.T) {
	t.Parallel()
	r := newRing(t, 3)
	all, _ := r.startAll(3)
	for i := range 60 {
		page := fmt.Sprintf("page%d", i)
		writer, reader := all[i%3], all[(i+1)%3]
		if got := r.visit(writer, page); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if got := r.stored(reader, page); got != 1 {
			t.Errorf("page %s: 1 visit became %d at another instance", page, got)
		}
		if a, b := r.read(writer, page), r.read(reader, page); a.body != b.body {
			t.Errorf("one instance says %s, another %s", a.body, b.body)
		}
	}
}

// The very first start needs every node; the program ends with a line that
// names the one that is down. A later start does without it.
func TestOnlyTheFirstStartNeedsEveryNode(t *testing.T) {
	t.Parallel()
	r := newRing(t, 2)
	r.servers[1].Kill()
	in := r.deployment().launch()
	select {
	case <-in.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the program still waits for the node")
	}
	if name := fmt.Sprint("redis_", r.servers[1].Port()); in.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(in.logged(), name) {
		t.Errorf("exit code %d, want 1 and a line about %s:\n%s", in.cmd.ProcessState.ExitCode(), name, in.logged())
	}
	if err := r.servers[1].Start(); err != nil {
		t.Fatal(err)
	}
	r.start().kill()
	r.servers[1].Kill()
	in = r.start()
	if got := r.ask(in, "GET", "/readyz", ""); got.status != 200 {
		t.Errorf("/readyz: %d %s", got.status, got.body)
	}
}

// U19 of the list of failures: the same 1,000 ids sent to both instances at
// once are 1,000 in the window, and so says the one that both show.
func TestTheSameIDsAtTwoInstancesCountOnce(t *testing.T) {
	t.Parallel()
	const ids, window = 1000, 4 * time.Second
	r := newRing(t, 3)
	r.env = []string{"FOOTFALL_WINDOW=4s", "FOOTFALL_GRACE=200ms"}
	all, folders := r.startAll(2)
	for try := range 5 { // a machine that is busy may miss the window
		start := time.Now().Truncate(window).Add(window)
		time.Sleep(time.Until(start.Add(20 * time.Millisecond)))
		var wg sync.WaitGroup
		var failed atomic.Int64
		for worker := range 64 {
			wg.Go(func() {
				for id := worker / 2; id < ids; id += 32 {
					if got := r.accept(all[worker%2], id, ""); got.body != "ok" {
						t.Logf("accept: %d %s", got.status, got.body)
						failed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if failed.Load() > 0 || time.Since(start) > window-20*time.Millisecond {
			t.Logf("try %d took %v, and %d ids were not taken", try, time.Since(start), failed.Load())
			continue
		}
		name := "footfall_" + start.UTC().Format("20060102T150405Z") + "_4s"
		waitFor(t, "the window is published", 60*time.Second, func() bool { return allReports(t, folders)[name].ID != "" })
		if got := allReports(t, folders)[name].Count; got != ids {
			t.Errorf("%d ids became %d", ids, got)
		}
		return
	}
	t.Fatal("no try brought all ids into one window")
}

// fleet is instances that are killed and started again while callers use them.
type fleet struct {
	*ring
	folders []*deployment
	members []atomic.Pointer[instance]
	pages   accounts
	ids     account
	nextID  atomic.Int64
}

func (f *fleet) any() *instance { return f.members[rand.IntN(len(f.members))].Load() }

// use sends visits and ids until stopped.
func (f *fleet) use(stopped <-chan struct{}) {
	pages := slices.Collect(maps.Keys(f.pages))
	for {
		select {
		case <-stopped:
			return
		case <-time.After(time.Millisecond):
		}
		if rand.IntN(4) == 0 {
			f.ids.add(f.accept(f.any(), int(f.nextID.Add(1)), ""))
			continue
		}
		page := pages[rand.IntN(len(pages))]
		f.pages[page].add(f.visit(f.any(), page))
	}
}

func (f *fleet) maybe() (n int64) {
	for _, a := range f.pages {
		n += a.maybe.Load()
	}
	return n + f.ids.maybe.Load()
}

func (f *fleet) denied() (n int64) {
	for _, a := range f.pages {
		n += a.denied.Load()
	}
	return n + f.ids.denied.Load()
}

// P1, P2, P5, and V3, V6 of the list of failures: three instances over three
// nodes under load, while instances and nodes are killed and started again:
// acknowledged <= stored <= acknowledged + unknown, for every page and for the
// ids, and no window has two numbers.
func TestKillsOfInstancesAndNodesLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	const rounds = 10
	r := newRing(t, 3)
	r.env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}
	f := &fleet{ring: r, members: make([]atomic.Pointer[instance], 3)}
	all, folders := r.startAll(len(f.members))
	f.folders = folders
	for i := range all {
		f.members[i].Store(all[i])
	}
	f.pages = newAccounts(r.pages(all[0], 7)...)
	stopped := make(chan struct{})
	var callers sync.WaitGroup
	for range 24 {
		callers.Go(func() { f.use(stopped) })
	}
	unknownOf, deniedOf := map[string]int{}, map[string]int{}
	for round := range rounds {
		time.Sleep(300 * time.Millisecond)
		maybe, denied := f.maybe(), f.denied()
		kind, i := "instance", rand.IntN(3)
		if round%2 == 0 {
			f.members[i].Load().kill()
			time.Sleep(50 * time.Millisecond)
			f.members[i].Store(f.folders[i].start())
		} else {
			kind = "node"
			r.servers[i].Kill()
			time.Sleep(200 * time.Millisecond)
			if err := r.servers[i].Start(); err != nil {
				t.Fatal(err)
			}
		}
		unknownOf[kind] += int(f.maybe() - maybe)
		deniedOf[kind] += int(f.denied() - denied)
	}
	in := f.members[0].Load()
	for page, account := range f.pages {
		r.heals(in, page, account)
	}
	close(stopped)
	callers.Wait()
	t.Logf("%d rounds: unknown %v, refused %v", rounds, unknownOf, deniedOf)
	if unknownOf["instance"] == 0 || deniedOf["node"] == 0 {
		t.Fatalf("the kills hit no request: unknown %v, refused %v", unknownOf, deniedOf)
	}
	f.pages.resolve(t, r, in)
	low, high := f.ids.acked.Load(), f.ids.acked.Load()+f.ids.maybe.Load()
	// The lease of an instance that was killed has to run out: 15 s.
	waitFor(t, "every id is published", 90*time.Second, func() bool { return total(allReports(t, folders)) >= low && f.idle() })
	if got := total(allReports(t, folders)); got > high {
		t.Errorf("%d ids were published, %d acknowledged, %d unknown", got, low, high-low)
	}
}

// idle tells whether every window but the newest ones is done, so that no
// number is still to come.
func (f *fleet) idle() bool {
	all := f.windows(f.any())
	for _, w := range all {
		if w.State != "done" && time.Since(w.WindowEnd) > 2*time.Second {
			return false
		}
	}
	return len(all) > 0
}

// listed is a window as GET /api/verve/windows shows it.
type listed struct {
	line
	State string `json:"state"`
}

// windows are those that are listed, none when the list can't be had.
func (r *ring) windows(in *instance) []listed {
	var answer struct {
		Windows []listed `json:"windows"`
	}
	got := r.ask(in, "GET", "/api/verve/windows?limit=1000", "")
	if got.status != 200 || json.Unmarshal([]byte(got.body), &answer) != nil {
		return nil
	}
	return answer.Windows
}
