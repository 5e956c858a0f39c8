package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/test/servers"
)

// stuckArc is one as GET /ring tells it.
type stuckArc struct {
	Arc                       int
	From, To, At, Reason, Why string
}

func (in *instance) stuck() []stuckArc {
	in.t.Helper()
	_, body := in.administer(http.MethodGet, "/ring", "")
	var st struct{ Moves struct{ Stuck []stuckArc } }
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		in.t.Fatal(err)
	}
	return st.Moves.Stuck
}

// V13: keys that were planted in the way of some arcs hold up no others; the
// status, the metrics and the refusal of the next change say which arcs, where
// and why. When an operator has taken the keys away, all goes on.
func TestArcsThatAreStuckAreToldAndHoldUpNoOthers(t *testing.T) {
	t.Parallel()
	r := newRing(t, 2, "--appendfsync", "everysec")
	in := r.start()
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	r.servers = append(r.servers, third)
	c := newRingCrowd(r, []*instance{in}, 40)
	planted := make(map[int]string)
	for _, page := range c.pages {
		_, body := in.administer(http.MethodGet, "/ring/owner?page_id="+page, "")
		var at struct{ Arc int }
		if err := json.Unmarshal([]byte(body), &at); err != nil {
			t.Fatal(err)
		}
		planted[at.Arc] = fmt.Sprintf("ff:in:%d:2", at.Arc)
		r.do(2, "set", planted[at.Arc], "in the way")
	}
	in.change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":%q}`, third.Addr))
	waitFor(t, "all arcs that aren't stuck are moved", time.Minute, func() bool {
		left := in.ring().Moves.Left
		return left <= len(planted) && left == len(in.stuck())
	})
	stuck := in.stuck()
	if len(stuck) == 0 {
		t.Fatal("nothing is stuck")
	}
	to := ""
	for _, n := range in.ring().Nodes {
		if n.Addr == third.Addr {
			to = n.ID
		}
	}
	_, metrics := in.administer(http.MethodGet, "/metrics", "")
	for _, s := range stuck {
		if planted[s.Arc] == "" || s.To != to || s.At != to || s.From == to || s.Reason != "failed" || !strings.Contains(s.Why, "WRONGTYPE") {
			t.Errorf("stuck is %+v", s)
		}
	}
	if line := fmt.Sprintf("\nfootfall_ring_arcs_stuck %d\n", len(stuck)); !strings.Contains(metrics, line) {
		t.Errorf("no metric says %s", line)
	}
	status, body := in.administer(http.MethodPatch, "/ring/nodes/"+to, `{"weight":2}`)
	if status != 409 || !slices.ContainsFunc(stuck, func(s stuckArc) bool { return strings.Contains(body, fmt.Sprintf("arc %d from", s.Arc)) }) ||
		!strings.Contains(body, "WRONGTYPE") {
		t.Errorf("the next change: %d %s", status, body)
	}
	for _, s := range stuck {
		r.do(2, "del", planted[s.Arc])
	}
	in.repair() // tries them again at once
	in.moved()
	if stuck := in.stuck(); len(stuck) != 0 {
		t.Errorf("still stuck: %+v", stuck)
	}
	c.check()
}
