package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// refusing are the ways in which a server that answers refuses to write; word
// is how its error begins.
func refusing() []refusal {
	return []refusal{
		{
			word: "READONLY", reads: true,
			begin: func(r *ring) { r.do(0, "replicaof", "127.0.0.1", 1) },
			end:   func(r *ring) { r.do(0, "replicaof", "no", "one") },
		},
		{
			word: "OOM", reads: true, closes: true,
			begin: func(r *ring) { r.do(0, "config", "set", "maxmemory", 1) },
			end:   func(r *ring) { r.do(0, "config", "set", "maxmemory", 0) },
		},
		{
			word: "LOADING", slow: true,
			begin: func(r *ring) {
				r.fill(0, 150_000)
				r.servers[0].Kill()
				loaded := make(chan error, 1)
				go func() { loaded <- r.servers[0].Start() }() // returns when it is loaded
				r.t.Cleanup(func() {
					if err := <-loaded; err != nil {
						r.t.Error(err)
					}
				})
			},
			end: func(r *ring) { r.do(0, "config", "set", "key-load-delay", 0) },
		},
	}
}

type refusal struct {
	word       string
	begin, end func(*ring)
	reads      bool // pages can be read meanwhile
	closes     bool // windows are closed meanwhile
	slow       bool // the server says so only now and then: what it didn't answer in a second is in doubt
}

// fill lets a server write n commands to its append-only file.
func (r *ring) fill(server, n int) {
	r.t.Helper()
	c := r.servers[server].Client()
	defer c.Close()
	p := c.Pipeline()
	for range n {
		p.Incr(r.t.Context(), "filler")
	}
	if _, err := p.Exec(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// refuses tells whether a server answers a write with an error of that word.
func (r *ring) refuses(server int, word string) bool {
	c := r.servers[server].Client()
	defer c.Close()
	err := c.Incr(r.t.Context(), "filler").Err()
	return err != nil && strings.HasPrefix(err.Error(), word)
}

// P2, P3: a server that refuses writes because it is a replica, full, or still
// loading costs its own pages 503, nothing is in doubt, and every number is
// exact afterwards; a full one closes windows all the same, or it could never
// free anything, and the windows of the others are late and right.
func TestAServerThatRefusesLeavesNothingInDoubt(t *testing.T) {
	t.Parallel()
	for _, f := range refusing() {
		t.Run(f.word, func(t *testing.T) {
			t.Parallel()
			// Loading 150,000 commands takes 15 s unless it is told to hurry;
			// after every 1,024 the server answers.
			r := newRing(t, 3, "--key-load-delay", "100")
			r.env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}
			d := r.deployment()
			in := d.start()
			by := r.pages(in, 3)
			known := newAccounts(by...)
			for _, page := range slices.Concat(by...) {
				known[page].add(r.visit(in, page))
			}
			sent, accepted, doubted := 0, 0, 0
			send := func() {
				for range 30 {
					sent++
					if got := r.accept(in, sent, ""); got.outcome == acknowledged {
						accepted++
					} else if got.outcome == unknown {
						if doubted++; !f.slow {
							t.Errorf("accept: %d %s", got.status, got.body)
						}
					}
				}
			}
			send()
			if accepted != 30 {
				t.Fatalf("%d of 30 ids", accepted)
			}
			f.begin(r)
			waitFor(t, f.word, 15*time.Second, func() bool { return r.refuses(0, f.word) })
			f.check(r, in, by, known)
			send()
			if f.closes {
				published := len(d.reports())
				waitFor(t, "windows are closed by a full node", 60*time.Second, func() bool { return len(d.reports()) > published+1 })
			}
			if !r.refuses(0, f.word) {
				t.Fatalf("the server stopped to answer %s", f.word)
			}
			f.end(r)
			r.heals(in, by[0][0], known[by[0][0]])
			send()
			for page, account := range known {
				if account.maybe.Load() > 0 && !f.slow {
					t.Errorf("page %s: %d visits are in doubt", page, account.maybe.Load())
				}
			}
			known.resolve(t, r, in)
			waitFor(t, "every id is published", 60*time.Second, func() bool { return total(d.reports()) >= int64(accepted) })
			if got := total(d.reports()); got < int64(accepted) || got > int64(accepted+doubted) {
				t.Errorf("%d ids, and %d in doubt, became %d", accepted, doubted, got)
			}
		})
	}
}

// check asks for pages of all nodes while the first one refuses.
func (f *refusal) check(r *ring, in *instance, by [][]string, known accounts) {
	r.t.Helper()
	for range 8 { // more than it takes to give a node up
		for _, page := range slices.Concat(by...) {
			got := r.visit(in, page)
			known[page].add(got)
			want := 200
			if slices.Contains(by[0], page) {
				want = 503
				if f.slow && got.status == 504 {
					continue
				}
			}
			if got.status != want || want == 503 && got.header.Get("Retry-After") == "" || got.took > patience {
				r.t.Errorf("visit %s: %d %s after %v, Retry-After %q, want %d", page, got.status, got.body, got.took, got.header.Get("Retry-After"), want)
			}
		}
	}
	got := r.read(in, by[0][0])
	if want := map[bool]int{true: 200, false: 503}[f.reads]; got.status != want || strings.Contains(got.body, `"visits":0`) {
		r.t.Errorf("read: %d %s, want %d", got.status, got.body, want)
	}
	item := r.results(r.bulk(in, []string{by[0][0], by[1][0]}))
	known[by[1][0]].acked.Add(1)
	if item[0].Error != "unavailable" || item[1].Status != "success" {
		r.t.Errorf("a bulk over both: %s", fmt.Sprintf("%+v", item))
	}
}
