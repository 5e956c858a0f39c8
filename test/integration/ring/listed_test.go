package ring_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/integration/service"
)

// kept is as many windows as there are in 7 days of minutes.
const kept = 7 * 24 * 60

// keep gives the servers of a ring the records of windows that ended an hour ago and
// earlier, each to the home of its window, window w with the count w % 1000.
func keep(t *testing.T, r *service.Ring) (newest counting.Window) {
	t.Helper()
	length, ring := counting.WindowLength(time.Second), r.StoredRing(0)
	newest = length.At(time.Now().Add(-time.Hour))
	parts := make([][]counting.FullEntry, len(ring.Members()))
	for w := newest - kept + 1; w <= newest; w++ {
		home := ring.HomeIndex(w)
		parts[home] = append(parts[home], counting.FullEntry{Entry: counting.Entry{Window: w, State: counting.Done, Count: int64(w) % 1000, Sink: "log"}})
	}
	for i, m := range ring.Members() {
		check.Equal(t, len(parts[i]) > 0, true, "%s is a home", m.ID)
		give(t, ring, m, parts[i])
	}
	return newest
}

// give stores entries at a member, past the service.
func give(t *testing.T, ring *sharding.Ring, m sharding.Member, entries []counting.FullEntry) {
	t.Helper()
	n := redisnode.New(redisnode.Options{ID: m.ID, Addr: m.Addr, Log: slog.New(slog.DiscardHandler)})
	defer func() { check.OK(t, n.Close()) }()
	n.Bind(ring.Deployment())
	for some := range slices.Chunk(entries, 500) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		check.Must(t, n.ImportEntries(ctx, ring.Table(), some))
		cancel()
	}
}

// V31: a client that follows the list gets each of 10,080 windows once, while a node comes, gets
// another weight, and one goes and is switched off.
func TestAllWindowsOfSevenDaysAreListedOverAChangeOfTheRing(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3, "--appendfsync", "everysec")
	r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}
	a, b := r.Start(), r.Start()
	newest := keep(t, r)
	first := r.Servers[0]
	change := map[int]func(){
		3: func() { a.Add(r.AddServer("--appendfsync", "everysec")); a.Moved() },
		6: func() { b.Weigh(b.Ring().Nodes[1].ID, 2) }, // and the list goes on meanwhile
		9: func() {
			a.Moved()
			b.Remove(b.Ring().ID(first.Addr), "")
			service.WaitFor(t, "the ring has forgotten the node", func() bool { return len(a.Ring().Nodes) == 3 && len(b.Ring().Nodes) == 3 })
			first.Kill()
		},
	}
	times := make(map[string]int)
	query, pages := "", 0
	for cursor, begun := "", false; !begun || cursor != ""; begun = true {
		var answer struct {
			Windows    []service.Listed `json:"windows"`
			NextCursor string           `json:"next_cursor"`
		}
		query = "/api/verve/windows?limit=900&cursor=" + url.QueryEscape(cursor)
		service.WaitFor(t, "the list goes on", func() bool { // busy nodes may be away for a moment
			got := r.Ask([]*service.Instance{a, b}[pages%2], "GET", query, "")
			if got.Status == http.StatusOK {
				got.Into(t, &answer)
			}
			return got.Status == http.StatusOK
		})
		for _, w := range answer.Windows {
			if start := counting.WindowLength(time.Second).At(w.WindowStart); start <= newest {
				times[w.ID]++
				check.Equal(t, fmt.Sprint(w.State, w.Count), fmt.Sprint("done", int64(start)%1000), "window %s", w.ID)
			}
		}
		cursor = answer.NextCursor
		if pages++; change[pages] != nil {
			change[pages]()
		}
	}
	for id, n := range times {
		check.Equal(t, n, 1, "how often %s is listed", id)
	}
	if len(times) != kept || pages < 12 {
		t.Errorf("%d windows are listed on %d pages, want %d", len(times), pages, kept)
	}
	wantCommand(t, a, newest)
}

// wantCommand wants the command to list the same windows, and a span of them.
func wantCommand(t *testing.T, in *service.Instance, newest counting.Window) {
	t.Helper()
	length := counting.WindowLength(time.Second)
	end := length.Start(newest + 1).Format(time.RFC3339)
	lines := check.Value(csv.NewReader(strings.NewReader(in.MustTool("windows", "--format=csv", "--to="+end))).ReadAll())(t)
	check.Equal(t, len(lines), 1+kept, "lines of the table")
	for i, line := range lines[1:] {
		w := newest - counting.Window(i)
		check.Equal(t, strings.Join(line[:4], " "), strings.Join([]string{
			length.Name(w), length.Start(w).Format(time.RFC3339), length.End(w).Format(time.RFC3339), strconv.FormatInt(int64(w)%1000, 10),
		}, " "), "line %d", i)
	}
	some := in.MustTool("windows", "--from="+length.Start(newest-9).Format(time.RFC3339), "--to="+end)
	check.Equal(t, strings.Count(some, "\n"), 10, "windows of ten seconds")
	in.ToolFails([]string{"--from is neither a date"}, "windows", "--from=yesterday")
}
