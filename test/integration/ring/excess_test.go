package ring_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// S2: a page gets a huge number while its arc moves, so that the sum of both parts
// does not fit. The key that holds up the arcs stands for an instance of an older
// version, which refused such pages. The move ends, the page has the
// maximum, the excess is reported exactly, and the next change is possible.
func TestS2CountsThatOverflowDoNotHoldUpAMove(t *testing.T) {
	t.Parallel()
	const most, half, live int64 = 1<<63 - 1, 1 << 62, 1<<62 + 12345
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	in := r.Start()
	third := r.AddServer("--appendfsync", "everysec")
	pages := make(map[string]int)
	for i := range 10 {
		page := fmt.Sprint("page-", i)
		in.Administer(http.MethodPut, "/pages/"+page, fmt.Sprintf(`{"count":%d}`, half)).Want(t, http.StatusOK, "")
		var at struct{ Arc int }
		in.Administer(http.MethodGet, "/ring/owner?page_id="+page, "").Into(t, &at)
		pages[page] = at.Arc
		r.Do(2, "set", fmt.Sprintf("ff:in:%d:2", at.Arc), "in the way")
	}
	in.Add(third)
	service.WaitFor(t, "the arcs of pages alone are left", func() bool {
		moves := in.Ring().Moves
		return moves.Left > 0 && moves.Left == len(moves.Stuck)
	})
	coming := make(map[int]bool)
	for _, s := range in.Ring().Moves.Stuck {
		coming[s.Arc] = true
	}
	moved := 0
	for page, arc := range pages {
		if coming[arc] {
			moved++
			r.Do(2, "hset", fmt.Sprintf("ff:c:%d", arc), page, strconv.FormatInt(live, 10))
		}
	}
	for _, arc := range pages {
		r.Do(2, "del", fmt.Sprintf("ff:in:%d:2", arc))
	}
	in.Repair()
	in.MovedWithin(2 * time.Minute)
	for page, arc := range pages {
		want := half
		if coming[arc] {
			want = most
			check.Equal(t, r.Do(2, "hget", fmt.Sprintf("ff:o:%d:2", arc), page).Val(), any(strconv.Itoa(12346)), "excess of %s", page)
		}
		r.Read(in, page).Want(t, http.StatusOK, fmt.Sprintf(`"visits":%d`, want))
	}
	if line := fmt.Sprintf("\nfootfall_ring_excess_pages_total %d\n", moved); !strings.Contains(in.Metrics(), line) {
		t.Errorf("no metric says %s", line)
	}
	in.Repair()
	got := in.Administer(http.MethodGet, "/ring", "")
	got.Want(t, http.StatusOK, `"excess":true`)
	to := in.Ring().ID(third.Addr)
	in.Administer(http.MethodPatch, "/ring/nodes/"+to, `{"weight":2}`).Want(t, http.StatusOK, "")
}
