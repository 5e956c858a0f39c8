// Package bench_test measures what users of the whole engine wait for. Figures
// are ratios within one run; nothing here passes or fails by a time.
package bench_test

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/test/check"
)

// BenchmarkCallers shows acknowledged, durable visits per second on the
// embedded store by the number of callers that write at once, and what one
// call takes: group commit is worth what 64 callers get above one.
func BenchmarkCallers(b *testing.B) {
	for _, callers := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			node := localnode.NewFile(localnode.FileOptions{Dir: b.TempDir()})
			check.Must(b, node.Start(b.Context()))
			defer func() { _ = node.Stop(b.Context()) }()
			c := cluster.New(cluster.Options{
				Nodes: []cluster.Node{node}, Length: counting.WindowLength(time.Minute), Log: slog.New(slog.DiscardHandler),
			})
			check.Must(b, c.Start(b.Context()))
			defer func() { _ = c.Stop(b.Context()) }()
			service := visits.New(c)

			var left atomic.Int64
			left.Store(int64(b.N))
			var all sync.WaitGroup
			b.ResetTimer()
			for caller := range callers {
				all.Go(func() {
					for i := caller; left.Add(-1) >= 0; i++ {
						page := counting.Page(fmt.Sprint("page/", i%1000))
						if err := service.Record(b.Context(), page, 1); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "visits/s")
			b.ReportMetric(b.Elapsed().Seconds()*1e6*float64(callers)/float64(b.N), "us/call")
		})
	}
}
