package ring_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/test/integration/service"
	"footfall/test/servers"
)

// V13: keys that were planted in the way of some arcs hold up no others; the
// status, the metrics and the refusal of the next change say which arcs, where
// and why. When an operator has taken the keys away, all goes on.
func TestArcsThatAreStuckAreToldAndHoldUpNoOthers(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	in := r.Start()
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	r.Servers = append(r.Servers, third)
	c := service.NewRingCrowd(r, []*service.Instance{in}, 40)
	planted := make(map[int]string)
	for _, page := range c.Pages {
		_, body := in.Administer(http.MethodGet, "/ring/owner?page_id="+page, "")
		var at struct{ Arc int }
		if err := json.Unmarshal([]byte(body), &at); err != nil {
			t.Fatal(err)
		}
		planted[at.Arc] = fmt.Sprintf("ff:in:%d:2", at.Arc)
		r.Do(2, "set", planted[at.Arc], "in the way")
	}
	in.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":%q}`, third.Addr))
	service.WaitFor(t, "all arcs that aren't stuck are moved", time.Minute, func() bool {
		left := in.Ring().Moves.Left
		return left <= len(planted) && left == len(in.Stuck())
	})
	stuck := in.Stuck()
	if len(stuck) == 0 {
		t.Fatal("nothing is stuck")
	}
	to := ""
	for _, n := range in.Ring().Nodes {
		if n.Addr == third.Addr {
			to = n.ID
		}
	}
	_, metrics := in.Administer(http.MethodGet, "/metrics", "")
	for _, s := range stuck {
		if planted[s.Arc] == "" || s.To != to || s.At != to || s.From == to || s.Reason != "failed" || !strings.Contains(s.Why, "WRONGTYPE") {
			t.Errorf("stuck is %+v", s)
		}
	}
	if line := fmt.Sprintf("\nfootfall_ring_arcs_stuck %d\n", len(stuck)); !strings.Contains(metrics, line) {
		t.Errorf("no metric says %s", line)
	}
	status, body := in.Administer(http.MethodPatch, "/ring/nodes/"+to, `{"weight":2}`)
	if status != 409 || !slices.ContainsFunc(stuck, func(s service.StuckArc) bool { return strings.Contains(body, fmt.Sprintf("arc %d from", s.Arc)) }) ||
		!strings.Contains(body, "WRONGTYPE") {
		t.Errorf("the next change: %d %s", status, body)
	}
	for _, s := range stuck {
		r.Do(2, "del", planted[s.Arc])
	}
	in.Repair() // tries them again at once
	in.Moved()
	if stuck := in.Stuck(); len(stuck) != 0 {
		t.Errorf("still stuck: %+v", stuck)
	}
	c.Check()
}
