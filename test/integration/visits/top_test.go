package visits_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// stem begins the names of the pages. Each of its beginnings is a prefix that needs a scan.
const stem = "a-name-that-is-long-enough/for-a-scan-each/"

// account is what a test knows of its visits.
type account struct {
	mu     sync.Mutex
	counts map[string]int64 // acknowledged
	acked  []moment
	sent   int64 // all but those that were refused
}

// moment is when a sum of acknowledged visits was known.
type moment struct {
	at  time.Time
	sum int64
}

// visit sends one visit of each page.
func (a *account) visit(r *service.Ring, in *service.Instance, pages []string) {
	a.mu.Lock()
	a.sent += int64(len(pages))
	a.mu.Unlock()
	got := r.Bulk(in, pages)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch got.Status {
	case http.StatusServiceUnavailable:
		a.sent -= int64(len(pages))
		return
	case http.StatusOK:
	default:
		return // in doubt
	}
	sum := a.sum()
	for i, result := range r.Results(got) {
		switch result.Status {
		case "success":
			a.counts[pages[i]]++
			sum++
		case "failed":
			a.sent--
		}
	}
	a.acked = append(a.acked, moment{time.Now(), sum})
}

// sum is what is acknowledged so far.
func (a *account) sum() int64 {
	if len(a.acked) == 0 {
		return 0
	}
	return a.acked[len(a.acked)-1].sum
}

// bounds are the least sum that was right at a time, and the greatest that is right now.
func (a *account) bounds(asOf time.Time) (least, most int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.acked {
		if !m.at.After(asOf) {
			least = m.sum
		}
	}
	return least, a.sent
}

// total is the answer of GET /pages/total.
type total struct {
	AsOf          time.Time `json:"as_of"`
	Pages, Visits int64
}

// wantTotal asks for a total until it is there. It fails the test if it is not that of the
// account. Answers 503 have a Retry-After; it returns their number.
func (a *account) wantTotal(r *service.Ring, in *service.Instance, prefix string) (refused int) {
	r.T.Helper()
	var got total
	service.WaitFor(r.T, "the total of "+prefix, func() bool {
		answer := r.Ask(in, http.MethodGet, "/pages/total?prefix="+url.QueryEscape(prefix), "")
		switch answer.Status {
		case http.StatusOK:
			answer.Into(r.T, &got)
			return true
		case http.StatusServiceUnavailable:
			refused++
			check.Equal(r.T, answer.Header.Get("Retry-After") != "", true, "Retry-After of a 503")
			return false
		}
		r.T.Fatalf("%d %s", answer.Status, answer.Body)
		return false
	})
	least, most := a.bounds(got.AsOf)
	if got.Pages != int64(len(a.counts)) || got.Visits < least || got.Visits > most {
		r.T.Errorf("%d pages with %d visits as of %v, want %d with %d to %d", got.Pages, got.Visits, got.AsOf, len(a.counts), least, most)
	}
	return refused
}

// V30, P3: top and total are exact while visits are counted, the ring changes and a node
// is killed, by an account of acknowledged visits.
func TestTopAndTotalAreExactOverChangesOfTheRing(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	r.Env = []string{"FOOTFALL_CLIENT_SHARE=100"}
	counter, in := r.Start(), r.Start()
	a := &account{counts: make(map[string]int64)}
	var pages []string
	for i := range 3000 {
		pages = append(pages, fmt.Sprint(stem, i))
	}
	for some := range slices.Chunk(pages, 1000) {
		a.visit(r, counter, some)
	}
	if len(a.counts) != len(pages) {
		t.Fatalf("%d of %d pages were counted", len(a.counts), len(pages))
	}
	done := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := w * 1500; ; i = (i + 7) % 2900 {
				select {
				case <-done:
					return
				case <-time.After(30 * time.Millisecond):
					a.visit(r, counter, pages[i:i+i%60+1])
				}
			}
		})
	}
	prefixes := 0
	next := func() string { prefixes++; return stem[:prefixes] }
	during := func(change func()) {
		changed := make(chan struct{})
		go func() { defer close(changed); change() }()
		for ended := false; !ended && prefixes < 24; {
			a.wantTotal(r, in, next())
			select {
			case <-changed:
				ended = true
			default:
			}
		}
		<-changed
	}
	a.wantTotal(r, in, next())
	added := servers.StartRedis(t)
	during(func() { counter.Add(added); counter.Moved() })
	during(func() { counter.Weigh(counter.Ring().ID(added.Addr), 3); counter.Moved() })
	during(func() { counter.Remove(counter.Ring().ID(r.Servers[0].Addr), ""); counter.Moved() })
	close(done)
	writers.Wait()
	t.Logf("%d scans while the ring changed, %d visits", prefixes, a.sum())

	r.Servers[1].Kill()
	for prefix, deadline := next(), time.Now().Add(3*time.Second); time.Now().Before(deadline); {
		r.Ask(in, http.MethodGet, "/pages/total?prefix="+prefix, "").Want(t, http.StatusServiceUnavailable, `"code":"unavailable"`)
		r.Ask(in, http.MethodGet, "/pages/top?prefix="+prefix, "").Want(t, http.StatusServiceUnavailable, `"code":"unavailable"`)
		time.Sleep(20 * time.Millisecond)
	}
	check.OK(t, r.Servers[1].Start())
	a.wantTotal(r, in, next())
	a.wantTop(r, in, stem)
	a.wantTop(r, in, stem+"12")
	if !strings.Contains(in.Logged(), "scan of all pages failed") {
		t.Error("the log does not say that a scan has failed")
	}
}

// mustKnow waits until the numbers of a prefix are known.
func mustKnow(r *service.Ring, in *service.Instance, prefix string) {
	r.T.Helper()
	service.WaitFor(r.T, "the top of "+prefix, func() bool {
		return r.Ask(in, http.MethodGet, "/pages/top?prefix="+prefix, "").Status == http.StatusOK
	})
}

// wantTop fails the test if a top is not exactly that of the account.
func (a *account) wantTop(r *service.Ring, in *service.Instance, prefix string) {
	r.T.Helper()
	var names []string
	for page := range a.counts {
		if strings.HasPrefix(page, prefix) {
			names = append(names, page)
		}
	}
	slices.SortFunc(names, func(x, y string) int {
		if a.counts[x] != a.counts[y] {
			return int(a.counts[y] - a.counts[x])
		}
		return strings.Compare(x, y)
	})
	var got struct {
		Pages []struct {
			PageID string `json:"page_id"`
			Visits int64
		}
	}
	if a.sent != a.sum() {
		r.T.Logf("%d visits are in doubt, so the order is not known", a.sent-a.sum())
		return
	}
	mustKnow(r, in, prefix)
	r.Ask(in, http.MethodGet, "/pages/top?limit=1000&prefix="+prefix, "").Into(r.T, &got)
	check.Equal(r.T, len(got.Pages), min(len(names), 1000), "pages of the top of %s", prefix)
	for i, p := range got.Pages {
		if p.PageID != names[i] || p.Visits != a.counts[names[i]] {
			r.T.Fatalf("place %d is %s with %d, want %s with %d", i, p.PageID, p.Visits, names[i], a.counts[names[i]])
		}
	}
}

// FOOTFALL_PAGES says which listener answers.
func TestS16WhoMayAskForTop(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string][2]int{"public": {200, 200}, "admin": {404, 200}, "off": {404, 404}} {
		in := service.NewDeployment(t, "FOOTFALL_STORE=memory://", "FOOTFALL_PAGES="+setting).Start()
		in.Record("home")
		for _, path := range []string{"/pages/top", "/pages/total?prefix=ho"} {
			if public, admin := in.Get(path), in.Administer(http.MethodGet, path, ""); public.Status != want[0] || admin.Status != want[1] {
				t.Errorf("%s, %s: %d and %d on the admin listener, want %d", setting, path, public.Status, admin.Status, want)
			}
		}
	}
}
