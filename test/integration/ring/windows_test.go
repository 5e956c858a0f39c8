package ring_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"testing"
	"time"

	"footfall/test/chaos"
	"footfall/test/integration/service"
)

// V31, P5: nodes come, get other weights and go, and are switched off when the
// ring has forgotten them; every window that was published is listed once, with
// its number, and asked for by its id it is the same.
func TestWindowsStayKnownWhileNodesComeAndGo(t *testing.T) {
	t.Parallel()
	e := service.NewEndpoint(t)
	r := service.NewRing(t, 3, "--appendfsync", "everysec")
	r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms", "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8", "FOOTFALL_CALLBACK_RATE=1000000/s"}
	folders := []*service.Deployment{r.Deployment(), r.Deployment()}
	a, b := folders[0].Start(), folders[1].Start()
	sent := 0
	var ids chaos.Account // a busy machine may refuse some, or leave them in doubt
	pass := func(d time.Duration) {
		t.Helper()
		for begin := time.Now(); time.Since(begin) < d; time.Sleep(30 * time.Millisecond) {
			sent++
			ids.Settle(r.Accept(a, sent, e.URL).Outcome, 1)
		}
	}
	pass(6 * time.Second)
	fourth := r.AddServer("--appendfsync", "everysec")
	a.Add(fourth)
	a.Moved()
	pass(4 * time.Second)
	st := b.Ring()
	b.Weigh(st.Nodes[1].ID, 2)
	a.Moved()
	pass(4 * time.Second)
	b.Remove(st.ID(r.Servers[0].Addr), "")
	service.WaitFor(t, "the ring has forgotten the node", func() bool {
		pass(100 * time.Millisecond)
		return len(a.Ring().Nodes) == 3 && len(b.Ring().Nodes) == 3
	})
	r.Servers[0].Kill()
	pass(time.Second)

	over := time.Now().Add(time.Second) // every window with ids has ended by then
	service.WaitFor(t, "every window is done", func() bool {
		all := r.Windows(b)
		for _, w := range all {
			if w.State != "done" && !w.WindowEnd.After(over) {
				return false
			}
		}
		return len(all) > 0 && all[0].WindowEnd.After(over)
	})
	reports, repeated := service.Reports(t, folders...)
	if repeated > 0 {
		t.Errorf("%d windows were published again", repeated)
	}
	list := make(map[string][]service.Listed)
	for _, w := range r.Windows(b) {
		list[w.ID] = append(list[w.ID], w)
	}
	acked, _, doubt := ids.Totals()
	if total := service.Total(reports); acked == 0 || total < acked || total > acked+doubt {
		t.Errorf("%d ids were published, %d were acknowledged, %d are in doubt", total, acked, doubt)
	}
	maps.DeleteFunc(reports, func(_ string, l service.Line) bool { return l.WindowEnd.After(over) })
	missing, differ := 0, 0
	for id, l := range reports {
		count := l.Count
		if w := list[id]; len(w) != 1 || w[0].State != "done" || w[0].Count != count {
			missing++
			t.Logf("%s was published with %d and is listed as %+v", id, count, w)
		}
		var one struct {
			State     string
			Count     int64
			Endpoints []struct{ Result string }
		}
		got := a.Administer(http.MethodGet, "/windows/"+id, "")
		if got.Status != 200 || json.Unmarshal([]byte(got.Body), &one) != nil || one.State != "done" || one.Count != count ||
			count > 0 && (len(one.Endpoints) != 1 || one.Endpoints[0].Result != "delivered") {
			differ++
			t.Logf("%s was published with %d and is shown as %d %s", id, count, got.Status, got.Body)
		}
	}
	if missing+differ > 0 || len(reports) < 15 {
		t.Errorf("of %d windows %d are not listed as they were, and %d are not shown so", len(reports), missing, differ)
	}
}
