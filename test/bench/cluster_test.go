package bench_test

import (
	"os"
	"strings"
	"testing"
	"text/tabwriter"

	"footfall/test/integration/service"
	"footfall/test/servers"
)

// BenchmarkCluster compares the service on a Redis Cluster of three masters with the same
// service on three independent servers, and the wait for a replica with none. Ratios are to
// the first of each load.
func BenchmarkCluster(b *testing.B) {
	three := startFootfall(b, redisServers(b, 3))
	three.name = "3 servers"
	alone := servers.StartCluster(b, 3, 0, "--appendfsync", "everysec")
	replicated := servers.StartCluster(b, 3, 1, "--appendfsync", "everysec")
	one := startOnCluster(b, "3 masters", alone, "")
	two := startOnCluster(b, "3 masters, 3 replicas", replicated, "")

	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.row("load", "store", "requests/s", "of the first", "p50 ms", "p99 ms", "service us", "Redis us")
	b.ResetTimer()
	for _, connections := range []int{256, 64} {
		l := load{kind: "visit", connections: connections}
		programs := []program{three, one, two}
		results := compare(b, l, programs)
		for i, f := range results {
			t.figures(l, programs[i], f, f.perSecond/results[0].perSecond)
		}
	}
	two.in.Kill()
	wait := startOnCluster(b, "3 masters, 3 replicas, wait=1", replicated, "?wait=1")
	for _, connections := range []int{256, 64} {
		l := load{kind: "visit", connections: connections}
		results := compare(b, l, []program{three, wait})
		t.figures(l, three, results[0], 1)
		t.figures(l, wait, results[1], results[1].perSecond/results[0].perSecond)
	}
	_ = t.Flush()
}

// startOnCluster starts the service on a Redis Cluster.
func startOnCluster(b *testing.B, name string, c *servers.Cluster, query string) program {
	b.Helper()
	r := service.NewClusterRing(b, c, query)
	r.Env = unlimited()
	p := program{name: name, in: r.Start()}
	for _, s := range c.Servers {
		p.redis = append(p.redis, s.PID())
	}
	p.addr, p.service = strings.TrimPrefix(p.in.Public, "http://"), p.in.Cmd.Process.Pid
	return p
}
