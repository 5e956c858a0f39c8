package service

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/application/groupcommit"
	"footfall/test/chaos"
)

// Traffic are callers that visit and read pages through several instances, and what
// they know of each page.
type Traffic struct {
	Pages []string
	Books map[string]*chaos.Account
	// Pause is that of each caller between two requests. Without one the callers
	// take all that the machine has.
	Pause time.Duration
	Reads atomic.Int64

	ring             *Ring
	instances        []atomic.Pointer[Instance]
	over             chan struct{}
	all              sync.WaitGroup
	writers, readers int
	stop             func()

	mu   sync.Mutex
	laps []lap
}

// lap is a part of the time: the visits that were begun in it.
type lap struct {
	replies []Reply
	flying  int // without an answer yet
}

// NewTraffic returns callers of some pages that have not begun.
func NewTraffic(r *Ring, pages []string, instances ...*Instance) *Traffic {
	tr := &Traffic{
		Pages: pages, Books: make(map[string]*chaos.Account), Pause: 20 * time.Millisecond,
		ring: r, instances: make([]atomic.Pointer[Instance], len(instances)), over: make(chan struct{}), laps: make([]lap, 1),
	}
	for i, in := range instances {
		tr.Replace(i, in)
	}
	for _, page := range pages {
		tr.Books[page] = &chaos.Account{}
	}
	tr.stop = sync.OnceFunc(func() { close(tr.over); tr.all.Wait() })
	r.T.Cleanup(tr.stop)
	return tr
}

// NewTrafficOf is NewTraffic for n pages with one visit each. What a busy node refuses, and
// so has not counted, is sent again. It ends the test when one of them is in doubt.
func NewTrafficOf(r *Ring, n int, instances ...*Instance) *Traffic {
	tr := NewTraffic(r, PageNames(n), instances...)
	for some := range slices.Chunk(tr.Pages, 2000) {
		WaitFor(r.T, "every page has a visit", func() bool {
			got := r.Bulk(instances[0], some)
			if got.Status != http.StatusOK || strings.Contains(got.Body, "in_doubt") {
				r.T.Fatalf("%d %.300s", got.Status, got.Body)
			}
			var refused []string
			for _, item := range r.Results(got) {
				if item.Status != "success" {
					refused = append(refused, item.PageID)
				}
			}
			some = refused
			return len(some) == 0
		})
	}
	for _, book := range tr.Books {
		book.Base = 1
	}
	return tr
}

// Replace makes the callers use another instance in the place of one.
func (tr *Traffic) Replace(i int, in *Instance) { tr.instances[i].Store(in) }

// Start begins to write and to read.
func (tr *Traffic) Start(writers, readers int) *Traffic {
	tr.writers, tr.readers = writers, readers
	for i := range writers + readers {
		call := func(instance int, page string) { tr.visit(instance, page) }
		if i >= writers {
			call = tr.read
		}
		tr.all.Go(func() {
			for {
				select {
				case <-tr.over:
					return
				case <-time.After(tr.Pause):
					call(i%len(tr.instances), tr.Pages[rand.IntN(len(tr.Pages))])
				}
			}
		})
	}
	return tr
}

// Visit records one visit, and notes what became of it.
func (tr *Traffic) Visit(page string) Reply {
	return tr.visit(rand.IntN(len(tr.instances)), page)
}

func (tr *Traffic) visit(instance int, page string) Reply {
	tr.mu.Lock()
	n := len(tr.laps) - 1
	tr.laps[n].flying++
	tr.mu.Unlock()
	tr.Books[page].Issue(1)
	got := tr.ring.Visit(tr.instances[instance].Load(), page)
	tr.Books[page].Settle(got.Outcome, 1)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.laps[n].flying--
	tr.laps[n].replies = append(tr.laps[n].replies, got)
	return got
}

func (tr *Traffic) read(instance int, page string) {
	book := tr.Books[page]
	least, _ := book.Bounds()
	got := tr.ring.Read(tr.instances[instance].Load(), page)
	_, most := book.Bounds()
	if got.Status != http.StatusOK {
		return
	}
	tr.Reads.Add(1)
	var answer struct{ Visits int64 }
	got.Into(tr.ring.T, &answer)
	if v := answer.Visits - book.Base; v < least || v > most {
		tr.ring.T.Errorf("%s reads %d, want %d to %d", page, v, least, most)
	}
}

// Totals are the visits so far, by what became of them.
func (tr *Traffic) Totals() (acked, denied, doubt int64) {
	for _, book := range tr.Books {
		a, d, m := book.Totals()
		acked, denied, doubt = acked+a, denied+d, doubt+m
	}
	return acked, denied, doubt
}

// NextLap begins another lap, and returns its number.
func (tr *Traffic) NextLap() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.laps = append(tr.laps, lap{})
	return len(tr.laps) - 1
}

// AwaitAnswers returns when no visit of a lap is under way.
func (tr *Traffic) AwaitAnswers(lap int) {
	tr.ring.T.Helper()
	WaitFor(tr.ring.T, "requests are answered", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.laps[lap].flying == 0
	})
}

// GoesOn waits until n more visits are acknowledged.
func (tr *Traffic) GoesOn(n int64) {
	tr.ring.T.Helper()
	before, _, _ := tr.Totals()
	WaitFor(tr.ring.T, "visits are acknowledged", func() bool {
		acked, _, _ := tr.Totals()
		return acked >= before+n
	})
}

// Heals waits until a page is counted again: a node that is down is asked every
// 10 s at least.
func (tr *Traffic) Heals(page string) {
	tr.ring.T.Helper()
	WaitFor(tr.ring.T, "the node's pages are counted again", func() bool { return tr.Visit(page).Outcome == chaos.Acknowledged })
}

// Answers is the p99 of the answers of a lap, and how many there are with each status.
func (tr *Traffic) Answers(lap int) (p99 time.Duration, statuses map[int]int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	statuses = make(map[int]int)
	var took []time.Duration
	for _, got := range tr.laps[lap].replies {
		statuses[got.Status]++
		took = append(took, got.Took)
	}
	if len(took) == 0 {
		return 0, statuses
	}
	slices.Sort(took)
	return took[len(took)*99/100], statuses
}

// Stop returns when no request is under way any more.
func (tr *Traffic) Stop() { tr.stop() }

// Check stops the callers and compares every page with its books, by every instance,
// and by more that the callers didn't ask: acknowledged <= stored <= acknowledged +
// unknown.
func (tr *Traffic) Check(more ...*Instance) {
	r := tr.ring
	r.T.Helper()
	tr.Stop()
	acked, denied, doubt := tr.Totals()
	r.T.Logf("%d pages: %d visits acknowledged, %d in doubt, %d refused; %d reads", len(tr.Pages), acked, doubt, denied, tr.Reads.Load())
	if tr.writers > 0 && acked == 0 || tr.readers > 0 && tr.Reads.Load() == 0 {
		r.T.Error("no visit was acknowledged, or none was read")
	}
	for i := range tr.instances {
		more = append(more, tr.instances[i].Load())
	}
	for _, in := range more {
		for some := range slices.Chunk(tr.Pages, 500) {
			for _, got := range r.MustRead(in, some...) { // again, where a node that was killed is just back
				book := tr.Books[got.PageID]
				acked, _, doubt := book.Totals()
				if got.Error != "" || got.Visits == nil || *got.Visits < book.Base+acked || *got.Visits > book.Base+acked+doubt {
					r.T.Errorf("%+v, want %d visits and at most %d in doubt", got, book.Base+acked, doubt)
				}
			}
		}
	}
}

// CheckRefused checks the answers for pages of a node that was away in the second
// lap: none was counted, and none was late. What was under way when the node hung
// is in doubt. The answers of others, which did not wait for the node, tell how slow
// the machine is.
func (tr *Traffic) CheckRefused(t testing.TB, hung bool, others *Traffic) {
	t.Helper()
	was, _ := others.Answers(0)
	is, _ := others.Answers(1)
	late := 2*time.Second + 3*max(was, is)
	_, earlier := tr.Answers(0)
	_, statuses := tr.Answers(1)
	t.Logf("its pages: %v, while it was away: %v", earlier, statuses)
	if hung && earlier[504]+statuses[504] == 0 {
		t.Error("nothing was in doubt")
	}
	if statuses[503] == 0 || len(statuses) > 2 || len(statuses) == 2 && statuses[504] == 0 {
		t.Errorf("the answers are %v, want 503, and 504 for what is in doubt", statuses)
	}
	for _, got := range slices.Concat(tr.laps[0].replies, tr.laps[1].replies) { // the callers have stopped
		if got.Took > late || got.Status == 503 && got.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s after %v, Retry-After %q", got.Status, got.Body, got.Took, got.Header.Get("Retry-After"))
			return
		}
	}
}

// CheckUnharmed checks that all other pages were counted in the second lap, and that
// their callers did not wait for the node that is away: its own callers wait for a
// second. Half of that is too long, unless a busy machine answers late anyway.
func (tr *Traffic) CheckUnharmed(t testing.TB) {
	t.Helper()
	was, _ := tr.Answers(0)
	is, statuses := tr.Answers(1)
	t.Logf("the other pages: p99 %v before, %v while it was away, %v", was, is, statuses)
	if len(statuses) != 1 || statuses[200] < 20 {
		t.Errorf("the answers for the other pages are %v", statuses)
	}
	if most := max(groupcommit.Deadline/2, 3*was); is > most {
		t.Errorf("p99 of the other pages went from %v to %v, want %v at most", was, is, most)
	}
}
