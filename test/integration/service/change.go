package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"footfall/test/chaos"
)

// ringState is GET /ring.
type RingState struct {
	Epoch int64
	Nodes []struct {
		ID, Addr, State, Away string
		Weight                int
		Share                 float64
	}
	Moves  struct{ Left, Total int }
	Losses []struct{ Node string }
}

func (in *Instance) Ring() RingState {
	in.t.Helper()
	status, body := in.Administer(http.MethodGet, "/ring", "")
	if status != 200 {
		in.t.Fatalf("GET /ring: %d %s", status, body)
	}
	var st RingState
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		in.t.Fatal(err)
	}
	return st
}

// administer asks the admin listener.
func (in *Instance) Administer(method, path, body string) (int, string) {
	in.t.Helper()
	req, err := http.NewRequestWithContext(in.t.Context(), method, in.Admin+path, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	c := NewClient()
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
func (in *Instance) Change(method, path, body string) {
	in.t.Helper()
	WaitFor(in.t, method+" "+path, time.Minute, func() bool {
		status, answer := in.Administer(method, path, body)
		if status != 200 && status != 409 {
			in.t.Fatalf("%s %s: %d %s", method, path, status, answer)
		}
		return status == 200
	})
}

func (in *Instance) Moved() {
	in.t.Helper()
	WaitFor(in.t, "all arcs are moved", 3*time.Minute, func() bool { return in.Ring().Moves.Left == 0 })
}

// ringCrowd writes and reads pages through several instances.
type ringCrowd struct {
	Ring      *Ring
	instances []*Instance
	Pages     []string
	Books     []*chaos.Account
	over      atomic.Bool
	all       sync.WaitGroup
	Reads     atomic.Int64

	mu    sync.Mutex
	took  []time.Duration // of writes
	slack time.Duration   // the longest time without a write that was taken
	last  time.Time
}

func NewRingCrowd(r *Ring, instances []*Instance, pages int) *ringCrowd {
	c := &ringCrowd{Ring: r, instances: instances, last: time.Now()}
	for i := range pages {
		c.Pages = append(c.Pages, fmt.Sprint("page", i))
		c.Books = append(c.Books, &chaos.Account{Base: 1})
	}
	for from := 0; from < pages; from += 2000 {
		var body bytes.Buffer
		for _, page := range c.Pages[from:min(from+2000, pages)] {
			fmt.Fprintf(&body, "{\"page_id\":%q}\n", page)
		}
		if got := r.Ask(instances[0], http.MethodPost, "/visits", body.String()); got.Status != 200 || strings.Contains(got.Body, "failed") {
			r.T.Fatalf("%d %.300s", got.Status, got.Body)
		}
	}
	return c
}

func (c *ringCrowd) Start(writers, readers int) {
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

func (c *ringCrowd) write(in *Instance) {
	i := rand.IntN(len(c.Pages))
	c.Books[i].Issue(1)
	got := c.Ring.Ask(in, http.MethodPost, "/visit/"+c.Pages[i], "")
	switch got.Outcome {
	case Acknowledged:
		c.Books[i].Settle(chaos.Acknowledged, 1)
	case Refused:
		c.Books[i].Settle(chaos.Refused, 1)
	case Unknown:
		c.Books[i].Settle(chaos.Unknown, 1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, got.Took)
	if got.Outcome == Acknowledged {
		c.slack = max(c.slack, time.Since(c.last))
		c.last = time.Now()
	}
}

func (c *ringCrowd) read(in *Instance) {
	i := rand.IntN(len(c.Pages))
	least, _ := c.Books[i].Bounds()
	got := c.Ring.Ask(in, http.MethodGet, "/visits/"+c.Pages[i], "")
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

// lap returns the p99 of the writes since the last lap, their number, and the
// longest time without one.
func (c *ringCrowd) Lap() (p99 time.Duration, writes int, stall time.Duration) {
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
func (c *ringCrowd) Compare(name string, rest time.Duration, change func()) {
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

// check compares every page with its books, by every instance, and some that
// the crowd didn't ask.
func (c *ringCrowd) Check(more ...*Instance) {
	c.over.Store(true)
	c.all.Wait()
	for _, in := range slices.Concat(c.instances, more) {
		for from := 0; from < len(c.Pages); from += 500 {
			part := c.Pages[from:min(from+500, len(c.Pages))]
			var answer struct {
				Results []struct {
					Visits int64
					Error  string
				}
			}
			WaitFor(c.Ring.T, "every page is there", time.Minute, func() bool { // a node that was killed may just be back
				got := c.Ring.Ask(in, http.MethodGet, "/visits?page_id="+strings.Join(part, "&page_id="), "")
				answer.Results = nil
				return got.Status == 200 && json.Unmarshal([]byte(got.Body), &answer) == nil &&
					len(answer.Results) == len(part) && !strings.Contains(got.Body, "unavailable")
			})
			for i, r := range answer.Results {
				least, most := c.Books[from+i].Bounds()
				if v := r.Visits - 1; r.Error != "" || v < least || v > most {
					c.Ring.T.Errorf("%s has %d %s, want %d to %d", part[i], v, r.Error, least, most)
				}
			}
		}
	}
}
