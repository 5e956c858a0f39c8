package faults_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// quarter is the length of the buckets of a chronicle.
const quarter = 15 * time.Minute

// chronicle is a deployment whose callers note in which bucket their visits came. The servers'
// clocks leap from one bucket to the next, while no request is under way.
type chronicle struct {
	*service.Ring
	folders   []*service.Deployment
	instances []atomic.Pointer[service.Instance]
	pages     []string
	items     int // of a request
	nodes     map[*servers.Redis]*redisnode.Node

	bucket time.Time // in which visits come now, by the clocks of the servers
	offset time.Duration
	clock  *servers.Clock                          // of the instances
	books  map[time.Time]map[string]*chaos.Account // by the start of a bucket, and by page
	acked  atomic.Int64                            // visits in the present bucket
	failed atomic.Int64                            // replies that did not acknowledge all items
	keys   atomic.Int64
}

// newChronicle starts two instances in some bucket: their clocks and those of the servers, which can be
// set, may differ by an hour. When the servers' clocks go ahead, those of the instances do, too, if they go together.
func newChronicle(t *testing.T, r *service.Ring, bucket time.Time, pages, items int, together bool) *chronicle {
	t.Helper()
	c := &chronicle{
		Ring: r, instances: make([]atomic.Pointer[service.Instance], 2), pages: service.PageNames(pages), items: items,
		books: make(map[time.Time]map[string]*chaos.Account), nodes: make(map[*servers.Redis]*redisnode.Node),
	}
	clock, env := servers.NewClock(t, t.TempDir())
	c.clock, c.Env = clock, append([]string{"FOOTFALL_HISTORY=15m:2d,1d:4d", "FOOTFALL_MAX_CLOCK_SKEW=1h", "FAULTPOINT=none"}, env...)
	c.leap(bucket)
	for i := range c.instances {
		c.folders = append(c.folders, c.Deployment())
		if together {
			c.folders[i].Program = service.FaultyProgram() // which reads the clock
		}
		c.instances[i].Store(c.folders[i].Start())
	}
	return c
}

// leap sets all clocks to the beginning of a bucket.
func (c *chronicle) leap(bucket time.Time) {
	c.T.Helper()
	c.bucket, c.books[bucket] = bucket, make(map[string]*chaos.Account)
	for _, page := range c.pages {
		c.books[bucket][page] = &chaos.Account{}
	}
	c.offset = time.Until(bucket) + 30*time.Second
	c.setClocks(0)
	c.inBucket()
}

// setClocks lets the servers' clocks go ahead of the present bucket, and those of instances that go together with them.
func (c *chronicle) setClocks(ahead time.Duration) {
	c.T.Helper()
	c.clock.Shift(c.T, ahead)
	for _, s := range c.Servers {
		s.Clock.Shift(c.T, c.offset+ahead)
	}
}

// inBucket checks that all servers that run say that their time is in the present bucket.
func (c *chronicle) inBucket() {
	c.T.Helper()
	for _, s := range c.Servers {
		if !s.Running() {
			continue
		}
		client := s.Client()
		now := check.Value(client.Time(c.T.Context()).Result())(c.T)
		_ = client.Close()
		check.Equal(c.T, now.UTC().Truncate(quarter), c.bucket, "the bucket of %s", s.Addr)
	}
}

// next lets the next bucket begin, and sends visits until n are acknowledged and during has
// returned. Then none is under way. Keyed requests are repeated until they are acknowledged.
func (c *chronicle) next(n int64, keyed bool, during func()) {
	c.T.Helper()
	c.leap(c.bucket.Add(quarter))
	c.acked.Store(0)
	var over atomic.Bool
	var all sync.WaitGroup
	callers := 2 // what is in doubt stays so
	if keyed {
		callers = 6
	}
	for range callers {
		all.Go(func() {
			for !over.Load() || c.acked.Load() < n {
				c.send(keyed)
				if c.acked.Load() >= n { // what is waited for needs the machine
					time.Sleep(rand.N(time.Duration(4*c.items) * time.Millisecond))
				}
			}
		})
	}
	during()
	over.Store(true)
	all.Wait()
	c.inBucket()
}

// goesOn waits until more visits are acknowledged.
func (c *chronicle) goesOn() {
	c.T.Helper()
	least := c.acked.Load() + int64(10*c.items)
	service.WaitFor(c.T, "visits are acknowledged", func() bool { return c.acked.Load() >= least })
}

// send sends visits of any pages.
func (c *chronicle) send(keyed bool) {
	var body strings.Builder
	books, counts := make([]*chaos.Account, c.items), make([]int64, c.items)
	for i := range c.items {
		page := c.pages[rand.IntN(len(c.pages))]
		books[i], counts[i] = c.books[c.bucket][page], 1+rand.Int64N(3)
		books[i].Issue(counts[i])
		fmt.Fprintf(&body, "{\"page_id\":%q,\"count\":%d}\n", page, counts[i])
	}
	var headers []string
	if keyed {
		headers = []string{"Idempotency-Key", fmt.Sprint("key ", c.keys.Add(1))}
	}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		in := c.instances[rand.IntN(len(c.instances))].Load()
		got, _ := service.Request(c.Client, http.MethodPost, in.Public+"/visits", body.String(), headers...)
		outcomes, all := c.outcomes(got)
		if !all {
			c.failed.Add(1)
		}
		if keyed && !all && time.Now().Before(deadline) {
			continue
		}
		for i, o := range outcomes {
			books[i].Settle(o, counts[i])
			if o == chaos.Acknowledged {
				c.acked.Add(counts[i])
			}
		}
		return
	}
}

// outcomes are those of the items of a reply, and whether all are acknowledged.
func (c *chronicle) outcomes(got service.Reply) (outcomes []chaos.Outcome, all bool) {
	outcomes, all = make([]chaos.Outcome, c.items), true
	if got.Status != http.StatusOK {
		for i := range outcomes {
			outcomes[i] = got.Outcome
		}
		return outcomes, false
	}
	for i, item := range c.Results(got) {
		switch item.Status {
		case "success":
		case "failed":
			outcomes[i], all = chaos.Refused, false
		default:
			outcomes[i], all = chaos.Unknown, false
		}
	}
	return outcomes, all
}

// check compares each bucket of each page with the books, by steps that buckets make up.
// A bucket that has expired is in what was before the history.
func (c *chronicle) check(step string, length time.Duration, expired bool) {
	c.T.Helper()
	from, to, want := c.bucket, c.bucket.Truncate(length).Add(length), make(map[time.Time]map[string][]*chaos.Account)
	for bucket, books := range c.books {
		start := bucket.Truncate(length)
		if start.Before(from) {
			from = start
		}
		if want[start] == nil {
			want[start] = make(map[string][]*chaos.Account)
		}
		for page, book := range books {
			want[start][page] = append(want[start][page], book)
		}
	}
	query := fmt.Sprintf("/history?step=%s&from=%s&to=%s", step, from.Truncate(length).Format(time.RFC3339), to.Format(time.RFC3339))
	var next, visits, doubt atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(c.pages)) && !c.T.Failed(); i = next.Add(1) - 1 {
				total, unknown := c.checkPage(c.pages[i], query, want, expired)
				visits.Add(total)
				doubt.Add(unknown)
			}
		})
	}
	all.Wait()
	c.T.Logf("step %s: %d visits of %d pages in %d steps, %d of them in doubt", step, visits.Load(), len(c.pages), len(want), doubt.Load())
}

// checkPage checks a page, and returns its total, and how many visits are in doubt.
func (c *chronicle) checkPage(page, query string, want map[time.Time]map[string][]*chaos.Account, expired bool) (total, doubt int64) {
	var h struct {
		Buckets []struct {
			Start  time.Time
			Visits int64
		}
		Sum, Total    int64
		BeforeHistory int64 `json:"before_history"`
	}
	in := c.instances[rand.IntN(len(c.instances))].Load()
	got := c.Ask(in, http.MethodGet, "/visits/"+page+query, "")
	for deadline := time.Now().Add(time.Minute); got.Status != http.StatusOK && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		got = c.Ask(in, http.MethodGet, "/visits/"+page+query, "") // again, where a node of a busy machine answers late
	}
	got.Into(c.T, &h)
	least, most, steps := int64(0), int64(0), make(map[time.Time]int64)
	for _, b := range h.Buckets {
		steps[b.Start.UTC()] = b.Visits
	}
	for start, books := range want {
		low, high := bounds(books[page])
		least, most = least+low, most+high
		if expired {
			low, high = 0, 0
		}
		if n, there := steps[start]; !there || n < low || n > high {
			c.T.Errorf("%s has %d visits in the bucket of %s, want %d to %d", page, n, start.Format(time.RFC3339), low, high)
		}
		delete(steps, start)
	}
	for start, n := range steps {
		check.Equal(c.T, n, 0, "visits of %s in the bucket of %s, in which none came", page, start.Format(time.RFC3339))
	}
	before := int64(0)
	if expired {
		before = h.Total
	}
	if h.Total < least || h.Total > most || h.BeforeHistory != before || h.Sum+before != h.Total {
		c.T.Errorf("%s has %d visits, of which %d are in buckets and %d before; want %d to %d", page, h.Total, h.Sum, h.BeforeHistory, least, most)
	}
	return h.Total, most - least
}

// bounds are those of all books.
func bounds(books []*chaos.Account) (least, most int64) {
	for _, b := range books {
		low, high := b.Bounds()
		least, most = least+low, most+high
	}
	return least, most
}
