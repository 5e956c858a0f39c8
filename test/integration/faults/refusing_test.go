package faults_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/integration/service"
)

// refusing are the ways in which a server that answers refuses to write; word
// is how its error begins.
func refusing() []refusal {
	return []refusal{
		{
			word:  "READONLY", // it is a replica now, whose numbers may be old
			begin: func(r *service.Ring) { r.Do(0, "replicaof", "127.0.0.1", 1) },
			end:   func(r *service.Ring) { r.Do(0, "replicaof", "no", "one") },
		},
		{
			word: "OOM", reads: true, closes: true,
			begin: func(r *service.Ring) { r.Do(0, "config", "set", "maxmemory", 1) },
			end:   func(r *service.Ring) { r.Do(0, "config", "set", "maxmemory", 0) },
		},
		{
			word: "LOADING", slow: true,
			begin: func(r *service.Ring) {
				r.Fill(0, 150_000)
				r.Servers[0].Kill()
				loaded := make(chan error, 1)
				go func() { loaded <- r.Servers[0].Start() }() // returns when it is loaded
				r.T.Cleanup(func() { check.OK(r.T, <-loaded) })
			},
			end: func(r *service.Ring) { r.Do(0, "config", "set", "key-load-delay", 0) },
		},
	}
}

type refusal struct {
	word       string
	begin, end func(*service.Ring)
	reads      bool // pages can be read meanwhile
	closes     bool // windows are closed meanwhile
	slow       bool // the server says so only now and then: what it didn't answer in a second is in doubt
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
			// Loading 150,000 commands takes 15 s unless key-load-delay is 0;
			// after every 1,024 the server answers.
			r := service.NewRing(t, 3, "--key-load-delay", "100")
			r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}
			d := r.Deployment()
			in := d.Start()
			by := r.Pages(in, 3)
			known := service.NewTraffic(r, slices.Concat(by...), in)
			for _, page := range slices.Concat(by...) {
				known.Visit(page)
			}
			sent, accepted, doubted := 0, 0, 0
			send := func() {
				for range 30 {
					sent++
					if got := r.Accept(in, sent, ""); got.Outcome == chaos.Acknowledged {
						accepted++
					} else if got.Outcome == chaos.Unknown {
						if doubted++; !f.slow {
							t.Errorf("accept: %d %s", got.Status, got.Body)
						}
					}
				}
			}
			send()
			check.Equal(t, accepted, 30, "ids that are accepted")
			f.begin(r)
			service.WaitFor(t, f.word, func() bool { return r.Refuses(0, f.word) })
			f.check(r, in, by, known)
			send()
			if f.closes {
				published := len(d.Reports())
				service.WaitFor(t, "windows are closed by a full node", func() bool { return len(d.Reports()) > published+1 })
			}
			if !r.Refuses(0, f.word) {
				t.Fatalf("the server stopped to answer %s", f.word)
			}
			f.end(r)
			known.Heals(by[0][0])
			send()
			if _, _, doubt := known.Totals(); doubt > 0 && !f.slow {
				t.Errorf("%d visits are in doubt", doubt)
			}
			known.Check()
			service.WaitFor(t, "every id is published", func() bool { return service.Total(d.Reports()) >= int64(accepted) })
			if got := service.Total(d.Reports()); got < int64(accepted) || got > int64(accepted+doubted) {
				t.Errorf("%d ids, and %d in doubt, became %d", accepted, doubted, got)
			}
		})
	}
}

// check asks for pages of all nodes while the first one refuses.
func (f *refusal) check(r *service.Ring, in *service.Instance, by [][]string, known *service.Traffic) {
	r.T.Helper()
	for range 8 { // more than it takes to abandon a node
		for _, page := range slices.Concat(by...) {
			got := known.Visit(page)
			want := 200
			if slices.Contains(by[0], page) {
				want = 503
				if f.slow && got.Status == 504 {
					continue
				}
			}
			if got.Status != want || want == 503 && got.Header.Get("Retry-After") == "" || r.Late(in, got.Took) {
				r.T.Errorf("visit %s: %d %s after %v, Retry-After %q, want %d", page, got.Status, got.Body, got.Took, got.Header.Get("Retry-After"), want)
			}
		}
	}
	got := r.Read(in, by[0][0])
	if want := map[bool]int{true: 200, false: 503}[f.reads]; got.Status != want || strings.Contains(got.Body, `"visits":0`) {
		r.T.Errorf("read: %d %s, want %d", got.Status, got.Body, want)
	}
	item := r.Results(r.Bulk(in, []string{by[0][0], by[1][0]}))
	known.Books[by[1][0]].Issue(1)
	known.Books[by[1][0]].Settle(chaos.Acknowledged, 1)
	doubted := f.slow && item[0].Error == "in_doubt"
	if doubted {
		known.Books[by[0][0]].Issue(1)
		known.Books[by[0][0]].Settle(chaos.Unknown, 1)
	}
	if item[0].Error != "unavailable" && !doubted || item[1].Status != "success" {
		r.T.Errorf("a bulk over both: %s", fmt.Sprintf("%+v", item))
	}
}
