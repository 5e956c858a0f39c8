package ring_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/integration/service"
)

// V19, P3, P4: two servers of five are permanently lost. One command abandons
// them, while callers use the pages of the others. When the two are back, no
// instance asks them. Of the three that are left two can't be abandoned.
func TestTwoServersThatAreLostAreAbandoned(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 5)
	r.Env = append(r.Env, "FOOTFALL_WINDOW=1h") // lost nodes are in the ring until their windows are done
	a, b := r.Start(), r.Start()
	c := service.NewTrafficOf(r, 500, a, b)
	st := a.Ring()
	lost := []string{st.Nodes[0].ID, st.Nodes[3].ID} // the first, and another
	var gone []string                                // their pages
	c.Pages = slices.DeleteFunc(c.Pages, func(page string) bool {
		isLost := slices.Contains(lost, r.MustRead(a, page)[0].ServedVia)
		if isLost {
			gone = append(gone, page)
		}
		return isLost
	})
	c.Start(3, 2)
	first, other := r.ServerAt(st.Nodes[0].Addr), r.ServerAt(st.Nodes[3].Addr)
	first.Kill()
	other.Kill()
	a.ToolFails([]string{"503", "abandoned together"}, "ring", "remove", lost[1], "--accept-loss")
	a.MustTool("ring", "remove", lost[0], lost[1], "--accept-loss")
	wantLost := func(in *service.Instance) {
		t.Helper()
		for _, page := range gone {
			service.WaitFor(t, page+" begins at 0", func() bool {
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
	check.Must(t, first.Start())
	check.Must(t, other.Start())
	time.Sleep(3 * time.Second) // long enough for an instance to ask them, which is wrong
	third := r.Start()
	for _, in := range []*service.Instance{a, b, third} {
		service.WaitFor(t, "every instance uses the new ring", func() bool { return len(in.Ring().Losses) == 2 })
	}
	wantLost(third)
	c.Check(third)
	if st := third.Ring(); len(st.Losses) != 2 || st.Nodes[0].State != "lost" || st.Nodes[3].State != "lost" {
		t.Errorf("the ring is %+v", st)
	}
	st = a.Ring()
	r.ServerAt(st.Nodes[1].Addr).Kill()
	r.ServerAt(st.Nodes[2].Addr).Kill()
	a.ToolFails([]string{"409", "no majority"}, "ring", "remove", st.Nodes[1].ID, st.Nodes[2].ID, "--accept-loss")
}

// V13, P4: a server is permanently lost while arcs are on their way to it. Pages
// that are still at the old servers keep their counts, without an operator.
func TestWhatHadNotLeftForALostServerCountsOn(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	in := r.Start()
	c := service.NewTrafficOf(r, 3000, in)
	fourth := r.AddServer()
	in.Add(fourth)
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
	id := st.ID(fourth.Addr)
	out, err := service.Insist(t, func() (string, error) { return in.Tool("ring", "remove", id, "--accept-loss") })
	if err != nil || !strings.Contains(out, `"left":0`) {
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
	in.Administer(http.MethodGet, "/ring", "").Want(t, http.StatusOK, `"strays":[]`)
}

// X8, P4: a server is permanently lost while arcs of another one can't arrive. It is
// abandoned without waiting for them. They arrive later, whole.
func TestX8AServerIsAbandonedWhileArcsOfOthersMove(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	in := r.Start()
	c := service.NewTrafficOf(r, 300, in)
	fourth := r.AddServer()
	before := make(map[string]string)
	for _, page := range c.Pages {
		var at struct{ Arc int }
		in.Administer(http.MethodGet, "/ring/owner?page_id="+page, "").Into(t, &at)
		before[page] = r.MustRead(in, page)[0].ServedVia
		r.Do(3, "set", fmt.Sprintf("ff:in:%d:2", at.Arc), "in the way")
	}
	in.Add(fourth)
	service.WaitFor(t, "all arcs that aren't stuck are moved", func() bool {
		m := in.Ring().Moves
		return len(m.Stuck) > 0 && m.Left == len(m.Stuck)
	})
	lost := in.Ring().Nodes[0]
	if lost.Addr == fourth.Addr {
		lost = in.Ring().Nodes[1]
	}
	r.ServerAt(lost.Addr).Kill()
	in.ToolFails([]string{"the change was made and continues"}, "ring", "remove", lost.ID, "--accept-loss")
	if st := in.Ring(); st.Moves.Left == 0 || len(st.Losses) != 1 {
		t.Fatalf("no arc of another server moves on, or none is lost: %+v", st)
	}
	for _, key := range r.Do(3, "keys", "ff:in:*").Val().([]any) {
		r.Do(3, "del", key)
	}
	in.Repair()
	in.Moved()
	moved := 0
	for _, page := range c.Pages {
		want, got := int64(1), r.MustRead(in, page)[0]
		if before[page] == lost.ID {
			want = 0
		}
		if got.Visits == nil || *got.Visits != want {
			t.Errorf("%s of %s: %+v, want %d", page, before[page], got, want)
		}
		if got.ServedVia != before[page] && want == 1 {
			moved++
		}
	}
	if moved == 0 {
		t.Error("no page of another server was moved")
	}
}

// V17, P3: of two servers, the second does not go on alone while the first is away, since
// that may go on alone, too. When an empty server is at the first one's address, it does.
func TestOfTwoServersTheFirstIsAbandonedOnlyWhenItIsEmpty(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	in := r.Start()
	first := in.Ring().Nodes[0]
	at := slices.Index(r.Servers, r.ServerAt(first.Addr))
	by := r.Pages(in, 5)
	for _, page := range slices.Concat(by...) {
		r.MustVisit(in, page)
	}
	r.Servers[at].Kill()
	in.ToolFails([]string{"409", "empty server at its address"}, "ring", "remove", first.ID, "--accept-loss")
	if st := in.Ring(); st.Epoch != 1 || len(st.Losses) > 0 {
		t.Errorf("what was refused has changed the ring: %+v", st)
	}
	check.Must(t, r.Servers[at].Start())
	r.Do(at, "flushall")
	in.MustTool("ring", "remove", first.ID, "--accept-loss")
	for i, pages := range by {
		for _, page := range pages {
			want := int64(1)
			if i == at {
				want = 0
			}
			check.Equal(t, in.Visits(page), want, "visits of %s", page)
		}
	}
}

// V17: the first of two servers goes on alone.
func TestTheFirstOfTwoServersAbandonsTheOther(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	in := r.Start()
	other := in.Ring().Nodes[1]
	r.ServerAt(other.Addr).Kill()
	in.MustTool("ring", "remove", other.ID, "--accept-loss")
	if st := in.Ring(); len(st.Losses) != 1 {
		t.Errorf("the ring is %+v", st)
	}
}
