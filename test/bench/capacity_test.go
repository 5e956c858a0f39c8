package bench_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// carrier is the service with the servers of its store.
type carrier struct {
	program
	nodes   []*servers.Redis // none: the embedded store, in data
	data    string
	history string // FOOTFALL_HISTORY
}

// BenchmarkCapacity shows what a visit and an id cost by the number of nodes: CPU time of the service and of all its
// servers, the size of batches, and bytes between them and written to disk. Requests come over the ingest
// listener. It prints the tables from which docs/capacity.md starts.
func BenchmarkCapacity(b *testing.B) {
	var all []carrier
	embedded := startCarrier(b, 0, "1h:32d,1d:400d")
	for _, history := range []string{"off", "1h:32d,1d:400d"} {
		for _, nodes := range []int{1, 2, 4} {
			all = append(all, startCarrier(b, nodes, history))
		}
	}
	for _, c := range append(all[3:], embedded) {
		awaitHistory(b, c.program)
	}
	markdown("load", "store", "history", "items/s", "service us", "Redis us", "items a batch", "B to Redis", "B from Redis", "B to disk")
	markdown(slices.Repeat([]string{"---"}, 10)...)
	b.ResetTimer()
	carried(b, load{kind: "visit", connections: 256}, all)
	carried(b, load{kind: "bulk", connections: 8}, all)
	off, on := diskOfAPage(b, all[0]), diskOfAPage(b, all[3])
	// It syncs each batch. More bulks at a time would wait for longer than a visit may.
	carried(b, load{kind: "visit", connections: 256}, []carrier{embedded})
	carried(b, load{kind: "bulk", connections: 1}, []carrier{embedded})
	data := dataOfAPage(b, embedded)
	for _, carriers := range [][]carrier{all[3:], {embedded}} {
		carried(b, load{kind: "accept", connections: 256}, carriers)
	}
	sent, received := requestBytes(b, all[0].program)
	fmt.Println()
	markdown("besides", "figure")
	markdown("---", "---")
	markdown("request of a single visit, and its answer", fmt.Sprintf("%d B, %d B", sent, received))
	markdown("HAProxy in front, as in the [compose stack](operations/compose.md), CPU a request",
		fmt.Sprintf("%.1f us", balancerCost(b, all[5].program).Seconds()*1e6))
	markdown("a page in an append-only file that was rewritten", fmt.Sprintf("%.1f B", off))
	markdown("the same with one bucket", fmt.Sprintf("%.1f B", on))
	markdown("a page with one bucket in the embedded store", fmt.Sprintf("%.1f B", data))
	windowCost(b)
}

// startCarrier starts the service with an ingest listener on some servers, or on the embedded store.
func startCarrier(b *testing.B, nodes int, history string) carrier {
	b.Helper()
	env := []string{service.Ingest, "FOOTFALL_HISTORY=" + history}
	c := carrier{history: map[bool]string{true: "off", false: "on"}[history == "off"]}
	if nodes == 0 {
		d := service.NewDeployment(b, append(env, unlimited()...)...)
		in := d.Start()
		c.program, c.data = program{name: "embedded", in: in, service: in.Cmd.Process.Pid}, filepath.Join(d.Dir, "data")
	} else {
		c.nodes = redisServers(b, nodes, "--auto-aof-rewrite-percentage", "0")
		c.program = startFootfall(b, c.nodes, env...)
		c.name = fmt.Sprint(nodes, " Redis")
	}
	c.addr = strings.TrimPrefix(c.in.Counts, "http://")
	return c
}

// traffic is what a carrier has done so far.
type traffic struct{ items, batches, batched, to, from, file float64 }

func (c carrier) traffic(b *testing.B) (t traffic) {
	b.Helper()
	for name, value := range metrics(b, c.program) {
		switch name, _, _ := strings.Cut(name, "{"); name {
		case "footfall_items_total":
			t.items += value
		case "footfall_batch_requests_count":
			t.batches += value
		case "footfall_batch_requests_sum":
			t.batched += value
		}
	}
	if len(c.nodes) == 0 {
		text := string(check.Value(os.ReadFile(fmt.Sprintf("/proc/%d/io", c.service)))(b))
		_, text, _ = strings.Cut(text, "\nwrite_bytes: ")
		check.Value(fmt.Sscan(text, &t.file))(b)
	}
	for _, n := range c.nodes {
		info := serverInfo(b, n)
		t.to += info["total_net_input_bytes"]
		t.from += info["total_net_output_bytes"]
		t.file += info["aof_current_size"]
	}
	return t
}

// serverInfo has all numbers that a server tells of itself.
func serverInfo(b *testing.B, n *servers.Redis) map[string]float64 {
	b.Helper()
	client := n.Client()
	defer func() { _ = client.Close() }()
	numbers := make(map[string]float64)
	for line := range strings.Lines(check.Value(client.Info(b.Context()).Result())(b)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), ":")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			numbers[name] = value
		}
	}
	return numbers
}

// markdown prints a row of a table as pages have it.
func markdown(cells ...string) { fmt.Println("| " + strings.Join(cells, " | ") + " |") }

// carried sends a load to the carriers in turns and prints a row for each.
func carried(b *testing.B, l load, carriers []carrier) {
	b.Helper()
	programs, before := make([]program, len(carriers)), make([]traffic, len(carriers))
	for i, c := range carriers {
		programs[i], before[i] = c.program, c.traffic(b)
	}
	for i, f := range compare(b, l, programs) {
		c, was := carriers[i], before[i]
		is := c.traffic(b)
		items := is.items - was.items
		each := func(is, was float64) string { return fmt.Sprintf("%.0f", (is-was)/items) }
		us := func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1e6) }
		markdown(l.String(), c.name, c.history, fmt.Sprintf("%.0f", f.perSecond*float64(l.items())), us(f.service), us(f.redis),
			fmt.Sprintf("%.0f", (is.batched-was.batched)/(is.batches-was.batches)), each(is.to, was.to), each(is.from, was.from), each(is.file, was.file))
	}
}

// requestBytes sends one visit as wrk does, and returns the bytes of the request and of its answer.
func requestBytes(b *testing.B, p program) (sent, received int) {
	b.Helper()
	conn := check.Value((&net.Dialer{}).DialContext(b.Context(), "tcp", p.addr))(b)
	defer func() { _ = conn.Close() }()
	check.Must(b, conn.SetDeadline(time.Now().Add(time.Minute)))
	sent = check.Value(fmt.Fprintf(conn, "POST /visit/page-50000 HTTP/1.1\r\nHost: %s\r\n\r\n", p.addr))(b)
	var all bytes.Buffer
	answer := check.Value(http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &all)), nil))(b)
	defer func() { _ = answer.Body.Close() }()
	check.Value(io.Copy(io.Discard, answer.Body))(b)
	check.Equal(b, answer.StatusCode, http.StatusOK, "the status of a visit")
	return sent, all.Len()
}

// balancerCost is the CPU time of a visit that the stack's balancer takes in front of an instance.
func balancerCost(b *testing.B, p program) time.Duration {
	b.Helper()
	config := string(check.Value(os.ReadFile("../../deploy/haproxy/haproxy.cfg"))(b))
	balancer := service.StartBalancer(b, p.in, config)
	in := program{name: "HAProxy", addr: strings.TrimPrefix(balancer.URL, "http://"), service: balancer.PID}
	return compare(b, load{kind: "visit", connections: 256}, []program{in})[0].service
}

// diskOfAPage has the one server of a carrier write its file again, and returns the bytes of a page in it.
func diskOfAPage(b *testing.B, c carrier) float64 {
	b.Helper()
	client := c.nodes[0].Client()
	defer func() { _ = client.Close() }()
	pages, lengths := int64(0), client.Pipeline()
	for _, arc := range check.Value(client.Keys(b.Context(), "ff:c:*").Result())(b) {
		lengths.HLen(b.Context(), arc)
	}
	for _, length := range check.Value(lengths.Exec(b.Context()))(b) {
		pages += length.(*redis.IntCmd).Val()
	}
	check.Must(b, client.BgRewriteAOF(b.Context()).Err())
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		info := serverInfo(b, c.nodes[0])
		if info["aof_rewrite_in_progress"]+info["aof_rewrite_scheduled"] == 0 && info["aof_base_size"] > float64(pages) {
			return info["aof_base_size"] / float64(pages)
		}
		if time.Now().After(until) {
			b.Fatalf("the file is not written again after a minute: %v", info)
		}
	}
}

// dataOfAPage is the size of the embedded store's files for each of the pages of testdata/load.lua.
func dataOfAPage(b *testing.B, c carrier) float64 {
	b.Helper()
	size := int64(0)
	check.Must(b, filepath.WalkDir(c.data, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	}))
	return float64(size) / 100_000
}

// windowCost prints what a window without ids costs on one node: the CPU time of 60 windows of a second above that
// of a service whose window is an hour, and the memory of what is kept of each.
func windowCost(b *testing.B) {
	b.Helper()
	const windows = 60
	nodes := redisServers(b, 2)
	short := startFootfall(b, nodes[:1], "FOOTFALL_WINDOW=1s")
	long := startFootfall(b, nodes[1:], "FOOTFALL_WINDOW=1h")
	client := nodes[0].Client()
	defer func() { _ = client.Close() }()
	done := func() []string { return check.Value(client.Keys(b.Context(), "ff:win:*").Result())(b) }
	await := func(n int) {
		for until := time.Now().Add(5 * time.Minute); len(done()) < n; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(until) {
				b.Fatalf("%d of %d windows after 5 minutes", len(done()), n)
			}
		}
	}
	await(5)
	first := len(done())
	service, redis := cpu(b, short.service)-cpu(b, long.service), cpu(b, short.redis...)-cpu(b, long.redis...)
	await(first + windows)
	kept := done()
	closed := float64(len(kept) - first)
	service, redis = cpu(b, short.service)-cpu(b, long.service)-service, cpu(b, short.redis...)-cpu(b, long.redis...)-redis
	memory := int64(0)
	for _, key := range append(kept, "ff:wins") {
		memory += check.Value(client.MemoryUsage(b.Context(), key, 0).Result())(b)
	}
	markdown("a window without ids, on one node: CPU of the service, CPU of Redis, memory", fmt.Sprintf("%.1f ms, %.1f ms, %.0f B",
		service.Seconds()*1e3/closed, redis.Seconds()*1e3/closed, float64(memory)/float64(len(kept))))
}
