package integration_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/test/servers"
)

// patience is how long a caller waits at most for an answer: the second that
// is promised, and what a busy machine adds.
const patience = 2 * time.Second

// ring is a deployment on several Redis servers.
type ring struct {
	t       *testing.T
	servers []*servers.Redis
	seeds   []string // addresses by which the program knows them
	env     []string
	client  *http.Client
	lone    bool // every request has a connection of its own: the client repeats none
}

// newRing starts n servers, each with args. They sync at every write: by
// appendfsync everysec Redis answers before it writes while a sync is on, and
// kill -9 then loses what was answered.
func newRing(t *testing.T, n int, args ...string) *ring {
	r := &ring{t: t, client: newClient()}
	t.Cleanup(r.client.CloseIdleConnections)
	for range n {
		s := servers.StartRedis(t, args...)
		r.servers = append(r.servers, s)
		r.seeds = append(r.seeds, s.Addr)
	}
	return r
}

// deployment is a folder for one instance.
func (r *ring) deployment() *deployment {
	return newDeployment(r.t, append([]string{"FOOTFALL_STORE=redis://" + strings.Join(r.seeds, ",")}, r.env...)...)
}

// start starts an instance in a folder of its own.
func (r *ring) start() *instance {
	r.t.Helper()
	return r.deployment().start()
}

// reply is what a caller got.
type reply struct {
	outcome outcome
	status  int // 0: no answer
	header  http.Header
	body    string
	took    time.Duration
}

// ask sends one request. V19 of the list of failures: no answer may name the
// address of a node.
func (r *ring) ask(in *instance, method, path, body string) reply {
	req, err := http.NewRequest(method, in.public+path, strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return reply{outcome: unknown}
	}
	begin := time.Now()
	resp, err := r.client.Do(req)
	if err != nil {
		got := reply{outcome: unknown, took: time.Since(begin)}
		if method == http.MethodPost || r.lone { // others are repeated by the client
			got.outcome = outcomeOf(err)
		}
		return got
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	got := reply{outcome: unknown, status: resp.StatusCode, header: resp.Header, body: string(text), took: time.Since(begin)}
	switch {
	case err != nil:
		got.status = 0
	case resp.StatusCode == http.StatusOK:
		got.outcome = acknowledged
	case resp.StatusCode == http.StatusServiceUnavailable:
		got.outcome = refused
	}
	for _, s := range r.servers {
		if strings.Contains(fmt.Sprint(got.body, got.header), s.Addr) {
			r.t.Errorf("%s %s: the address of a node is in %d %s", method, path, got.status, got.body)
		}
	}
	return got
}

func (r *ring) visit(in *instance, page string) reply {
	return r.ask(in, http.MethodPost, "/visit/"+url.PathEscape(page), "")
}

func (r *ring) read(in *instance, page string) reply {
	return r.ask(in, http.MethodGet, "/visits/"+url.PathEscape(page), "")
}

func (r *ring) accept(in *instance, id int, endpoint string) reply {
	query := url.Values{"id": {fmt.Sprint(id)}}
	if endpoint != "" {
		query.Set("endpoint", endpoint)
	}
	return r.ask(in, http.MethodGet, "/api/verve/accept?"+query.Encode(), "")
}

// results are the items of a bulk answer.
type results []struct {
	PageID    string `json:"page_id"`
	Status    string `json:"status"`
	Visits    *int64 `json:"visits"`
	ServedVia string `json:"served_via"`
	Error     string `json:"error"`
}

func (r *ring) results(got reply) results {
	r.t.Helper()
	var answer struct {
		Results results `json:"results"`
	}
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != http.StatusOK {
		r.t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	return answer.Results
}

// bulk records one visit of each page.
func (r *ring) bulk(in *instance, pages []string) reply {
	var body strings.Builder
	for _, p := range pages {
		fmt.Fprintf(&body, "{\"page_id\":%q}\n", p)
	}
	return r.ask(in, http.MethodPost, "/visits", body.String())
}

func (r *ring) readAll(in *instance, pages []string) reply {
	return r.ask(in, http.MethodGet, "/visits?"+url.Values{"page_id": pages}.Encode(), "")
}

// pages are n pages of each server, in the order of the servers.
func (r *ring) pages(in *instance, n int) [][]string {
	r.t.Helper()
	var candidates []string
	for i := range 900 { // a request takes no more than 1,000
		candidates = append(candidates, fmt.Sprintf("p%d", i))
	}
	by := make([][]string, len(r.servers))
	for _, page := range r.results(r.readAll(in, candidates)) {
		for i, seed := range r.seeds {
			if page.ServedVia == "redis_"+seed[strings.LastIndex(seed, ":")+1:] && len(by[i]) < n {
				by[i] = append(by[i], page.PageID)
			}
		}
	}
	for i := range by {
		if len(by[i]) < n {
			r.t.Fatalf("server %d has %d of %d pages", i, len(by[i]), len(candidates))
		}
	}
	return by
}

// do is a command of the test's own to a server.
func (r *ring) do(server int, args ...any) *redis.Cmd {
	r.t.Helper()
	c := r.servers[server].Client()
	defer c.Close()
	cmd := c.Do(r.t.Context(), args...)
	if cmd.Err() != nil {
		r.t.Fatalf("%v: %v", args, cmd.Err())
	}
	return cmd
}

// arcKey is where a server keeps a page that was visited.
func (r *ring) arcKey(server int, page string) string {
	r.t.Helper()
	c := r.servers[server].Client()
	defer c.Close()
	keys, err := c.Keys(r.t.Context(), "ff:c:*").Result()
	for _, key := range keys {
		if has, _ := c.HExists(r.t.Context(), key, page).Result(); has {
			return key
		}
	}
	r.t.Fatalf("page %s is under none of %d keys: %v", page, len(keys), err)
	return ""
}

// heals waits until a page is counted again: a node that is down is asked
// every 10 s at least.
func (r *ring) heals(in *instance, page string, a *account) {
	r.t.Helper()
	waitFor(r.t, "the node's pages are counted again", 30*time.Second, func() bool {
		return a.add(r.visit(in, page)) == acknowledged
	})
}
