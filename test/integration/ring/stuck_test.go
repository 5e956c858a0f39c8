package ring_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// V13: keys that were planted in the way of some arcs hold up no others; the
// status, the metrics and the refusal of the next change say which arcs, where
// and why. When an operator has taken the keys away, all goes on.
func TestArcsThatAreStuckAreReportedAndHoldUpNoOthers(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	in := r.Start()
	third := r.AddServer("--appendfsync", "everysec")
	c := service.NewTrafficOf(r, 40, in)
	planted := make(map[int]string)
	for _, page := range c.Pages {
		var at struct{ Arc int }
		in.Administer(http.MethodGet, "/ring/owner?page_id="+page, "").Into(t, &at)
		planted[at.Arc] = fmt.Sprintf("ff:in:%d:2", at.Arc)
		r.Do(2, "set", planted[at.Arc], "in the way")
	}
	in.Add(third)
	service.WaitFor(t, "all arcs that aren't stuck are moved", func() bool {
		left := in.Ring().Moves.Left
		return left <= len(planted) && left == len(in.Ring().Moves.Stuck)
	})
	stuck := in.Ring().Moves.Stuck
	if len(stuck) == 0 {
		t.Fatal("nothing is stuck")
	}
	to := in.Ring().ID(third.Addr)
	metrics := in.Metrics()
	for _, s := range stuck {
		if planted[s.Arc] == "" || s.To != to || s.At != to || s.From == to || s.Reason != "failed" || !strings.Contains(s.Why, "WRONGTYPE") {
			t.Errorf("stuck is %+v", s)
		}
	}
	if line := fmt.Sprintf("\nfootfall_ring_arcs_stuck %d\n", len(stuck)); !strings.Contains(metrics, line) {
		t.Errorf("no metric says %s", line)
	}
	got := in.Administer(http.MethodPatch, "/ring/nodes/"+to, `{"weight":2}`)
	got.Want(t, http.StatusConflict, "WRONGTYPE")
	if !slices.ContainsFunc(stuck, func(s service.StuckArc) bool { return strings.Contains(got.Body, fmt.Sprintf("arc %d from", s.Arc)) }) {
		t.Errorf("the next change names no stuck arc: %s", got.Body)
	}
	for _, s := range stuck {
		r.Do(2, "del", planted[s.Arc])
	}
	in.Repair() // tries them again
	in.Moved()
	check.Equal(t, len(in.Ring().Moves.Stuck), 0, "arcs that are still stuck")
	c.Check()
}
