package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/servers"
)

// askOnce sends a request with an idempotency key on a connection of its own.
func askOnce(t *testing.T, in *instance, path, key, body string) reply {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, in.public+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return reply{}
	}
	req.Header.Set("Idempotency-Key", key)
	// net/http repeats requests with this header by itself on a connection that
	// was used before.
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return reply{outcome: outcomeOf(err)}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{outcome: unknown}
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: string(text)}
}

// insist repeats a request with a key until it is answered 200.
func insist(t *testing.T, in *instance, path, key, body string) {
	t.Helper()
	last := reply{}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if last = askOnce(t, in, path, key, body); last.status == 200 && !strings.Contains(last.body, `"error"`) {
			return
		}
	}
	t.Errorf("POST %s with the key %s: %d %s", path, key, last.status, last.body)
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
	r := newRing(t, 2, "--appendfsync", "always")
	stays := r.start()
	pages := []string{"a", "b", "c", "d", "e", "f", "g"}
	want := make(map[string]int64)
	answered, cut := 0, 0
	for round := 0; round < 4 || cut == 0 && round < 40; round++ {
		const n = 150
		dies := r.start()
		all, wanted := requests(pages, round*n, n)
		replies := make([]reply, n)
		var sending sync.WaitGroup
		some := make(chan struct{}, n)
		for i, one := range all {
			sending.Go(func() {
				replies[i] = askOnce(t, dies, one.path, one.key, one.body)
				some <- struct{}{}
			})
		}
		for range 1 + 20*round%60 {
			<-some
		}
		dies.kill()
		sending.Wait()
		for i, one := range all {
			switch {
			case replies[i].status == 200:
				answered++
			case replies[i].status == 0 && replies[i].outcome == unknown:
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
		if got := stays.visits(page); got != visits {
			t.Errorf("page %s: %d visits, want %d", page, got, visits)
		}
	}
}

// V28: a request with a key that comes again while the ring changes, and after
// that, is counted once.
func TestARequestWithAKeyCountsOnceOverAChangeOfTheRing(t *testing.T) {
	t.Parallel()
	r := newRing(t, 2, "--appendfsync", "always")
	a, b := r.start(), r.start()
	var pages []string
	for i := range 400 {
		pages = append(pages, fmt.Sprint("page-", i))
	}
	all, want := requests(pages, 0, 800)
	send := func(in *instance, part []request) {
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
	changing.Go(func() { a.change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, added.Addr)) })
	during := 0
	for round := 0; round == 0 || a.ring().Epoch < 2 || a.ring().Moves.Left > 0; round++ {
		if st := b.ring(); st.Moves.Left > 0 {
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
		if got := b.visits(page); got != visits {
			t.Errorf("page %s: %d visits, want %d", page, got, visits)
		}
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
	d := newDeployment(t)
	in := d.start()
	insist(t, in, "/visit/home", "k", "")
	insist(t, in, "/visits", "bulk", `[{"page_id":"home","count":5}]`)
	in.kill()
	in = d.start()
	insist(t, in, "/api/v1/counter/visit/home", "k", "")
	insist(t, in, "/visits", "bulk", `[{"page_id":"home","count":5}]`)
	for _, c := range []request{
		{"/visit/about", "k", ""},
		{"/visits", "k", `[{"page_id":"home"}]`},
		{"/visits", "bulk", `[{"page_id":"home","count":6}]`},
		{"/visits", "bulk", `[{"page_id":"about","count":5}]`},
		{"/visit/home", "bulk", ""},
	} {
		got := askOnce(t, in, c.path, c.key, c.body)
		if got.status != http.StatusUnprocessableEntity || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v: %d %s", c, got.status, got.body)
		}
	}
	if home, about := in.visits("home"), in.visits("about"); home != 6 || about != 0 {
		t.Errorf("home has %d visits and about %d, want 6 and 0", home, about)
	}
}

// V29.
func TestKeyLimitBoundsTheKeysOfANode(t *testing.T) {
	t.Parallel()
	in := newDeployment(t, "FOOTFALL_KEY_LIMIT=2").start() // a request takes one, and one for each visit
	insist(t, in, "/visit/home", "k", "")
	if got := askOnce(t, in, "/visit/home", "another", ""); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "key_limit") || got.header.Get("Retry-After") == "" {
		t.Errorf("a key beyond the limit: %d %s", got.status, got.body)
	}
	insist(t, in, "/visit/home", "k", "")
	if got, _, err := send(newClient(), http.MethodPost, in.public+"/visit/home"); got != acknowledged || err != nil {
		t.Errorf("a visit without a key: %v %v", got, err)
	}
	if got := in.visits("home"); got != 2 {
		t.Errorf("%d visits, want 2", got)
	}
}
