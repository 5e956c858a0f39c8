package ring_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"footfall/test/integration/service"
	"footfall/test/servers"
)

// V31, P5: nodes come, get other weights and go, and are switched off when the
// ring has forgotten them; every window that was published is listed once, with
// its number, and asked for by its id it is the same.
func TestWindowsStayKnownWhileNodesComeAndGo(t *testing.T) {
	t.Parallel()
	e := service.NewEndpoint(t)
	r := service.NewRing(t, 3, "--appendfsync", "everysec")
	r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms", "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8"}
	folders := []*service.Deployment{r.Deployment(), r.Deployment()}
	a, b := folders[0].Start(), folders[1].Start()
	sent := 0
	pass := func(d time.Duration) {
		t.Helper()
		for begin := time.Now(); time.Since(begin) < d; time.Sleep(30 * time.Millisecond) {
			sent++
			if got := r.Accept(a, sent, e.URL); got.Status != 200 {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
		}
	}
	pass(6 * time.Second)
	fourth := servers.StartRedis(t, "--appendfsync", "everysec")
	r.Servers = append(r.Servers, fourth)
	a.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, fourth.Addr))
	a.Moved()
	pass(4 * time.Second)
	st := b.Ring()
	b.Change(http.MethodPatch, "/ring/nodes/"+st.Nodes[1].ID, `{"weight":2}`)
	a.Moved()
	pass(4 * time.Second)
	for _, n := range st.Nodes {
		if n.Addr == r.Servers[0].Addr {
			b.Change(http.MethodDelete, "/ring/nodes/"+n.ID, "")
		}
	}
	service.WaitFor(t, "the ring has forgotten the node", time.Minute, func() bool {
		pass(100 * time.Millisecond)
		return len(a.Ring().Nodes) == 3 && len(b.Ring().Nodes) == 3
	})
	r.Servers[0].Kill()
	pass(time.Second)

	over := time.Now().Add(time.Second) // so are then all windows with ids
	service.WaitFor(t, "every window is done", time.Minute, func() bool {
		all := r.Windows(b)
		for _, w := range all {
			if w.State != "done" && !w.WindowEnd.After(over) {
				return false
			}
		}
		return len(all) > 0 && all[0].WindowEnd.After(over)
	})
	times, counts := make(map[string]int), make(map[string]int64)
	for _, d := range folders {
		for _, l := range d.Lines() {
			if l.Event == "unique_ids" && !l.WindowEnd.After(over) {
				times[l.ID]++
				counts[l.ID] = l.Count
			}
		}
	}
	list := make(map[string][]service.Listed)
	for _, w := range r.Windows(b) {
		list[w.ID] = append(list[w.ID], w)
	}
	if got := service.Total(folders[0].Reports()) + service.Total(folders[1].Reports()); got != int64(sent) {
		t.Errorf("%d ids were sent and %d published", sent, got)
	}
	missing, differ := 0, 0
	for id, count := range counts {
		if times[id] != 1 {
			t.Errorf("%s was published %d times", id, times[id])
		}
		if w := list[id]; len(w) != 1 || w[0].State != "done" || w[0].Count != count {
			missing++
			t.Logf("%s was published with %d and is listed as %+v", id, count, w)
		}
		var one struct {
			State     string
			Count     int64
			Endpoints []struct{ Result string }
		}
		status, body := a.Administer(http.MethodGet, "/windows/"+id, "")
		if status != 200 || json.Unmarshal([]byte(body), &one) != nil || one.State != "done" || one.Count != count ||
			count > 0 && (len(one.Endpoints) != 1 || one.Endpoints[0].Result != "delivered") {
			differ++
			t.Logf("%s was published with %d and is shown as %d %s", id, count, status, body)
		}
	}
	if missing+differ > 0 || len(counts) < 15 {
		t.Errorf("of %d windows %d are not listed as they were, and %d are not shown so", len(counts), missing, differ)
	}
}
