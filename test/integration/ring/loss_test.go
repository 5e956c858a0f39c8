package ring_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// V19, P3, P4: two servers of five are gone for good. They are given up by one command,
// while callers go on with the pages of the others; when they are back, nobody
// asks them. Of the three that are left two can't be given up.
func TestTwoServersThatAreGoneAreGivenUp(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 5)
	a, b := r.Start(), r.Start()
	c := service.NewRingCrowd(r, []*service.Instance{a, b}, 500)
	st := a.Ring()
	lost := []string{st.Nodes[0].ID, st.Nodes[3].ID} // the first, and another
	var gone []string                                // their pages
	pages, books := c.Pages, c.Books
	c.Pages, c.Books = nil, nil
	for i, page := range pages {
		if via := r.Results(r.Ask(a, http.MethodGet, "/visits?page_id="+page, ""))[0].ServedVia; via == lost[0] || via == lost[1] {
			gone = append(gone, page)
		} else {
			c.Pages, c.Books = append(c.Pages, page), append(c.Books, books[i])
		}
	}
	c.Start(3, 2)
	first, other := r.ServerAt(st.Nodes[0].Addr), r.ServerAt(st.Nodes[3].Addr)
	first.Kill()
	other.Kill()
	if out, err := r.RingCLI(a, "remove", lost[1], "--accept-loss"); err == nil || !strings.Contains(out, "503") || !strings.Contains(out, "abandoned together") {
		t.Errorf("one of two that are gone: %v %s", err, out)
	}
	if out, err := r.RingCLI(a, "remove", lost[0], lost[1], "--accept-loss"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	wantLost := func(in *service.Instance) {
		t.Helper()
		for _, page := range gone {
			service.WaitFor(t, page+" begins at 0", 20*time.Second, func() bool {
				got := r.Read(in, page)
				if got.Status == 200 && !strings.Contains(got.Body, `"visits":0`) {
					t.Fatalf("%s: %s", page, got.Body)
				}
				return got.Status == 200
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
	third := r.Start()
	wantLost(third)
	c.Check(third)
	if st := third.Ring(); len(st.Losses) != 2 || st.Nodes[0].State != "lost" || st.Nodes[3].State != "lost" {
		t.Errorf("the ring is %+v", st)
	}
	st = a.Ring()
	r.ServerAt(st.Nodes[1].Addr).Kill()
	r.ServerAt(st.Nodes[2].Addr).Kill()
	if out, err := r.RingCLI(a, "remove", st.Nodes[1].ID, st.Nodes[2].ID, "--accept-loss"); err == nil || !strings.Contains(out, "409") || !strings.Contains(out, "no majority") {
		t.Errorf("two of three are given up: %v %s", err, out)
	}
}

// V13, P4: a server is gone for good while arcs are on their way to it. What is still
// at the old servers counts on, without an operator.
func TestWhatHadNotLeftForAServerThatIsGoneCountsOn(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	in := r.Start()
	c := service.NewRingCrowd(r, []*service.Instance{in}, 3000)
	fourth := servers.StartRedis(t)
	r.Servers = append(r.Servers, fourth)
	in.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, fourth.Addr))
	in.Midway(0.2)
	fourth.Kill()
	time.Sleep(2 * time.Second) // steps that are under way end
	st := in.Ring()
	ring := r.StoredRing(0)
	want, stayed := make(map[string]string), 0
	for _, page := range c.Pages {
		arc := ring.Arc(counting.Page(page))
		want[page] = `"visits":1`
		if ring.Owner(arc) == ring.From(arc) {
			continue
		}
		if !r.Has(arc, page, ring.Table()) {
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
	if out, err := r.RingCLI(in, "remove", id, "--accept-loss"); err != nil || !strings.Contains(out, `"left":0`) {
		t.Fatalf("%v %s", err, out)
	}
	lost := 0
	for page, want := range want {
		got := r.Read(in, page)
		if got.Status != 200 || !strings.Contains(got.Body, want+",") && !strings.Contains(got.Body, want+"}") {
			t.Errorf("%s: %d %s, want %s", page, got.Status, got.Body, want)
		}
		if want == `"visits":0` {
			lost++
		}
	}
	if stayed == 0 || lost == 0 {
		t.Errorf("%d pages had not left, %d had", stayed, lost)
	}
	in.Change(http.MethodPost, "/ring/repair", "")
	if _, body := in.Administer(http.MethodGet, "/ring", ""); !strings.Contains(body, `"strays":[]`) {
		t.Errorf("the sweep tells %s", body)
	}
}
