//go:build compose

package compose_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/test/chaos"
	"footfall/test/integration/service"
)

// pages is enough for each of a few nodes to have many.
const pages = 48

// traffic is callers of the balancer who keep books of the replies that they received.
type traffic struct {
	t      *testing.T
	base   atomic.Pointer[string] // the balancer
	visits [pages]chaos.Account
	ids    chaos.Account
	bad    chan string // answers that nothing explains

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// startTraffic has callers visit, read and send ids until halt.
func startTraffic(t *testing.T, base string) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	tr := &traffic{t: t, bad: make(chan string, 20), stop: cancel}
	tr.base.Store(&base)
	const writers, readers = 4, 2
	for w := range writers {
		tr.work(ctx, func(i int) { tr.visit((w + i*writers) % pages) })
	}
	for r := range readers {
		tr.work(ctx, func(i int) { tr.read((r + i*readers) % pages) })
	}
	tr.work(ctx, func(i int) { tr.accept(i) })
	t.Cleanup(tr.halt)
	return tr
}

func (tr *traffic) work(ctx context.Context, call func(i int)) {
	tr.wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			call(i)
			time.Sleep(5 * time.Millisecond) // the machine has other things to do as well
		}
	})
}

// halt ends the calls, when each has its answer.
func (tr *traffic) halt() {
	tr.stop()
	tr.wg.Wait()
	close(tr.bad)
	for what := range tr.bad {
		tr.t.Error(what)
	}
	tr.bad = make(chan string)
}

func page(i int) string { return fmt.Sprintf("page/%d", i) }

// path of a page: the slash belongs to its name.
func path(i int) string { return "/page%2F" + fmt.Sprint(i) }

func (tr *traffic) visit(i int) {
	tr.visits[i].Issue(1)
	outcome, _ := tr.call(http.MethodPost, "/visit"+path(i))
	tr.visits[i].Settle(outcome, 1)
}

// accept sends every id once, so that the counts of all windows add up to the
// ids that were stored.
func (tr *traffic) accept(i int) {
	tr.ids.Issue(1)
	outcome, _ := tr.call(http.MethodGet, "/api/verve/accept?id="+fmt.Sprint(i))
	tr.ids.Settle(outcome, 1)
}

// read is P3 for a reader: the number of now, or an error.
func (tr *traffic) read(i int) {
	least, _ := tr.visits[i].Bounds()
	outcome, body := tr.call(http.MethodGet, "/visits"+path(i))
	if outcome != chaos.Acknowledged {
		return
	}
	_, most := tr.visits[i].Bounds()
	n, ok := number(body)
	if !ok || n < least || n > most {
		tr.report(fmt.Sprintf("%s reads %s, want %d to %d", page(i), body, least, most))
	}
}

func number(body string) (n int64, ok bool) {
	var answer struct {
		Visits *int64 `json:"visits"`
	}
	if json.Unmarshal([]byte(body), &answer) != nil || answer.Visits == nil {
		return 0, false
	}
	return *answer.Visits, true
}

func (tr *traffic) report(what string) {
	select {
	case tr.bad <- what:
	default: // twenty are enough
	}
}

func (tr *traffic) call(method, path string) (chaos.Outcome, string) {
	got := request(method, *tr.base.Load()+path)
	if got.Outcome == chaos.Unknown && !slices.Contains([]int{0, http.StatusGatewayTimeout, http.StatusBadGateway}, got.Status) {
		tr.report(fmt.Sprintf("%s: %d %s", got.Request, got.Status, got.Body))
	}
	return got.Outcome, got.Body
}

// lone repeats no request: each has a connection of its own.
var lone = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func request(method, url string) service.Reply {
	got, _ := service.Request(lone, method, url, "") // without an answer its status is 0
	return got
}

// get is a request of which any answer will do, 0 for none.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	got := request(http.MethodGet, url)
	return got.Status, got.Body
}

// totals are all visits so far, by the replies that their callers received.
func (tr *traffic) totals() (acked, refused, doubt int64) {
	for i := range tr.visits {
		a, r, d := tr.visits[i].Totals()
		acked, refused, doubt = acked+a, refused+r, doubt+d
	}
	return acked, refused, doubt
}

// goesOn waits until n more visits are acknowledged.
func (tr *traffic) goesOn(t *testing.T, n int64) {
	t.Helper()
	before, _, _ := tr.totals()
	waitFor(t, "visits are acknowledged", func() bool {
		acked, _, _ := tr.totals()
		return acked >= before+n
	})
}

// allServed waits until a visit of every page is acknowledged.
func (tr *traffic) allServed(t *testing.T) {
	t.Helper()
	var before [pages]int64
	for i := range tr.visits {
		before[i], _, _ = tr.visits[i].Totals()
	}
	waitFor(t, "every page is served again", func() bool {
		for i := range tr.visits {
			if acked, _, _ := tr.visits[i].Totals(); acked == before[i] {
				return false
			}
		}
		return true
	})
}

// balance compares what an instance has stored with the books, when no caller
// writes any more: P1 and P2.
func (tr *traffic) balance(t *testing.T, instance string) {
	t.Helper()
	for i := range tr.visits {
		acked, _, doubt := tr.visits[i].Totals()
		status, body := get(t, instance+"/visits"+path(i))
		n, ok := number(body)
		if status != 200 || !ok || n < acked || n > acked+doubt {
			t.Errorf("%s at %s: %d %s, want %d visits and at most %d in doubt", page(i), instance, status, strings.TrimSpace(body), acked, doubt)
		}
	}
}
