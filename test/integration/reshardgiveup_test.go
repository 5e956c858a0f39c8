package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/servers"
)

// ringCLI runs a verb of the command line against an instance.
func (r *ring) ringCLI(in *instance, args ...string) (string, error) {
	cmd := r.deployment().command(r.t.Context(), append([]string{"ring"}, args...)...)
	cmd.Env = append(cmd.Env, "FOOTFALL_ADMIN_LISTEN="+strings.TrimPrefix(in.admin, "http://"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// V19, P3, P4: two servers of five are gone for good. They are given up by one command,
// while callers go on with the pages of the others; when they are back, nobody
// asks them. Of the three that are left two can't be given up.
func TestTwoServersThatAreGoneAreGivenUp(t *testing.T) {
	t.Parallel()
	r := newRing(t, 5)
	a, b := r.start(), r.start()
	c := newRingCrowd(r, []*instance{a, b}, 500)
	st := a.ring()
	lost := []string{st.Nodes[0].ID, st.Nodes[3].ID} // the first, and another
	var gone []string                                // their pages
	pages, books := c.pages, c.books
	c.pages, c.books = nil, nil
	for i, page := range pages {
		if via := r.results(r.ask(a, http.MethodGet, "/visits?page_id="+page, ""))[0].ServedVia; via == lost[0] || via == lost[1] {
			gone = append(gone, page)
		} else {
			c.pages, c.books = append(c.pages, page), append(c.books, books[i])
		}
	}
	c.start(3, 2)
	first, other := r.serverAt(st.Nodes[0].Addr), r.serverAt(st.Nodes[3].Addr)
	first.Kill()
	other.Kill()
	if out, err := r.ringCLI(a, "remove", lost[1], "--accept-loss"); err == nil || !strings.Contains(out, "503") || !strings.Contains(out, "abandoned together") {
		t.Errorf("one of two that are gone: %v %s", err, out)
	}
	if out, err := r.ringCLI(a, "remove", lost[0], lost[1], "--accept-loss"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	wantLost := func(in *instance) {
		t.Helper()
		for _, page := range gone {
			waitFor(t, page+" begins at 0", 20*time.Second, func() bool {
				got := r.read(in, page)
				if got.status == 200 && !strings.Contains(got.body, `"visits":0`) {
					t.Fatalf("%s: %s", page, got.body)
				}
				return got.status == 200
			})
		}
	}
	wantLost(a)
	wantLost(b)
	for _, s := range []*servers.Redis{first, other} {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(3 * time.Second) // both instances look
	third := r.start()
	wantLost(third)
	c.check(third)
	if st := third.ring(); len(st.Losses) != 2 || st.Nodes[0].State != "lost" || st.Nodes[3].State != "lost" {
		t.Errorf("the ring is %+v", st)
	}
	st = a.ring()
	r.serverAt(st.Nodes[1].Addr).Kill()
	r.serverAt(st.Nodes[2].Addr).Kill()
	if out, err := r.ringCLI(a, "remove", st.Nodes[1].ID, st.Nodes[2].ID, "--accept-loss"); err == nil || !strings.Contains(out, "409") || !strings.Contains(out, "no majority") {
		t.Errorf("two of three are given up: %v %s", err, out)
	}
}

// V13, P4: a server is gone for good while arcs are on their way to it. What is still
// at the old servers counts on, without an operator.
func TestWhatHadNotLeftForAServerThatIsGoneCountsOn(t *testing.T) {
	t.Parallel()
	r := newRing(t, 3)
	in := r.start()
	c := newRingCrowd(r, []*instance{in}, 3000)
	fourth := servers.StartRedis(t)
	r.servers = append(r.servers, fourth)
	in.change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, fourth.Addr))
	in.midway(0.2)
	fourth.Kill()
	time.Sleep(2 * time.Second) // steps that are under way end
	st := in.ring()
	ring := r.storedRing(0)
	want, stayed := make(map[string]string), 0
	for _, page := range c.pages {
		arc := ring.Arc(counting.Page(page))
		want[page] = `"visits":1`
		if ring.Owner(arc) == ring.From(arc) {
			continue
		}
		if !r.has(arc, page, ring.Table()) {
			want[page] = `"visits":0`
		} else {
			stayed++
		}
	}
	id := ""
	for _, n := range st.Nodes {
		if n.Addr == fourth.Addr {
			id = n.ID
		}
	}
	if out, err := r.ringCLI(in, "remove", id, "--accept-loss"); err != nil || !strings.Contains(out, `"left":0`) {
		t.Fatalf("%v %s", err, out)
	}
	lost := 0
	for page, want := range want {
		got := r.read(in, page)
		if got.status != 200 || !strings.Contains(got.body, want+",") && !strings.Contains(got.body, want+"}") {
			t.Errorf("%s: %d %s, want %s", page, got.status, got.body, want)
		}
		if want == `"visits":0` {
			lost++
		}
	}
	if stayed == 0 || lost == 0 {
		t.Errorf("%d pages had not left, %d had", stayed, lost)
	}
	in.change(http.MethodPost, "/ring/repair", "")
	if _, body := in.administer(http.MethodGet, "/ring", ""); !strings.Contains(body, `"strays":[]`) {
		t.Errorf("the sweep tells %s", body)
	}
}

// storedRing is the ring that a server has opened.
func (r *ring) storedRing(server int) *sharding.Ring {
	r.t.Helper()
	document, err := r.do(server, "hget", "ff:T", "opened").Text()
	if err != nil {
		r.t.Fatal(err)
	}
	ring, err := sharding.Decode([]byte(document))
	if err != nil {
		r.t.Fatal(err)
	}
	return ring
}

// has tells whether one of the first three servers has a page of an arc that is on
// its way by a table.
func (r *ring) has(arc counting.Arc, page string, table counting.Epoch) bool {
	for server := range 3 {
		for _, key := range []string{fmt.Sprint("ff:c:", arc), fmt.Sprintf("ff:x:%d:%d", arc, table)} {
			if there, err := r.do(server, "hexists", key, page).Bool(); err != nil {
				r.t.Fatal(err)
			} else if there {
				return true
			}
		}
	}
	return false
}
