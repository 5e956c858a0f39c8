package bench_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"footfall/test/servers"
)

var soak = flag.Duration("soak", 20*time.Second, "how long BenchmarkSoak loads the service")

// BenchmarkSoak loads the service by 2,000 connections, and then lets it read
// a million pages without visits. It prints the memory and goroutines
// of the service, which stay as they are after the first moments.
func BenchmarkSoak(b *testing.B) {
	footfall := startFootfall(b, redisServers(b, 3))
	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.row("after", "requests", "failed", "RSS MiB", "heap MiB", "goroutines")
	state := func(when string, requests float64, failed int64) {
		m := metrics(b, footfall)
		t.row(when, fmt.Sprintf("%.0f", requests), fmt.Sprint(failed), fmt.Sprintf("%.1f", m["process_resident_memory_bytes"]/(1<<20)),
			fmt.Sprintf("%.1f", m["go_memstats_heap_alloc_bytes"]/(1<<20)), fmt.Sprintf("%.0f", m["go_goroutines"]))
	}
	b.ResetTimer()
	state("start", 0, 0)
	const parts = 10
	var requests float64
	for part := 1; part <= parts; part++ {
		length := *soak / parts
		f := load{kind: "visit", connections: 2000}.run(b, footfall, length)
		requests += f.perSecond * length.Seconds()
		state((time.Duration(part) * length).String(), requests, f.failed)
	}
	for read := 0.0; read < 1e6; {
		f := load{kind: "reads", connections: 256}.run(b, footfall, 10*time.Second)
		read += f.perSecond * 10
		state("distinct reads", read, f.failed)
	}
	_ = t.Flush()
}

// redisServers starts servers that sync once a second, as most are run.
func redisServers(b *testing.B, n int) []*servers.Redis {
	b.Helper()
	all := make([]*servers.Redis, n)
	for i := range all {
		all[i] = servers.StartRedis(b, "--appendfsync", "everysec")
	}
	return all
}

// metrics are the service's own without labels.
func metrics(b *testing.B, p program) map[string]float64 {
	b.Helper()
	values := make(map[string]float64)
	for line := range strings.Lines(p.in.Metrics()) {
		var value float64
		name, text, _ := strings.Cut(line, " ")
		if _, err := fmt.Sscan(text, &value); err == nil {
			values[name] = value
		}
	}
	return values
}
