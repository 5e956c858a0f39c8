package integration_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/servers"
)

// V3 of the list of failures: the node has applied a batch and its reply is
// lost. Five visits of which that is true are acknowledged, and five are
// stored.
func TestVisitsWhoseRepliesAreLostCountOnce(t *testing.T) {
	t.Parallel()
	r := newRing(t, 1)
	proxy := servers.StartProxy(t, r.servers[0].Addr)
	r.seeds = []string{proxy.Addr}
	in := r.start()
	known := newAccounts([]string{"home"})
	lost := func() int { return r.counter(in, "footfall_batch_failures_total") }
	// A reply that is cut may be that of another call; then the next visit
	// is tried.
	for try := 0; lost() < 5; try++ {
		if try == 50 {
			t.Fatalf("%d of %d replies to batches were lost", lost(), try)
		}
		cut, withdraw := proxy.CutReply(0)
		if got := r.visit(in, "home"); known["home"].add(got) != acknowledged {
			t.Errorf("visit: %d %s", got.status, got.body)
		}
		withdraw()
		select {
		case <-cut:
		default:
			t.Error("no reply was cut")
		}
	}
	known.resolve(t, r, in)
}

// counter is the value of a metric, 0 where it isn't there yet.
func (r *ring) counter(in *instance, name string) int {
	r.t.Helper()
	_, text, err := send(r.client, "GET", in.admin+"/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	sum := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") {
			var v float64
			_, _ = fmt.Sscan(line[strings.LastIndex(line, " "):], &v)
			sum += int(v)
		}
	}
	return sum
}

// V24 of the list of failures: a counter at 2^63-1 is refused alone, others of
// the same bulk, and of the same arc, count; it can be read.
func TestAFullCounterIsRefusedAlone(t *testing.T) {
	t.Parallel()
	r := newRing(t, 1)
	in := r.start()
	pages := []string{"a", "full", "b"}
	if got := r.visit(in, "full"); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	r.do(0, "hset", r.arcKey(0, "full"), "full", math.MaxInt64)
	all := r.results(r.bulk(in, pages))
	if all[0].Status != "success" || all[1].Error != "overflow" || all[2].Status != "success" {
		t.Errorf("%+v", all)
	}
	if got := r.visit(in, "full"); got.status != 409 {
		t.Errorf("visit: %d %s", got.status, got.body)
	}
	for page, want := range map[string]int64{"a": 1, "full": math.MaxInt64, "b": 1} {
		if got := r.stored(in, page); got != want {
			t.Errorf("page %s: %d, want %d", page, got, want)
		}
	}
}

// P3, and V20, V24 of the list of failures: a key of another type under an arc
// costs the pages of that arc alone, and has no number.
func TestAWrongTypeUnderAnArcCostsThatArcAlone(t *testing.T) {
	t.Parallel()
	r := newRing(t, 1)
	in := r.start()
	if got := r.visit(in, "broken"); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	key := r.arcKey(0, "broken")
	r.do(0, "del", key)
	r.do(0, "rpush", key, "x")
	pages := []string{"a", "broken", "b"}
	for n := int64(1); n <= 10; n++ {
		all := r.results(r.bulk(in, pages))
		if all[0].Status != "success" || all[1].Error != "corrupt" || all[2].Status != "success" {
			t.Fatalf("%+v", all)
		}
		if got := r.visit(in, "broken"); got.status != 503 {
			t.Errorf("visit: %d %s", got.status, got.body)
		}
		if got := r.read(in, "broken"); got.status != 503 || strings.Contains(got.body, `"visits"`) {
			t.Errorf("read: %d %s", got.status, got.body)
		}
		if a, b := r.stored(in, "a"), r.stored(in, "b"); a != n || b != n {
			t.Fatalf("%d visits became %d and %d", n, a, b)
		}
	}
}

// plants are what a stranger may leave under the keys of a window, %d, that
// is still to come.
func plants() map[string]plant {
	return map[string]plant{
		"size":      {keys: []string{"ff:n:%d"}, refuses: true},
		"endpoints": {keys: []string{"ff:eps:%d"}, refuses: true},
		"ids":       {keys: idSets(), refuses: true, published: true},
		"entry":     {keys: []string{"ff:win:%d"}},
		"calls":     {keys: []string{"ff:cb:%d"}},
	}
}

type plant struct {
	keys      []string
	refuses   bool // some ids of the window
	published bool // the window, with those that were acknowledged
}

func idSets() (keys []string) {
	for set := range 2048 {
		keys = append(keys, "ff:ids:%d:"+fmt.Sprint(set))
	}
	return keys
}

// U14 of the list of failures: a wrong type under a key of a window costs that
// window alone. Ids are refused or counted, none is counted in a window that
// can't tell its number as if it could; visits, the windows before and those
// behind are as ever, and so is the list of windows.
func TestAWrongTypeUnderAWindowCostsThatWindowAlone(t *testing.T) {
	t.Parallel()
	for name, p := range plants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const window = 2 * time.Second
			r := newRing(t, 2)
			r.env = localCallbacks("2s", "200ms")
			instances, folders := r.startAll(2)
			in := instances[0]
			e := newEndpoint(t)
			begin := time.Now().Truncate(window).Add(window)
			planted := begin.Unix()/2 + 1
			for node := range r.servers { // its home is one of them
				r.plant(node, p.keys, planted)
			}
			acked, maybe := map[int64]int64{}, map[int64]int64{} // window -> ids that are in it, or may be
			denied := 0
			for id, w := 0, int64(0); w < planted+2; id++ {
				now := time.Now()
				into := now.Sub(now.Truncate(window))
				if w = now.Unix() / 2; w < begin.Unix()/2 || into < 50*time.Millisecond || into > window-200*time.Millisecond {
					time.Sleep(10 * time.Millisecond) // near a boundary the node may pick another one
					continue
				}
				got := r.accept(instances[id%3%2], id, []string{"", e.URL}[id%2])
				ended := time.Now().Unix() / 2
				switch {
				case got.outcome == acknowledged && w == ended:
					acked[w]++
				case got.outcome == acknowledged: // on a machine that stands still
					maybe[w]++
					maybe[ended]++
				case got.outcome == refused && w <= planted && planted <= ended:
					denied++
				default:
					t.Fatalf("accept in window %d, planted is %d: %d %s", w, planted, got.status, got.body)
				}
				if got := r.visit(in, "home"); got.status != 200 {
					t.Fatalf("visit: %d %s", got.status, got.body)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if p.refuses == (denied == 0) {
				t.Errorf("%d ids were refused", denied)
			}
			report := func(w int64) (line, bool) {
				l, ok := allReports(t, folders)["footfall_"+time.Unix(2*w, 0).UTC().Format("20060102T150405Z")+"_2s"]
				return l, ok
			}
			for _, w := range []int64{planted - 1, planted + 1} {
				waitFor(t, "the windows around are published", 60*time.Second, func() bool { _, ok := report(w); return ok })
				if l, _ := report(w); l.Count < acked[w] || l.Count > acked[w]+maybe[w] || l.Count == 0 {
					t.Errorf("window %d: %d ids, or %d more, became %d", w, acked[w], maybe[w], l.Count)
				}
			}
			if p.published {
				waitFor(t, "the planted window is published", 60*time.Second, func() bool { _, ok := report(planted); return ok })
			}
			if l, ok := report(planted); ok && (l.Count < acked[planted] || l.Count > acked[planted]+maybe[planted]) {
				t.Errorf("the planted window: %d ids, or %d more, became %d", acked[planted], maybe[planted], l.Count)
			}
			if got := r.ask(in, "GET", "/api/verve/windows", ""); got.status != 200 {
				t.Errorf("the list of windows: %d %s", got.status, got.body)
			}
			waitFor(t, "the endpoint is told of the window behind", 60*time.Second, func() bool {
				l, _ := report(planted + 1)
				return slices.ContainsFunc(e.got(), func(c call) bool { return c.id == l.ID })
			})
		})
	}
}

// P2, and U14 of the list of failures: where a node can't note that a window
// has ids it refuses them, and the visits that travel with them count once.
func TestIDsThatCantBeNotedSpoilNoVisits(t *testing.T) {
	t.Parallel()
	r := newRing(t, 1)
	in := r.start()
	r.plant(0, []string{"ff:pend"}, 0)
	known := newAccounts([]string{"home"})
	var callers sync.WaitGroup
	for caller := range 16 {
		callers.Go(func() {
			for n := range 20 {
				if got := r.visit(in, "home"); known["home"].add(got) != acknowledged {
					t.Errorf("visit: %d %s", got.status, got.body)
				}
				if got := r.accept(in, 100*caller+n, ""); got.status != 503 || got.body != "failed" {
					t.Errorf("accept: %d %s", got.status, got.body)
				}
			}
		})
	}
	callers.Wait()
	known.resolve(t, r, in)
}

// plant puts a list under keys of a window.
func (r *ring) plant(server int, keys []string, window int64) {
	r.t.Helper()
	c := r.servers[server].Client()
	defer c.Close()
	p := c.Pipeline()
	for _, key := range keys {
		if strings.Contains(key, "%d") {
			key = fmt.Sprintf(key, window)
		}
		p.Del(r.t.Context(), key)
		p.RPush(r.t.Context(), key, "x")
	}
	if _, err := p.Exec(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}
