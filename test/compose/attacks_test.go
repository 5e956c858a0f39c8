//go:build compose

package compose_test

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/attack"
	"footfall/test/check"
	"footfall/test/integration/service"
)

var attackLasts = flag.Duration("attack", 30*time.Second, "how long the container is attacked")

// A container with the limits of deploy/kubernetes/footfall.yaml outlives S4 to S8 from one
// address together. It is neither killed nor restarted, its process answers probes, and callers of
// another address are not refused while the machine has time for the service.
func TestAContainerOutlivesTheAttacksOfAStranger(t *testing.T) {
	const token = "a-token-of-the-test-that-is-long-enough"
	s := newStack(t)
	id := s.startAttacked(t, token)
	public, admin := s.listeners(t, id)
	before := s.state(t, id)

	ctx, cancel := context.WithTimeout(t.Context(), *attackLasts+time.Minute)
	defer cancel()
	var all sync.WaitGroup
	strangers := startAttacks(ctx, &all, public)
	live, ready := probe{path: "/healthz", timeout: 5 * time.Second}, probe{path: "/readyz", timeout: 2 * time.Second}
	for _, p := range []*probe{&live, &ready} {
		all.Go(func() { p.watch(ctx, t, admin) })
	}
	during := attack.Honest(ctx, public, *attackLasts)
	memory := s.run(t, "stats", "--no-stream", "--format", "{{.MemUsage}}", id)
	cancel()
	all.Wait()

	if after := s.state(t, id); after != before || after.OOMKilled || !after.Running || after.Restarts != 0 {
		t.Errorf("the container was %+v and is %+v:\n%.2000s", before, after, s.run(t, "logs", "--tail", "20", id))
	}
	// A pod whose process does not answer six times in a row is killed. One that is not ready
	// for a moment, on a machine that is busy, gets no requests.
	if live.asked == 0 || live.inRow >= 6 {
		t.Errorf("%d probes of %s, and %d in a row failed", live.asked, live.path, live.inRow)
	}
	if len(during.Prompt) > 0 || during.Late*10 > during.Requests {
		t.Errorf("%+v: honest callers are refused", during)
	}
	for name, at := range strangers {
		if at.Sent() < 100 {
			t.Errorf("%s: %d requests are no attack", name, at.Sent())
		}
		t.Logf("%s: %d requests", name, at.Sent())
	}
	if later := attack.Honest(t.Context(), public, 2*time.Second); later.Requests == later.Late || len(later.Prompt) > 0 {
		t.Errorf("%+v: after the attacks", later)
	}
	metrics := check.Value(service.Request(lone, http.MethodGet, admin+"/metrics", "", "Authorization", "Bearer "+token))(t).Body
	if !regexp.MustCompile(`(?m)^footfall_refused_total\{bound="client",resource="\w+"\} [1-9]`).MatchString(metrics) {
		t.Errorf("the stranger met no bound of a client: it did not attack\n%s", metrics)
	}
	t.Logf("%v: %d honest requests, %d refused by a machine that is busy, p99 %v; %s; %d of %d probes were late", *attackLasts, during.Requests, during.Late, during.P99,
		memory, live.failed+ready.failed, live.asked+ready.asked)
}

// startAttacked starts a container with the limits of the file, and returns its id.
func (s *stack) startAttacked(t *testing.T, token string) string {
	t.Helper()
	manifest := string(check.Value(os.ReadFile("../../deploy/kubernetes/footfall.yaml"))(t))
	of := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindStringSubmatch(manifest)
		if found == nil {
			t.Fatalf("the manifests have no %s", pattern)
		}
		return found[1]
	}
	s.env = append(s.env, "ATTACKED_MEMORY="+of(`limits: \{memory: (\d+M)i\}`), "ATTACKED_GOMEMLIMIT="+of(`GOMEMLIMIT, value: (\w+)`), "FOOTFALL_ADMIN_TOKEN="+token)
	s.run(t, "compose", "build", "footfall")
	s.run(t, "compose", "up", "--detach", "attacked")
	return s.container(t, "attacked", 1)
}

// startAttacks begins S4 to S8, each by a caller of its own at one address, until ctx ends.
func startAttacks(ctx context.Context, all *sync.WaitGroup, public string) map[string]*attack.Stranger {
	strangers := make(map[string]*attack.Stranger)
	for _, a := range attack.All() {
		if name, _, _ := strings.Cut(a.Name, " "); name < "S4" || name > "S8" {
			continue
		}
		at := attack.NewStranger(public)
		strangers[a.Name] = at
		all.Go(func() { a.Run(ctx, at) })
	}
	return strangers
}

// probe is one of the file, asked every two seconds.
type probe struct {
	path                 string
	timeout              time.Duration
	asked, failed, inRow int // inRow is the most failures without a success between them
}

// watch asks until ctx ends.
func (p *probe) watch(ctx context.Context, t *testing.T, admin string) {
	client := &http.Client{Timeout: p.timeout}
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for row := 0; ; p.asked++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		row++
		if got, err := service.Request(client, http.MethodGet, admin+p.path, ""); got.Status == http.StatusOK {
			row = 0
		} else {
			t.Logf("probe of %s: %d %s, %v", p.path, got.Status, got.Body, err)
			p.failed++
		}
		p.inRow = max(p.inRow, row)
	}
}

// listeners are the addresses that the log of a container names.
func (s *stack) listeners(t *testing.T, id string) (public, admin string) {
	t.Helper()
	waitFor(t, "the service is ready", func() bool {
		out, _ := s.command(t.Context(), "logs", id).CombinedOutput()
		for text := range strings.Lines(string(out)) {
			var line struct {
				Msg    string `json:"msg"`
				Listen string `json:"listen"`
				Admin  string `json:"admin_listen"`
			}
			if json.Unmarshal([]byte(text), &line) == nil && line.Msg == "ready" {
				public, admin = "http://"+line.Listen, "http://"+line.Admin
			}
		}
		return public != ""
	})
	return public, admin
}

// state is what the engine says of a container.
type state struct {
	Running, OOMKilled bool
	Restarts, Pid      int
	StartedAt          string
}

func (s *stack) state(t *testing.T, id string) (st state) {
	t.Helper()
	const format = `{"Running":{{.State.Running}},"OOMKilled":{{.State.OOMKilled}},"Restarts":{{.RestartCount}},"Pid":{{.State.Pid}},"StartedAt":{{json .State.StartedAt}}}`
	check.Must(t, json.Unmarshal([]byte(s.run(t, "inspect", "--format", format, id)), &st))
	return st
}
