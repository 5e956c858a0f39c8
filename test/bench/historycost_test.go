package bench_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

var olderProgram = flag.String("older", "", "a program without history, which BenchmarkHistoryCost measures, too")

// BenchmarkHistoryCost compares the service with history and without, each on three Redis servers,
// in turns. Ratios are to that without. With -older an older version takes turns with them.
func BenchmarkHistoryCost(b *testing.B) {
	off := startFootfall(b, redisServers(b, 3), "FOOTFALL_HISTORY=off")
	on := startFootfall(b, redisServers(b, 3))
	awaitHistory(b, on)
	off.name, on.name = "off", "on"
	programs := []program{off, on}
	if *olderProgram != "" {
		programs = append(programs, startOlder(b, redisServers(b, 3)))
	}

	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.row("load", "history", "requests/s", "visits/s", "of off", "p50 ms", "p99 ms", "service us", "Redis us")
	b.ResetTimer()
	for _, l := range []load{{kind: "visit", connections: 256}, {kind: "visit", connections: 64}, {kind: "bulk", connections: 8}} {
		results := compare(b, l, programs)
		for i, f := range results {
			t.figures(l, programs[i], f, f.perSecond/results[0].perSecond)
		}
		_ = t.Flush()
	}
}

// bulkVisits is how many visits a bulk of testdata/load.lua has.
const bulkVisits = 500

// startOlder starts the older program on some Redis servers.
func startOlder(b *testing.B, nodes []*servers.Redis) program {
	b.Helper()
	r := &service.Ring{T: b, Env: unlimited()}
	p := program{name: "older version"}
	for _, n := range nodes {
		r.Seeds = append(r.Seeds, n.Addr)
		p.redis = append(p.redis, n.PID())
	}
	d := r.Deployment()
	d.Program = *olderProgram
	p.in = d.Start()
	p.addr, p.service = strings.TrimPrefix(p.in.Public, "http://"), p.in.Cmd.Process.Pid
	return p
}

// awaitHistory waits until all nodes of a program keep history.
func awaitHistory(b *testing.B, p program) {
	b.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		begun := 0
		for page := range 50 { // of all three nodes
			got := check.Value(service.Request(http.DefaultClient, http.MethodGet, fmt.Sprintf("%s/visits/page-%d/history", p.in.Public, page), ""))(b)
			if got.Status == http.StatusOK {
				begun++
			}
		}
		switch {
		case begun == 50:
			return
		case time.Now().After(until):
			b.Fatalf("%d of 50 pages have a history after a minute", begun)
		}
	}
}

// BenchmarkHistoryRead measures reads of 720 hours of 1,000 pages that were visited in each of them, at a modest rate,
// and the longest script of the servers that read one.
func BenchmarkHistoryRead(b *testing.B) {
	nodes := redisServers(b, 3)
	p := startFootfall(b, nodes)
	p.name = "720 hours"
	awaitHistory(b, p)
	for page := range 1000 {
		got := check.Value(service.Request(http.DefaultClient, http.MethodPost, fmt.Sprintf("%s/visit/page-%d", p.in.Public, page+1), ""))(b)
		check.Equal(b, got.Status, http.StatusOK, "a visit")
	}
	pages := 0
	for _, n := range nodes {
		pages += storeHours(b, n)
	}
	check.Equal(b, pages, 1000, "pages with 720 hours")

	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.row("load", "answer", "requests/s", "", "", "p50 ms", "p99 ms", "service us", "Redis us")
	b.ResetTimer()
	l := load{kind: "history", connections: 8, pause: 80 * time.Millisecond}
	longest := time.Duration(0)
	for range rounds {
		f := l.run(b, p, 5*length)
		check.Equal(b, f.failed, 0, "failed requests")
		for _, n := range nodes {
			longest = max(longest, longestRead(b, n))
		}
		t.figures(load{kind: l.kind, connections: l.connections}, p, f, 0)
	}
	_ = t.Flush()
	fmt.Printf("longest script of a read: %.2f ms\n", longest.Seconds()*1e3)
}

// storeHours stores 720 hours of the pages that a server has, of which those of the last day are open,
// and returns their number. From now on the server notes all commands.
func storeHours(b *testing.B, n *servers.Redis) (pages int) {
	b.Helper()
	client := n.Client()
	defer func() { _ = client.Close() }()
	now := time.Now().Truncate(time.Hour)
	kept := check.Value(counting.ParseHistory("1h:32d,1d:400d"))(b)
	check.Must(b, client.HSet(b.Context(), "ff:T", "history", fmt.Sprint(kept, " ", now.AddDate(0, 0, -31).Unix())).Err())
	var packed counting.Packed
	for hour := 719; hour > 24; hour-- {
		packed = packed.Append(counting.Bucket{Unit: kept.UnitAt(now.Add(-time.Duration(hour) * time.Hour)), Visits: 83})
	}
	for _, key := range check.Value(client.Keys(b.Context(), "ff:c:*").Result())(b) {
		arc := strings.TrimPrefix(key, "ff:c:")
		list := check.Value(client.HGet(b.Context(), "ff:hp:"+arc, "").Result())(b)
		of := check.Value(client.HKeys(b.Context(), key).Result())(b)
		for _, page := range of {
			check.Must(b, client.HIncrBy(b.Context(), key, page, 719*83).Err())
			check.Must(b, client.HSet(b.Context(), "ff:hp:"+arc, page, string(packed)).Err())
			for hour := 24; hour > 0; hour-- {
				unit := kept.UnitAt(now.Add(-time.Duration(hour) * time.Hour))
				check.Must(b, client.HSet(b.Context(), fmt.Sprintf("ff:h:%d:%s", unit, arc), page, 83).Err())
				if entry := fmt.Sprintf("%d,", unit); !strings.Contains(list, ","+entry) {
					list += entry
				}
			}
		}
		check.Must(b, client.HSet(b.Context(), "ff:hp:"+arc, "", list).Err())
		pages += len(of)
	}
	for name, value := range map[string]string{"slowlog-max-len": "10000", "slowlog-log-slower-than": "0"} {
		check.Must(b, client.ConfigSet(b.Context(), name, value).Err())
	}
	return pages
}

// longestRead is the longest time that a script of a server took to read a history since it was asked last.
func longestRead(b *testing.B, n *servers.Redis) (longest time.Duration) {
	b.Helper()
	client := n.Client()
	defer func() { _ = client.Close() }()
	for _, e := range check.Value(client.SlowLogGet(b.Context(), -1).Result())(b) {
		if strings.HasPrefix(strings.ToLower(e.Args[0]), "eval") && strings.HasPrefix(e.Args[len(e.Args)-1], "page-") {
			longest = max(longest, e.Duration)
		}
	}
	check.Must(b, client.Do(b.Context(), "SLOWLOG", "RESET").Err())
	return longest
}
