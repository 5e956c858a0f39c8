package service

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/application/groupcommit"
	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/servers"
)

// Ring is a deployment on several Redis servers.
type Ring struct {
	T       testing.TB
	Servers []*servers.Redis
	Seeds   []string // addresses by which the program knows them
	Store   string   // the URL of another store than one of the Seeds
	Env     []string
	Client  *http.Client
	Lone    bool // every request has a connection of its own: the client repeats none
	start   func(testing.TB, ...string) *servers.Redis
	mu      sync.Mutex // for changes of Servers beside Ask
}

// NewRing starts n servers, each with args. They sync at every write: by
// appendfsync everysec Redis answers before it writes while a sync is on, and
// kill -9 then loses what was answered.
func NewRing(t testing.TB, n int, args ...string) *Ring {
	return newRing(t, n, servers.StartRedis, args)
}

// NewRingWithClocks is NewRing of servers whose clocks can be set.
func NewRingWithClocks(t testing.TB, n int) *Ring {
	return newRing(t, n, servers.StartRedisWithClock, nil)
}

// NewClusterRing is a deployment on a Redis Cluster, with a query of its URL.
func NewClusterRing(t testing.TB, c *servers.Cluster, query string) *Ring {
	r := &Ring{T: t, Client: NewClient(), Servers: c.Servers, Store: c.URL(query)}
	t.Cleanup(r.Client.CloseIdleConnections)
	return r
}

func newRing(t testing.TB, n int, start func(testing.TB, ...string) *servers.Redis, args []string) *Ring {
	r := &Ring{T: t, Client: NewClient(), start: start}
	t.Cleanup(r.Client.CloseIdleConnections)
	for range n {
		s := start(t, args...)
		r.Servers = append(r.Servers, s)
		r.Seeds = append(r.Seeds, s.Addr)
	}
	return r
}

// AddServer starts a server like the others that the ring does not know yet.
func (r *Ring) AddServer(args ...string) *servers.Redis {
	s := r.start(r.T, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Servers = append(slices.Clone(r.Servers), s)
	return s
}

// Replace puts a server in the place of another one.
func (r *Ring) Replace(i int, s *servers.Redis) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Servers = slices.Clone(r.Servers)
	r.Servers[i] = s
}

// known are the servers at this time.
func (r *Ring) known() []*servers.Redis {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Servers
}

// Deployment is a folder for one instance. Without servers its store is the
// embedded one.
func (r *Ring) Deployment() *Deployment {
	if r.Store != "" {
		return NewDeployment(r.T, append([]string{"FOOTFALL_STORE=" + r.Store}, r.Env...)...)
	}
	if len(r.Seeds) == 0 {
		return NewDeployment(r.T, r.Env...)
	}
	return NewDeployment(r.T, append([]string{"FOOTFALL_STORE=redis://" + strings.Join(r.Seeds, ",")}, r.Env...)...)
}

// Start starts an instance in a folder of its own.
func (r *Ring) Start() *Instance {
	r.T.Helper()
	return r.Deployment().Start()
}

// Ask sends one request. V19: no answer may name the address of a node.
func (r *Ring) Ask(in *Instance, method, path, body string) Reply {
	got, err := Request(r.Client, method, in.to(method, path), body)
	if err != nil && method != http.MethodPost && !r.Lone { // the client repeats others, and one may have arrived
		got.Outcome = chaos.Unknown
	}
	for _, s := range r.known() {
		if strings.Contains(fmt.Sprint(got.Body, got.Header), s.Addr) {
			r.T.Errorf("%s %s: the address of a node is in %d %s", method, path, got.Status, got.Body)
		}
	}
	return got
}

// Late reports whether an answer took longer than the second that is promised, and
// than a machine explains that takes so long for answers without any node.
func (r *Ring) Late(in *Instance, took time.Duration) bool {
	const promised = 2 * time.Second // with what a machine at rest may add
	alone := time.Duration(0)
	for i := 0; i < 10 && took > promised; i++ {
		alone = max(alone, r.Ask(in, http.MethodGet, "/healthz", "").Took)
	}
	return took > promised+20*alone
}

// Accept sends one id, with an endpoint unless that is empty.
func (r *Ring) Accept(in *Instance, id int, endpoint string) Reply {
	return r.Ask(in, http.MethodGet, AcceptPath(fmt.Sprint(id), endpoint), "")
}

// MustVisit records exactly one visit. It ends the test unless the visit is
// acknowledged. A request that a busy machine has answered late is repeated with
// the same idempotency key.
func (r *Ring) MustVisit(in *Instance, page string) {
	r.T.Helper()
	key, late := fmt.Sprint(page, time.Now().UnixNano()), false
	WaitFor(r.T, "a visit of "+page, func() bool {
		got, _ := Request(r.Client, http.MethodPost, in.Counts+"/visit/"+url.PathEscape(page), "", "Idempotency-Key", key)
		if late = late || got.Took > groupcommit.Deadline/2; got.Status != http.StatusOK && !late {
			r.T.Fatalf("%s: %d %s", got.Request, got.Status, got.Body)
		}
		return got.Status == http.StatusOK
	})
}

// MustRead reads pages, again while a node of a busy machine answers late.
func (r *Ring) MustRead(in *Instance, pages ...string) Results {
	r.T.Helper()
	var got Reply
	WaitFor(r.T, "pages are read", func() bool {
		got = r.ReadAll(in, pages)
		return got.Status == http.StatusOK && !strings.Contains(got.Body, `"unavailable"`)
	})
	return r.Results(got)
}

// Visit records one visit of a page.
func (r *Ring) Visit(in *Instance, page string) Reply {
	return r.Ask(in, http.MethodPost, "/visit/"+url.PathEscape(page), "")
}

// Read reads the visits of a page.
func (r *Ring) Read(in *Instance, page string) Reply {
	return r.Ask(in, http.MethodGet, "/visits/"+url.PathEscape(page), "")
}

// Results are the items of a bulk answer.
type Results []struct {
	PageID    string `json:"page_id"`
	Status    string `json:"status"`
	Visits    *int64 `json:"visits"`
	ServedVia string `json:"served_via"`
	Error     string `json:"error"`
}

// Results returns the items of a bulk answer. It ends the test when that has none.
func (r *Ring) Results(got Reply) Results {
	r.T.Helper()
	var answer struct {
		Results Results `json:"results"`
	}
	got.Into(r.T, &answer)
	return answer.Results
}

// Bulk records one visit of each page.
func (r *Ring) Bulk(in *Instance, pages []string) Reply {
	var body strings.Builder
	for _, p := range pages {
		fmt.Fprintf(&body, "{\"page_id\":%q}\n", p)
	}
	return r.Ask(in, http.MethodPost, "/visits", body.String())
}

// ReadAll reads the visits of pages by one request.
func (r *Ring) ReadAll(in *Instance, pages []string) Reply {
	return r.Ask(in, http.MethodGet, "/visits?"+url.Values{"page_id": pages}.Encode(), "")
}

// Pages are n pages of each server, in the order of the servers.
func (r *Ring) Pages(in *Instance, n int) [][]string {
	r.T.Helper()
	candidates := PageNames(900) // a request takes no more than 1,000
	by := make([][]string, len(r.Servers))
	for _, page := range r.MustRead(in, candidates...) {
		for i, seed := range r.Seeds {
			if page.ServedVia == "redis_"+seed[strings.LastIndex(seed, ":")+1:] && len(by[i]) < n {
				by[i] = append(by[i], page.PageID)
			}
		}
	}
	for i := range by {
		if len(by[i]) < n {
			r.T.Fatalf("server %d has %d of %d pages", i, len(by[i]), len(candidates))
		}
	}
	return by
}

// PageNames are the names of n pages.
func PageNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint("page", i))
	}
	return names
}

// Do is a command of the test's own to a server.
func (r *Ring) Do(server int, args ...any) *redis.Cmd {
	r.T.Helper()
	c := r.Servers[server].Client()
	defer func() { _ = c.Close() }()
	cmd := c.Do(r.T.Context(), args...)
	if cmd.Err() != nil {
		r.T.Fatalf("%v: %v", args, cmd.Err())
	}
	return cmd
}

// ArcKey is where a server keeps a page that was visited.
func (r *Ring) ArcKey(server int, page string) string {
	r.T.Helper()
	c := r.Servers[server].Client()
	defer func() { _ = c.Close() }()
	keys, err := c.Keys(r.T.Context(), "ff:c:*").Result()
	for _, key := range keys {
		if has, _ := c.HExists(r.T.Context(), key, page).Result(); has {
			return key
		}
	}
	r.T.Fatalf("page %s is under none of %d keys: %v", page, len(keys), err)
	return ""
}

// Kept are the counts of the pages that a server has.
func (r *Ring) Kept(server int) map[string]string {
	r.T.Helper()
	c := r.Servers[server].Client()
	defer func() { _ = c.Close() }()
	arcs := check.Value(c.Keys(r.T.Context(), "ff:c:*").Result())(r.T)
	pages := make(map[string]string)
	for some := range slices.Chunk(arcs, 1000) {
		answers, err := c.Pipelined(r.T.Context(), func(p redis.Pipeliner) error {
			for _, arc := range some {
				p.HGetAll(r.T.Context(), arc)
			}
			return nil
		})
		check.Must(r.T, err)
		for _, a := range answers {
			for page, count := range a.(*redis.MapStringStringCmd).Val() {
				pages[page] = count
			}
		}
	}
	return pages
}

// Counter is the sum of a metric over its labels, 0 where it isn't there yet.
func (r *Ring) Counter(in *Instance, name string) (sum int) {
	r.T.Helper()
	for line := range strings.Lines(in.Metrics()) {
		if strings.HasPrefix(line, name+"{") {
			var v float64
			_, _ = fmt.Sscan(line[strings.LastIndex(line, " "):], &v)
			sum += int(v)
		}
	}
	return sum
}

// Plant puts a list under keys of a window.
func (r *Ring) Plant(server int, keys []string, window int64) {
	r.T.Helper()
	c := r.Servers[server].Client()
	defer func() { _ = c.Close() }()
	p := c.Pipeline()
	for _, key := range keys {
		if strings.Contains(key, "%d") {
			key = fmt.Sprintf(key, window)
		}
		p.Del(r.T.Context(), key)
		p.RPush(r.T.Context(), key, "x")
	}
	if _, err := p.Exec(r.T.Context()); err != nil {
		r.T.Fatal(err)
	}
}
