package visits_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// insist repeats a request with a key until it is answered 200.
func insist(t *testing.T, in *service.Instance, path, key, body string) {
	t.Helper()
	last := service.Reply{}
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if last = service.AskOnce(in, path, key, body); last.Status == 200 && !strings.Contains(last.Body, `"error"`) {
			return
		}
	}
	t.Errorf("POST %s with the key %s: %d %s", path, key, last.Status, last.Body)
}

// request is one that is counted once, however often it is sent.
type request struct{ path, key, body string }

// requests are n with a key each: visits of pages in turn, and now and then a
// bulk that visits two of them.
func requests(pages []string, from, n int) (all []request, want map[string]int64) {
	want = make(map[string]int64)
	for i := from; i < from+n; i++ {
		page, next := pages[i%len(pages)], pages[(i+1)%len(pages)]
		one := request{path: "/visit/" + page, key: fmt.Sprint("key ", i)}
		want[page]++
		if i%5 == 0 {
			one.path, one.body = "/visits", fmt.Sprintf(`[{"page_id":%q},{"page_id":%q,"count":2}]`, page, next)
			want[next] += 2
		}
		all = append(all, one)
	}
	return all, want
}

// V28, P2: twice the same request with one key, to two instances, with a kill -9
// between, is counted once.
func TestARequestWithAKeyThatOutlivesItsInstanceCountsOnce(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "always")
	stays := r.Start()
	pages := []string{"a", "b", "c", "d", "e", "f", "g"}
	want := make(map[string]int64)
	answered, cut := 0, 0
	for round := 0; round < 4 || cut == 0 && round < 40; round++ {
		const n = 150
		dies := r.Start()
		all, wanted := requests(pages, round*n, n)
		replies := make([]service.Reply, n)
		var sending sync.WaitGroup
		some := make(chan struct{}, n)
		for i, one := range all {
			sending.Go(func() {
				replies[i] = service.AskOnce(dies, one.path, one.key, one.body)
				some <- struct{}{}
			})
		}
		for range 1 + 20*round%60 {
			<-some
		}
		dies.Kill()
		sending.Wait()
		for i, one := range all {
			switch {
			case replies[i].Status == 200:
				answered++
			case replies[i].Status == 0 && replies[i].Outcome == chaos.Unknown:
				cut++
			}
			sending.Go(func() { insist(t, stays, one.path, one.key, one.body) })
		}
		sending.Wait()
		for page, visits := range wanted {
			want[page] += visits
		}
	}
	if answered == 0 || cut == 0 {
		t.Errorf("%d requests were answered and %d cut off by a kill, which proves nothing", answered, cut)
	}
	t.Logf("%d answered, %d cut off", answered, cut)
	for page, visits := range want {
		check.Equal(t, stays.Visits(page), visits, "visits of %s", page)
	}
}

// V28: a request with a key that comes again while the ring changes, and after
// that, is counted once.
func TestARequestWithAKeyCountsOnceOverAChangeOfTheRing(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "always")
	a, b := r.Start(), r.Start()
	var pages []string
	for i := range 400 {
		pages = append(pages, fmt.Sprint("page-", i))
	}
	all, want := requests(pages, 0, 800)
	send := func(in *service.Instance, part []request) {
		var sending sync.WaitGroup
		for worker := range 8 {
			sending.Go(func() {
				for i := worker; i < len(part); i += 8 {
					insist(t, in, part[i].path, part[i].key, part[i].body)
				}
			})
		}
		sending.Wait()
	}
	send(a, all[:600])
	added := servers.StartRedis(t, "--appendfsync", "always")
	var changing sync.WaitGroup
	changing.Go(func() { a.Add(added) })
	during := 0
	for round := 0; round == 0 || a.Ring().Epoch < 2 || a.Ring().Moves.Left > 0; round++ {
		if st := b.Ring(); st.Moves.Left > 0 {
			during++
		}
		send(b, all[round*100%700:][:100])
	}
	changing.Wait()
	if during == 0 {
		t.Error("no request came while arcs moved, which proves nothing")
	}
	send(b, all)
	send(a, all)
	for page, visits := range want {
		check.Equal(t, b.Visits(page), visits, "visits of %s", page)
	}
	c := added.Client()
	defer c.Close()
	if keys, err := c.Keys(t.Context(), "ff:k:*").Result(); err != nil || len(keys) == 0 {
		t.Errorf("the new node has no keys: %v", err)
	}
}

// V28: a key is known after a restart, and belongs to one payload.
func TestAKeyBelongsToOnePayloadAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t)
	in := d.Start()
	insist(t, in, "/visit/home", "k", "")
	insist(t, in, "/visits", "bulk", `[{"page_id":"home","count":5}]`)
	in.Kill()
	in = d.Start()
	insist(t, in, "/api/v1/counter/visit/home", "k", "")
	insist(t, in, "/visits", "bulk", `[{"page_id":"home","count":5}]`)
	for _, c := range []request{
		{"/visit/about", "k", ""},
		{"/visits", "k", `[{"page_id":"home"}]`},
		{"/visits", "bulk", `[{"page_id":"home","count":6}]`},
		{"/visits", "bulk", `[{"page_id":"about","count":5}]`},
		{"/visit/home", "bulk", ""},
	} {
		got := service.AskOnce(in, c.path, c.key, c.body)
		if got.Status != http.StatusUnprocessableEntity || got.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v: %d %s", c, got.Status, got.Body)
		}
	}
	check.Equal(t, in.Visits("home"), 6, "visits of home")
	check.Equal(t, in.Visits("about"), 0, "visits of about")
}

// V29.
func TestKeyLimitBoundsTheKeysOfANode(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_KEY_LIMIT=1", "FOOTFALL_CLIENT_SHARE=100").Start()
	insist(t, in, "/visit/home", "k", "")
	if got := service.AskOnce(in, "/visit/home", "another", ""); got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, "key_limit") || got.Header.Get("Retry-After") == "" {
		t.Errorf("a key beyond the limit: %d %s", got.Status, got.Body)
	}
	insist(t, in, "/visit/home", "k", "")
	in.Record("home").Want(t, http.StatusOK)
	check.Equal(t, in.Visits("home"), 2, "visits")
}
