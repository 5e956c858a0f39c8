package service

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"footfall/test/servers"
)

// RingState is the answer of GET /ring.
type RingState struct {
	Epoch int64
	Nodes []struct {
		ID, Addr, State, Away string
		Weight                int
		Share                 float64
	}
	Moves struct {
		Left, Total int
		Stuck       []StuckArc
	}
	Losses []struct{ Node string }
}

// StuckArc is an arc that can't be moved, as GET /ring shows it.
type StuckArc struct {
	Arc                       int
	From, To, At, Reason, Why string
}

// ID is the name of the node at an address, "" when there is none.
func (st RingState) ID(addr string) string {
	for _, n := range st.Nodes {
		if n.Addr == addr {
			return n.ID
		}
	}
	return ""
}

// Ring returns the state of the ring.
func (in *Instance) Ring() (st RingState) {
	in.t.Helper()
	in.Administer(http.MethodGet, "/ring", "").Into(in.t, &st)
	return st
}

// Change changes the ring. It repeats the request while another change goes on.
func (in *Instance) Change(method, path, body string) {
	in.t.Helper()
	WaitFor(in.t, method+" "+path, 2*time.Minute, func() bool {
		got := in.Administer(method, path, body)
		if got.Status != http.StatusOK && got.Status != http.StatusConflict {
			in.t.Fatalf("%s %s: %d %s", method, path, got.Status, got.Body)
		}
		return got.Status == http.StatusOK
	})
}

// Add adds a server to the ring.
func (in *Instance) Add(s *servers.Redis) {
	in.t.Helper()
	in.Change(http.MethodPost, "/ring/nodes", AddBody(s))
}

// AddBody is the body of the request that adds a server.
func AddBody(s *servers.Redis) string { return fmt.Sprintf(`{"addr":"redis://%s"}`, s.Addr) }

// Weigh gives a node another weight.
func (in *Instance) Weigh(id string, weight int) {
	in.t.Helper()
	in.Change(http.MethodPatch, "/ring/nodes/"+id, fmt.Sprintf(`{"weight":%d}`, weight))
}

// Remove removes a node, with the options of a body unless that is empty.
func (in *Instance) Remove(id, body string) {
	in.t.Helper()
	in.Change(http.MethodDelete, "/ring/nodes/"+id, body)
}

// Moved waits until all arcs are moved.
func (in *Instance) Moved() {
	in.t.Helper()
	WaitFor(in.t, "all arcs are moved", 3*time.Minute, func() bool { return in.Ring().Moves.Left == 0 })
}

// RingCrowd writes and reads pages through several instances. Each page has one
// visit before that.
type RingCrowd struct {
	Ring      *Ring
	instances []atomic.Pointer[Instance]
	Pages     []string
	Books     []*Account
	writers   int
	over      atomic.Bool
	all       sync.WaitGroup
	Reads     atomic.Int64

	mu    sync.Mutex
	took  []time.Duration // of writes
	slack time.Duration   // the longest time without a write that was taken
	last  time.Time
}

// NewRingCrowd records one visit of each of so many pages. It ends the test when one is
// not counted.
func NewRingCrowd(r *Ring, instances []*Instance, pages int) *RingCrowd {
	c := &RingCrowd{Ring: r, instances: make([]atomic.Pointer[Instance], len(instances)), last: time.Now()}
	for i, in := range instances {
		c.Replace(i, in)
	}
	for i := range pages {
		c.Pages = append(c.Pages, fmt.Sprint("page", i))
		c.Books = append(c.Books, &Account{})
	}
	for from := 0; from < pages; from += 2000 {
		if got := r.Bulk(instances[0], c.Pages[from:min(from+2000, pages)]); got.Status != 200 || strings.Contains(got.Body, "failed") {
			r.T.Fatalf("%d %.300s", got.Status, got.Body)
		}
	}
	return c
}

// Replace makes the crowd use another instance in the place of one.
func (c *RingCrowd) Replace(i int, in *Instance) { c.instances[i].Store(in) }

// Totals are the visits that were refused, and those that are in doubt.
func (c *RingCrowd) Totals() (denied, maybe int64) {
	for _, a := range c.Books {
		denied, maybe = denied+a.Denied.Load(), maybe+a.Maybe.Load()
	}
	return denied, maybe
}

// Start begins to write and to read.
func (c *RingCrowd) Start(writers, readers int) {
	c.last, c.writers = time.Now(), writers
	for i := range writers {
		c.all.Go(func() {
			for !c.over.Load() {
				c.write(c.instances[i%len(c.instances)].Load())
			}
		})
	}
	for i := range readers {
		c.all.Go(func() {
			for !c.over.Load() {
				c.read(c.instances[i%len(c.instances)].Load())
			}
		})
	}
}

func (c *RingCrowd) write(in *Instance) {
	i := rand.IntN(len(c.Pages))
	c.Books[i].Issued.Add(1)
	got := c.Ring.Visit(in, c.Pages[i])
	c.Books[i].Add(got)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, got.Took)
	if got.Outcome == Acknowledged {
		c.slack = max(c.slack, time.Since(c.last))
		c.last = time.Now()
	}
}

func (c *RingCrowd) read(in *Instance) {
	i := rand.IntN(len(c.Pages))
	least, _ := c.Books[i].Bounds()
	got := c.Ring.Read(in, c.Pages[i])
	_, most := c.Books[i].Bounds()
	if got.Status != 200 {
		return
	}
	c.Reads.Add(1)
	var answer struct{ Visits int64 }
	if err := json.Unmarshal([]byte(got.Body), &answer); err != nil {
		c.Ring.T.Error(err)
		return
	}
	if v := answer.Visits - 1; v < least || v > most {
		c.Ring.T.Errorf("%s reads %d, want %d to %d", c.Pages[i], v, least, most)
	}
}

// Lap returns the p99 of the writes since the last lap, their number, and the
// longest time without one.
func (c *RingCrowd) Lap() (p99 time.Duration, writes int, stall time.Duration) {
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

// Compare logs how long writes take in a change, and in the time before it, in
// which nothing else happens. In the long form both are long enough to compare
// them: the p99 may be three times as long in the change.
func (c *RingCrowd) Compare(name string, rest time.Duration, change func()) {
	t := c.Ring.T
	t.Helper()
	c.Lap()
	time.Sleep(rest)
	before, writes, stall := c.Lap()
	t.Logf("before: p99 %v of %d writes in %v, longest pause %v", before, writes, rest, stall)
	begin := time.Now()
	change()
	p99, writes, stall := c.Lap()
	t.Logf("%s in %v: p99 %v (%.2f times) of %d writes, longest pause %v, %d reads",
		name, time.Since(begin), p99, float64(p99)/float64(before), writes, stall, c.Reads.Load())
	if rest >= 30*time.Second && p99 > 3*before {
		t.Errorf("%s: the p99 of writes is %v, and was %v before", name, p99, before)
	}
}

// Check stops the crowd and compares every page with its books, by every
// instance, and by more that the crowd didn't ask.
func (c *RingCrowd) Check(more ...*Instance) {
	c.over.Store(true)
	c.all.Wait()
	acked := int64(0)
	for _, a := range c.Books {
		acked += a.Acked.Load()
	}
	if c.writers > 0 && acked == 0 {
		c.Ring.T.Error("no visit was acknowledged")
	}
	for i := range c.instances {
		more = append(more, c.instances[i].Load())
	}
	for _, in := range more {
		for from := 0; from < len(c.Pages); from += 500 {
			part := c.Pages[from:min(from+500, len(c.Pages))]
			var answer struct{ Results Results }
			WaitFor(c.Ring.T, "every page is there", time.Minute, func() bool { // a node that was killed may just be back
				got := c.Ring.ReadAll(in, part)
				answer.Results = nil
				return got.Status == 200 && json.Unmarshal([]byte(got.Body), &answer) == nil &&
					len(answer.Results) == len(part) && !strings.Contains(got.Body, "unavailable")
			})
			for i, r := range answer.Results {
				least, most := c.Books[from+i].Bounds()
				if r.Error != "" || r.Visits == nil || *r.Visits-1 < least || *r.Visits-1 > most {
					c.Ring.T.Errorf("%s has %+v, want %d to %d visits and the first one", part[i], r, least, most)
				}
			}
		}
	}
}
