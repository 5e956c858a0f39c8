package visits_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/test/check"
)

// instant is a node that applies batches by doing nothing.
type instant struct{ *localnode.Node }

func (instant) Apply(context.Context, *counting.Batch) (counting.Receipt, error) {
	return counting.Receipt{}, nil
}

// BenchmarkRecordAll measures what routing and group commit cost of 2,000 visits over three nodes.
func BenchmarkRecordAll(b *testing.B) {
	var nodes []cluster.Node
	for i := range 3 {
		id := fmt.Sprintf("n%d", i+1)
		nodes = append(nodes, instant{localnode.New(localnode.Options{ID: counting.NodeID(id), Addr: id + ":6379"})})
	}
	c := cluster.New(cluster.Options{
		Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, KeyLimit: 1, Log: slog.New(slog.DiscardHandler),
	})
	check.Must(b, c.Start(b.Context()))
	b.Cleanup(func() { check.OK(b, c.Stop(context.Background())) })
	service := visits.New(c)
	all := make([]counting.Visit, 2000)
	for i := range all {
		all[i] = counting.Visit{Page: counting.Page(fmt.Sprintf("articles/2026/11/the-page-%04d", i)[20*(i%2):]), Count: 1}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range service.RecordAll(b.Context(), all) {
			if err != nil { // check.Must costs as much as a visit
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/item")
}
