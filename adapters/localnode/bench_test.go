package localnode_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"footfall/adapters/localnode"
	"footfall/domain/counting"
	"footfall/test/conformance"
)

// BenchmarkApply measures batches of visits of 10,000 pages, with a history or without, and of ids that
// are new, by one caller; an operation is one item.
func BenchmarkApply(b *testing.B) {
	for _, kind := range []string{"visits", "placed visits", "ids"} {
		for _, size := range []int{1, 16, 64, 512} {
			b.Run(fmt.Sprintf("%s/%d", kind, size), func(b *testing.B) {
				n := start(b, localnode.FileOptions{Dir: b.TempDir()})
				enter(b, n)
				if kind == "placed visits" {
					keepHistory(b, n, hours())
				}
				random := rand.New(rand.NewPCG(1, 2))
				seq := int64(0)
				b.ResetTimer()
				for done := 0; done < b.N; done += size {
					seq++
					batch := &counting.Batch{Epoch: 1, Session: "bench", Seq: seq, Clock: conformance.AnyTime()}
					for range size {
						if kind != "ids" {
							page := counting.Page(fmt.Sprintf("/page/%d", random.IntN(10_000)))
							batch.Visits = append(batch.Visits, counting.Visit{Page: page, Count: 1})
						} else {
							batch.IDEvents = append(batch.IDEvents, counting.IDEvent{ID: counting.ID(random.Uint64()), Table: 1})
						}
					}
					if r, err := n.Apply(b.Context(), batch); err != nil || len(r.Refused) > 0 {
						b.Fatal(r, err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
			})
		}
	}
}
