package faults_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/integration/service"
)

// P1, P2, P9: a server whose memory is full drops the oldest history before it refuses a visit. The log and a metric
// say so, and since when history is kept.
func TestAFullServerDropsHistoryBeforeItRefusesVisits(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 1)
	in := r.Start()
	r.MustVisit(in, "home")
	check.Equal(t, in.Stop(), 0, "exit code")
	since := time.Now().Add(-20 * 24 * time.Hour).Truncate(time.Hour)
	plantHistory(r, since)

	in = r.Start()
	in.Get("/visits/home/history").Want(t, http.StatusOK, `"history_since":"`+since.UTC().Format(time.RFC3339))
	r.Do(0, "config", "resetstat")
	r.Do(0, "config", "set", "maxmemory", usedMemory(r)-64<<10)
	for i := range 40 {
		r.MustVisit(in, fmt.Sprint("page", i%20)) // a refusal fails the test unless the visit waited for room before
		r.MustVisit(in, "home")
	}
	check.Equal(t, in.Visits("home"), 41, "visits of a page")
	for i := range 20 {
		check.Equal(t, in.Visits(fmt.Sprint("page", i)), 2, "visits of page %d", i)
	}
	if stats := check.Value(r.Do(0, "info", "errorstats").Text())(t); !strings.Contains(stats, "errorstat_OOM") {
		t.Errorf("no visit came while the server was full:\n%s", stats)
	}
	const drops = "footfall_history_drops_total"
	service.WaitFor(t, "a metric says that history was dropped", func() bool { return r.Counter(in, drops) > 0 })
	if n := r.Counter(in, drops); n > 5 {
		t.Errorf("history was dropped %d times", n)
	}
	check.Says(t, fmt.Errorf("%s", in.Logged()), "the oldest history was dropped: the node has no room")
	var h struct {
		Since time.Time `json:"history_since"`
		Sum   int       `json:"sum"`
	}
	got := in.Get("/visits/home/history")
	got.Into(t, &h)
	if !h.Since.After(since) || h.Since.After(time.Now()) {
		t.Errorf("history since %v, want it after %v", h.Since, since)
	}
	check.Equal(t, h.Sum, 41, "visits of the last day: %s after\n%s", got.Body, in.Logged())
}

// plantHistory fills a server with the history of each hour since a time, of pages that it does not have, in arcs
// that have none.
func plantHistory(r *service.Ring, since time.Time) {
	r.T.Helper()
	setting := check.Value(counting.ParseHistory("1h:32d,1d:400d"))(r.T)
	var packed counting.Packed
	for at := since; at.Before(time.Now().Add(-2 * time.Hour)); at = at.Add(time.Hour) {
		packed = packed.Append(counting.Bucket{Unit: setting.UnitAt(at), Visits: 7})
	}
	for arc, planted := 0, 0; planted < 200; arc++ {
		if check.Value(r.Do(0, "exists", fmt.Sprint("ff:hp:", arc)).Int())(r.T) == 1 {
			continue
		}
		planted++
		fields := []any{"hset", fmt.Sprint("ff:hp:", arc), "", "0,"}
		for i := range 20 {
			fields = append(fields, fmt.Sprint("old/", i), string(packed))
		}
		r.Do(0, fields...)
	}
	r.Do(0, "hset", "ff:T", "history", fmt.Sprint(setting, " ", since.Unix()))
}

// usedMemory is what a server has allocated.
func usedMemory(r *service.Ring) int {
	r.T.Helper()
	for line := range strings.Lines(check.Value(r.Do(0, "info", "memory").Text())(r.T)) {
		if n, is := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); is {
			return check.Value(strconv.Atoi(n))(r.T)
		}
	}
	r.T.Fatal("the server says no used_memory")
	return 0
}
