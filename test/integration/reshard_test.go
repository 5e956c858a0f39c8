package integration_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/test/chaos"
	"footfall/test/servers"
)

var reshardPages = flag.Int("reshard.pages", 4000, "pages that are there when the ring changes")

// ringState is GET /ring.
type ringState struct {
	Epoch int64
	Nodes []struct {
		ID, Addr, State, Away string
		Weight                int
		Share                 float64
	}
	Moves  struct{ Left, Total int }
	Losses []struct{ Node string }
}

func (in *instance) ring() ringState {
	in.t.Helper()
	status, body := in.administer(http.MethodGet, "/ring", "")
	if status != 200 {
		in.t.Fatalf("GET /ring: %d %s", status, body)
	}
	var st ringState
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		in.t.Fatal(err)
	}
	return st
}

// administer asks the admin listener.
func (in *instance) administer(method, path, body string) (int, string) {
	in.t.Helper()
	req, err := http.NewRequestWithContext(in.t.Context(), method, in.admin+path, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	c := newClient()
	c.Timeout = 30 * time.Second
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// change changes the ring; while another change is being ended it waits.
func (in *instance) change(method, path, body string) {
	in.t.Helper()
	waitFor(in.t, method+" "+path, time.Minute, func() bool {
		status, answer := in.administer(method, path, body)
		if status != 200 && status != 409 {
			in.t.Fatalf("%s %s: %d %s", method, path, status, answer)
		}
		return status == 200
	})
}

func (in *instance) moved() {
	in.t.Helper()
	waitFor(in.t, "all arcs are moved", 3*time.Minute, func() bool { return in.ring().Moves.Left == 0 })
}

// ringCrowd writes and reads pages through several instances.
type ringCrowd struct {
	ring      *ring
	instances []*instance
	pages     []string
	books     []*chaos.Account
	over      atomic.Bool
	all       sync.WaitGroup
	reads     atomic.Int64

	mu    sync.Mutex
	took  []time.Duration // of writes
	slack time.Duration   // the longest time without a write that was taken
	last  time.Time
}

func newRingCrowd(r *ring, instances []*instance, pages int) *ringCrowd {
	c := &ringCrowd{ring: r, instances: instances, last: time.Now()}
	for i := range pages {
		c.pages = append(c.pages, fmt.Sprint("page", i))
		c.books = append(c.books, &chaos.Account{Base: 1})
	}
	for from := 0; from < pages; from += 2000 {
		var body bytes.Buffer
		for _, page := range c.pages[from:min(from+2000, pages)] {
			fmt.Fprintf(&body, "{\"page_id\":%q}\n", page)
		}
		if got := r.ask(instances[0], http.MethodPost, "/visits", body.String()); got.status != 200 || strings.Contains(got.body, "failed") {
			r.t.Fatalf("%d %.300s", got.status, got.body)
		}
	}
	return c
}

func (c *ringCrowd) start(writers, readers int) {
	c.last = time.Now()
	for i := range writers {
		c.all.Go(func() {
			for !c.over.Load() {
				c.write(c.instances[i%len(c.instances)])
			}
		})
	}
	for i := range readers {
		c.all.Go(func() {
			for !c.over.Load() {
				c.read(c.instances[i%len(c.instances)])
			}
		})
	}
}

func (c *ringCrowd) write(in *instance) {
	i := rand.IntN(len(c.pages))
	c.books[i].Issue(1)
	got := c.ring.ask(in, http.MethodPost, "/visit/"+c.pages[i], "")
	switch got.outcome {
	case acknowledged:
		c.books[i].Settle(chaos.Acknowledged, 1)
	case refused:
		c.books[i].Settle(chaos.Refused, 1)
	case unknown:
		c.books[i].Settle(chaos.Unknown, 1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, got.took)
	if got.outcome == acknowledged {
		c.slack = max(c.slack, time.Since(c.last))
		c.last = time.Now()
	}
}

func (c *ringCrowd) read(in *instance) {
	i := rand.IntN(len(c.pages))
	least, _ := c.books[i].Bounds()
	got := c.ring.ask(in, http.MethodGet, "/visits/"+c.pages[i], "")
	_, most := c.books[i].Bounds()
	if got.status != 200 {
		return
	}
	c.reads.Add(1)
	var answer struct{ Visits int64 }
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
		c.ring.t.Error(err)
		return
	}
	if v := answer.Visits - 1; v < least || v > most {
		c.ring.t.Errorf("%s reads %d, want %d to %d", c.pages[i], v, least, most)
	}
}

// lap returns the p99 of the writes since the last lap, their number, and the
// longest time without one.
func (c *ringCrowd) lap() (p99 time.Duration, writes int, stall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.took)
	if writes = len(c.took); writes > 0 {
		p99 = c.took[writes*99/100]
	}
	stall = c.slack
	c.took, c.slack = nil, 0
	return p99, writes, stall
}

// compare tells how long writes take in a change, and in the time before it,
// in which nothing else happens. In the long form that is long enough to be
// compared: the p99 may be three times as long in the change.
func (c *ringCrowd) compare(name string, rest time.Duration, change func()) {
	t := c.ring.t
	t.Helper()
	c.lap()
	time.Sleep(rest)
	before, writes, stall := c.lap()
	t.Logf("before: p99 %v of %d writes in %v, longest pause %v", before, writes, rest, stall)
	begin := time.Now()
	change()
	p99, writes, stall := c.lap()
	t.Logf("%s in %v: p99 %v (%.2f times) of %d writes, longest pause %v, %d reads",
		name, time.Since(begin), p99, float64(p99)/float64(before), writes, stall, c.reads.Load())
	if rest >= 30*time.Second && p99 > 3*before {
		t.Errorf("%s: the p99 of writes is %v, and was %v before", name, p99, before)
	}
}

// check compares every page with its books, by every instance, and some that
// the crowd didn't ask.
func (c *ringCrowd) check(more ...*instance) {
	c.over.Store(true)
	c.all.Wait()
	for _, in := range slices.Concat(c.instances, more) {
		for from := 0; from < len(c.pages); from += 500 {
			part := c.pages[from:min(from+500, len(c.pages))]
			var answer struct {
				Results []struct {
					Visits int64
					Error  string
				}
			}
			waitFor(c.ring.t, "every page is there", time.Minute, func() bool { // a node that was killed may just be back
				got := c.ring.ask(in, http.MethodGet, "/visits?page_id="+strings.Join(part, "&page_id="), "")
				answer.Results = nil
				return got.status == 200 && json.Unmarshal([]byte(got.body), &answer) == nil &&
					len(answer.Results) == len(part) && !strings.Contains(got.body, "unavailable")
			})
			for i, r := range answer.Results {
				least, most := c.books[from+i].Bounds()
				if v := r.Visits - 1; r.Error != "" || v < least || v > most {
					c.ring.t.Errorf("%s has %d %s, want %d to %d", part[i], v, r.Error, least, most)
				}
			}
		}
	}
}

// P4, V12, V13, V17: a node is added and removed through one instance while
// two write and read; nothing is lost, doubled or read low. In the long form
// there are 1,000,000 pages.
func TestTheRingGrowsAndShrinksUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRing(t, 3, "--appendfsync", "everysec")
	a, b := r.start(), r.start()
	fourth := servers.StartRedis(t, "--appendfsync", "everysec")
	r.servers = append(r.servers, fourth)
	pages, rest := *reshardPages, 3*time.Second
	if long() {
		pages, rest = 1_000_000, 30*time.Second
	}
	c := newRingCrowd(r, []*instance{a, b}, pages)
	c.start(6, 4)
	c.compare("added", rest, func() {
		a.change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, fourth.Addr))
		a.moved()
	})
	st := b.ring()
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

	c.compare("removed", rest, func() {
		b.change(http.MethodDelete, "/ring/nodes/"+id, "")
		b.moved()
	})
	c.check()
	if c.reads.Load() == 0 {
		t.Error("nothing was read")
	}
}
