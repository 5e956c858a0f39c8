package redisnode_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// BenchmarkCounts measures batches of one kind of item, and reads. redis-us/op is the time that
// the server spends in the script.
func BenchmarkCounts(b *testing.B) {
	for _, size := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("visits/", size), func(b *testing.B) {
			benchmarkApply(b, func(batch *counting.Batch, i int) {
				for k := range size {
					page := (i*size + k) % 5000
					batch.Visits = append(batch.Visits, counting.Visit{Arc: counting.Arc(page), Page: counting.Page("page-" + strconv.Itoa(page)), Count: 1})
				}
			})
		})
		b.Run(fmt.Sprint("read/", size), func(b *testing.B) {
			benchmark(b, func(n node, i int) error {
				var pages []counting.Located
				for k := range size {
					page := (i*size + k) % 5000
					pages = append(pages, counting.Located{Arc: counting.Arc(page), Page: counting.Page("page-" + strconv.Itoa(page))})
				}
				_, err := n.Read(b.Context(), counting.Expected{Epoch: 1}, pages)
				return err
			})
		})
		b.Run(fmt.Sprint("ids/", size), func(b *testing.B) {
			benchmarkApply(b, func(batch *counting.Batch, i int) {
				for k := range size {
					batch.Clock = conformance.AnyTime()
					batch.IDEvents = append(batch.IDEvents, counting.IDEvent{ID: counting.ID((i*size + k) % 100_000), Table: 1})
				}
			})
		})
	}
}

func benchmarkApply(b *testing.B, fill func(batch *counting.Batch, i int)) {
	benchmark(b, func(n node, i int) error {
		batch := &counting.Batch{Epoch: 1, Session: "s", Seq: int64(i), EndpointLimit: 1000}
		fill(batch, i)
		_, err := n.Apply(b.Context(), batch)
		return err
	})
}

func benchmark(b *testing.B, call func(n node, i int) error) {
	server := servers.StartRedis(b, "--appendonly", "no")
	n := open(b, "redis_7070", server)
	ring := check.Value(sharding.New("bench", 7, counting.WindowLength(time.Hour), "first", []sharding.Member{{ID: n.ID(), Addr: n.Addr(), Weight: 1}}))(b)
	check.Value(n.Fence(b.Context(), ring))(b)
	check.Must(b, n.Open(b.Context(), ring))
	client := server.Client()
	defer func() { _ = client.Close() }()
	client.ConfigResetStat(b.Context())
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		check.Must(b, call(n, i))
	}
	stats := check.Value(client.Info(b.Context(), "commandstats").Result())(b)
	_, after, _ := strings.Cut(stats, "cmdstat_evalsha:")
	_, after, _ = strings.Cut(after, "usec_per_call=")
	perCall, _, _ := strings.Cut(after, ",")
	us := check.Value(strconv.ParseFloat(perCall, 64))(b)
	b.ReportMetric(us, "redis-us/op")
}
