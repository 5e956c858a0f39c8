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
)

// rounds and length of the runs of wrk: programs take turns, so that what
// else the machine does is spread over all of them; figures are medians.
const (
	rounds = 9
	length = time.Second
)

// BenchmarkHTTP compares the service on three Redis servers with programs that
// do less: net/http and mux saying "ok", and one INCR a request. It prints one
// table; its ratios are to mux under the same load.
func BenchmarkHTTP(b *testing.B) {
	if _, err := exec.LookPath("wrk"); err != nil {
		b.Fatal("wrk is needed: apt-get install wrk, or scripts/install-test-servers wrk as root")
	}
	footfall := startFootfall(b, redisServers(b, 3))
	incr := startBaseline(b, "incr", redisServers(b, 1)...)
	bare, visit := startBaseline(b, "net/http"), startBaseline(b, "mux visit")
	accept, read := startBaseline(b, "mux accept"), startBaseline(b, "mux read")

	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.row("load", "program", "requests/s", "of mux", "p50 ms", "p99 ms", "service us", "Redis us")
	b.ResetTimer()
	for _, c := range []struct {
		load
		programs []program
	}{
		{load{kind: "visit", connections: 256}, []program{visit, bare, incr, footfall}},
		{load{kind: "visit", connections: 64}, []program{visit, bare, incr, footfall}},
		{load{kind: "accept", connections: 256}, []program{accept, footfall}},
		{load{kind: "accept", connections: 64}, []program{accept, footfall}},
		{load{kind: "read", connections: 256}, []program{read, footfall}},
		{load{kind: "read", connections: 64}, []program{read, footfall}},
		{load{kind: "visit", connections: 1}, []program{visit, incr, footfall}},
	} {
		results := compare(b, c.load, c.programs)
		for i, p := range c.programs {
			t.figures(c.load, p, results[i], results[i].perSecond/results[0].perSecond)
		}
		if c.kind == "visit" && c.connections == 256 {
			top := results[len(results)-1].perSecond
			half := load{kind: "visit", connections: 256, pause: time.Duration(2 * 256 / top * float64(time.Second))}
			t.figures(half, footfall, compare(b, half, []program{footfall})[0], 0)
		}
	}
	_ = t.Flush()
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
	t.row(l.String(), p.name, fmt.Sprintf("%.0f", f.perSecond), of, ms(f.p50), ms(f.p99), us(f.service), us(f.redis))
}
