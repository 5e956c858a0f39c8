package visits_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// pastDays is how many days of the histories of these tests lie before the present one.
const pastDays = 20

// past is the history of one page as a file has it, by hours.
type past struct {
	since time.Time
	hours map[time.Time]int64
	count int64
}

// pasts are n pages with visits in some hours of pastDays days, the more the later the page is, and some visits
// before those.
func pasts(n int, now time.Time) map[string]past {
	all := make(map[string]past)
	for i := range n {
		p := past{since: now.AddDate(0, 0, -pastDays).Truncate(time.Second), hours: map[time.Time]int64{}, count: int64(i)}
		for k := 1 + i%7; k < pastDays*24; k += 1 + (n-i)/5 {
			p.hours[now.Truncate(time.Hour).Add(-time.Duration(k)*time.Hour)] = int64(k)
			p.count += int64(k)
		}
		all[fmt.Sprintf("page/%d ä<&>\"", i)] = p
	}
	return all
}

func (p past) line(page string) string {
	var hours [][2]int64
	for at, visits := range p.hours {
		hours = append(hours, [2]int64{at.Unix(), visits})
	}
	text, _ := json.Marshal(map[string]any{"page_id": page, "count": p.count, "history": map[string]any{"since": p.since.Unix(), "1h": hours}})
	return string(text) + "\n"
}

// timeline is an answer about the history of a page.
type timeline struct {
	Buckets []struct {
		Start  time.Time
		Visits int64
	}
	Sum, Total int64
	Before     int64     `json:"before_history"`
	Since      time.Time `json:"history_since"`
}

// keeping waits until all nodes of an instance keep history: under load one may answer too late at the start.
func keeping(t *testing.T, in *service.Instance, setting string) *service.Instance {
	t.Helper()
	service.WaitFor(t, "history to begin", func() bool {
		reply := in.Administer(http.MethodPut, "/history", `{"history":"`+setting+`"}`)
		var kept struct{ Nodes []struct{ Since string } }
		if reply.Status != http.StatusOK {
			return false
		}
		reply.Into(t, &kept)
		for _, n := range kept.Nodes {
			if n.Since == "" {
				return false
			}
		}
		return len(kept.Nodes) > 0
	})
	return in
}

// historyOf asks for a page from before its history began to after the day, which may end meanwhile.
func historyOf(t *testing.T, in *service.Instance, page string, now time.Time) (text string) {
	t.Helper()
	reply := in.Get("/visits/" + url.PathEscape(page) + "/history?from=" + now.AddDate(0, 0, -pastDays-2).Format(time.DateOnly) + "&to=" + now.AddDate(0, 0, 2).Format(time.DateOnly))
	reply.Want(t, http.StatusOK)
	return reply.Body
}

// wantPast compares what an instance has of a page with the account of it.
func wantPast(t *testing.T, in *service.Instance, page string, p past, now time.Time) {
	t.Helper()
	var got timeline
	check.Must(t, json.Unmarshal([]byte(historyOf(t, in, page, now)), &got))
	sum, found := int64(0), 0
	for _, b := range got.Buckets {
		check.Equal(t, b.Visits, p.hours[b.Start.UTC()], "visits of %s at %v", page, b.Start)
		if b.Visits > 0 {
			found++
		}
		sum += b.Visits
	}
	check.Equal(t, found, len(p.hours), "buckets of %s", page)
	check.Equal(t, got.Sum, sum, "sum of %s", page)
	check.Equal(t, got.Total, p.count, "total of %s", page)
	check.Equal(t, got.Before, p.count-sum, "visits of %s before its history", page)
	check.Equal(t, got.Since.UTC(), p.since.UTC(), "begin of the history of %s", page)
}

// P11: an export with history is imported exactly, into every kind of store, as often as wanted, and each
// page goes on from there. A page without a history starts again.
func TestP11AnExportCarriesHistory(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	want := pasts(120, now)
	var lines strings.Builder
	for page, p := range want {
		lines.WriteString(p.line(page))
	}
	const setting = "1h:32d,1d:400d"
	from := keeping(t, service.NewRing(t, 2).Start(), setting)
	first := inFile(t, lines.String()+`{"page_id":"plain","count":7}`+"\n")
	const visited = "page/3 ä<&>\""
	p, hour := want[visited], func() time.Time { return time.Now().UTC().Truncate(time.Hour) }
	for at := (time.Time{}); !at.Equal(hour()); { // once more if an hour ends meanwhile
		at = hour()
		from.MustTool("import", first)
		from.Record(visited)
		from.Record("plain")
		p.hours = maps.Clone(want[visited].hours)
		p.hours[at]++
	}
	p.count++
	want[visited] = p
	for page, p := range want {
		wantPast(t, from, page, p, now)
	}

	file := filepath.Join(t.TempDir(), "all.ndjson")
	from.MustTool("export", "--history", file)
	plain := historyOf(t, from, "plain", now)
	ring := service.NewRing(t, 2)
	for i, into := range []*service.Instance{
		ring.Start(), service.NewDeployment(t).Start(), service.NewClusterRing(t, servers.StartCluster(t, 1, 0), "?partitions=2").Start(),
	} {
		keeping(t, into, setting)
		into.Record(visited) // it has visits of its own before, which the file replaces
		for range 2 {
			into.MustTool("import", file)
		}
		for page, p := range want {
			wantPast(t, into, page, p, now)
		}
		check.Equal(t, historyOf(t, into, "plain", now), plain, "the history of a page that was set")
		if i == 0 {
			into.Add(servers.StartRedis(t))
			into.Moved()
			for page, p := range want {
				wantPast(t, into, page, p, now)
			}
		}
		into.Record(visited)
		check.Equal(t, into.Visits(visited), p.count+1, "visits after a visit")
	}
}

// A file without histories starts them again, and a store that keeps none refuses a file with them. Buckets stay as
// long as they are.
func TestHistoriesAreImportedAsTheStoreKeepsThem(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	for page, p := range pasts(1, now) {
		quarters := keeping(t, service.NewDeployment(t, "FOOTFALL_HISTORY=15m:32d").Start(), "15m:32d")
		quarters.MustTool("import", inFile(t, p.line(page)))
		wantPast(t, quarters, page, p, now)
		quarters.Get("/visits/"+url.PathEscape(page)+"/history?step=15m&from="+now.AddDate(0, 0, -2).Format(time.DateOnly)).Want(t, http.StatusBadRequest, `"code":"resolution"`)
		file := filepath.Join(t.TempDir(), "all.ndjson")
		quarters.MustTool("export", file)
		if text := check.Value(os.ReadFile(file))(t); strings.Contains(string(text), "history") {
			t.Errorf("an export without --history has %s", text)
		}
		quarters.MustTool("import", file)
		var again timeline
		check.Must(t, json.Unmarshal([]byte(historyOf(t, quarters, page, now)), &again))
		check.Equal(t, again.Sum, 0, "sum of a page that was set")
		check.Equal(t, again.Before, p.count, "visits before the history of a page that was set")

		off := service.NewDeployment(t, "FOOTFALL_HISTORY=off").Start()
		off.ToolFails([]string{"409 Conflict: A page with a history was not set"}, "import", inFile(t, p.line(page)))
		check.Equal(t, off.Visits(page), 0, "visits of a page that was refused")
		off.Record(page)
		off.ToolFails([]string{"404 Not Found: This store keeps no history"}, "export", "--history", file)
	}
}
