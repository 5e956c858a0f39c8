package bench_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"footfall/test/integration/service"
)

// rounds and length of the runs of wrk: programs take turns, so that what
// else the machine does is spread over all of them; figures are medians.
const (
	rounds = 9
	length = time.Second
)

// BenchmarkHTTP compares both listeners of the service, on three Redis servers each, without history and
// with it, with programs that do less: net/http, mux and fasthttp saying "ok", one INCR a request by
// go-redis, and Webdis. It prints one table; its ratios are to mux under the same load.
func BenchmarkHTTP(b *testing.B) {
	for _, name := range []string{"wrk", "webdis"} {
		if _, err := exec.LookPath(name); err != nil {
			b.Fatalf("%s is needed: apt-get install %s, or scripts/install-test-servers wrk as root", name, name)
		}
	}
	public, ingest := startListeners(b, "FOOTFALL_HISTORY=off")
	withHistory, ingestWithHistory := startListeners(b)
	awaitHistory(b, withHistory)
	withHistory.name += ", history"
	ingestWithHistory.name += ", history"
	incr, webdis := startBaseline(b, "incr", redisServers(b, 1)...), startWebdis(b, redisServers(b, 1)[0])
	bare, fast, visit := startBaseline(b, "net/http"), startBaseline(b, "fasthttp"), startBaseline(b, "mux visit")
	accept, read := startBaseline(b, "mux accept"), startBaseline(b, "mux read")

	all := []program{visit, bare, fast, incr, webdis, public, ingest, withHistory, ingestWithHistory}
	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.row("load", "program", "requests/s", "items/s", "of mux", "p50 ms", "p99 ms", "service us", "Redis us")
	b.ResetTimer()
	for _, c := range []struct {
		load
		programs []program
	}{
		{load{kind: "visit", connections: 256}, all},
		{load{kind: "visit", connections: 64}, all},
		{load{kind: "accept", connections: 256}, []program{accept, public, ingest}},
		{load{kind: "accept", connections: 64}, []program{accept, public, ingest}},
		{load{kind: "read", connections: 256}, []program{read, public, ingest}},
		{load{kind: "read", connections: 64}, []program{read, public, ingest}},
		{load{kind: "visit", connections: 1}, []program{visit, incr, webdis, public, ingest}},
		{load{kind: "bulk", connections: 4}, []program{public, ingest, withHistory, ingestWithHistory}},
	} {
		results := compare(b, c.load, c.programs)
		for i, p := range c.programs {
			ratio := results[i].perSecond / results[0].perSecond
			if c.kind == "bulk" { // mux has none
				ratio = 0
			}
			t.figures(c.load, p, results[i], ratio)
			if p.in != nil && c.kind == "visit" && c.connections == 256 {
				half := load{kind: c.kind, connections: 256, pause: time.Duration(2 * 256 / results[i].perSecond * float64(time.Second))}
				t.figures(half, p, compare(b, half, []program{p})[0], 0)
			}
		}
		_ = t.Flush()
	}
}

// startListeners starts the service on three servers, and returns it by its public listener and by its
// ingest listener.
func startListeners(b *testing.B, env ...string) (public, ingest program) {
	b.Helper()
	public = startFootfall(b, redisServers(b, 3), append(env, service.Ingest)...)
	public.name, ingest = "public", public
	ingest.name, ingest.addr = "ingest", strings.TrimPrefix(public.in.Counts, "http://")
	return public, ingest
}

// compare runs the programs in turn, and returns the medians of each.
func compare(b *testing.B, l load, programs []program) []figures {
	b.Helper()
	runs := make([][]figures, len(programs))
	for range rounds {
		for i, p := range programs {
			f := l.run(b, p, length)
			if f.failed > 0 { // figures of refusals are worth nothing
				b.Fatalf("%s, %v: %d requests failed", p.name, l, f.failed)
			}
			runs[i] = append(runs[i], f)
		}
	}
	medians := make([]figures, len(programs))
	for i := range programs {
		medians[i] = figures{
			perSecond: median(runs[i], func(f figures) float64 { return f.perSecond }),
			p50:       median(runs[i], func(f figures) time.Duration { return f.p50 }),
			p99:       median(runs[i], func(f figures) time.Duration { return f.p99 }),
			service:   median(runs[i], func(f figures) time.Duration { return f.service }),
			redis:     median(runs[i], func(f figures) time.Duration { return f.redis }),
		}
	}
	return medians
}

func median[T float64 | time.Duration](runs []figures, of func(figures) T) T {
	values := make([]T, len(runs))
	for i, f := range runs {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// table is what the benchmark prints.
type table struct{ *tabwriter.Writer }

func (t *table) row(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) }

func (t *table) figures(l load, p program, f figures, ratio float64) {
	of := ""
	if ratio > 0 {
		of = fmt.Sprintf("%.2f", ratio)
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1e3) }
	us := func(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1e6) }
	t.row(l.String(), p.name, fmt.Sprintf("%.0f", f.perSecond), fmt.Sprintf("%.0f", f.perSecond*float64(l.items())), of, ms(f.p50), ms(f.p99), us(f.service), us(f.redis))
}
