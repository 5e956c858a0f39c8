package bench_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"footfall/test/check"
	"footfall/test/servers"
)

var soak = flag.Duration("soak", 20*time.Second, "how long BenchmarkSoak loads the service, in whole seconds")

// soakConnections is how many connections BenchmarkSoak has open at a time.
const soakConnections = 2000

// BenchmarkSoak loads the ingest listener by 2,000 connections, and then lets it read a million pages
// without visits. It prints the memory, goroutines and files of the service in the middle of each tenth of
// the load. It fails if a request did, or if one of these is more than a tenth higher in one of the last
// three parts than it was in the second. Memory is compared from a minute on: garbage gathers until then.
func BenchmarkSoak(b *testing.B) {
	allowFiles(b)
	_, ingest := startListeners(b)
	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	defer func() { _ = t.Flush() }()
	t.row("after", "visits", "RSS MiB", "heap MiB", "goroutines", "files")
	state := func(when string) map[string]float64 {
		m := metrics(b, ingest)
		t.row(when, fmt.Sprintf("%.0f", m["footfall_visits_total"]), fmt.Sprintf("%.1f", m["process_resident_memory_bytes"]/(1<<20)),
			fmt.Sprintf("%.1f", m["go_memstats_heap_alloc_bytes"]/(1<<20)), fmt.Sprintf("%.0f", m["go_goroutines"]), fmt.Sprintf("%.0f", m["process_open_fds"]))
		return m
	}
	b.ResetTimer()
	state("start")
	const parts = 10
	end := load{kind: "visit", connections: soakConnections}.start(b, ingest, *soak)
	begin, states := time.Now(), make([]map[string]float64, parts)
	for part := range parts {
		after := *soak / (2 * parts) * time.Duration(2*part+1)
		time.Sleep(time.Until(begin.Add(after)))
		states[part] = state(after.String())
	}
	f := end()
	check.Equal(b, f.failed, 0, "failed requests of %.0f a second", f.perSecond)
	flat := []string{"go_goroutines", "process_open_fds"}
	if *soak >= time.Minute {
		flat = append(flat, "process_resident_memory_bytes")
	}
	for _, name := range flat {
		for part := parts - 3; part < parts; part++ {
			if now, then := states[part][name], states[1][name]; now > 1.1*then {
				b.Errorf("%s is %.0f in part %d, and was %.0f in part 2", name, now, part+1, then)
			}
		}
	}
	for part := 1; part < parts; part++ {
		if files := states[part]["process_open_fds"]; files < soakConnections {
			b.Errorf("part %d has %.0f files open, which is fewer than its connections", part+1, files)
		}
	}
	for read := 0.0; read < 1e6; {
		f := load{kind: "reads", connections: 256}.run(b, ingest, 10*time.Second)
		check.Equal(b, f.failed, 0, "failed reads")
		read += f.perSecond * 10
		state(fmt.Sprintf("%.0f distinct reads", read))
	}
}

// allowFiles lets wrk, which inherits the limit, have a file for each connection. The service raises its own
// to the hard limit, and has three quarters of it for connections.
func allowFiles(b *testing.B) {
	b.Helper()
	const least = 2 * soakConnections
	var files syscall.Rlimit
	check.Must(b, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	if files.Max < least {
		b.Fatalf("%d files may be open, and %d have to: ulimit -Hn", files.Max, least)
	}
	files.Cur = files.Max
	check.Must(b, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files))
}

// redisServers starts servers that sync once a second, as most are run, and have further arguments.
func redisServers(b *testing.B, n int, args ...string) []*servers.Redis {
	b.Helper()
	all := make([]*servers.Redis, n)
	for i := range all {
		all[i] = servers.StartRedis(b, append([]string{"--appendfsync", "everysec"}, args...)...)
	}
	return all
}

// metrics are the service's own, with their labels in their names.
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
