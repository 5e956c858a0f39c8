package request_test

import (
	"bytes"
	"fmt"
	"testing"

	"footfall/adapters/httpapi/request"
)

// bulkOf is a bulk of n items, half of them with a count, whose names have 10 to 30 bytes.
func bulkOf(n int, first, between, last string) []byte {
	var b bytes.Buffer
	for i := range n {
		b.WriteString([]string{first, between}[min(i, 1)])
		name := fmt.Sprintf("articles/2026/11/the-page-%04d", i)[20*(i%2):]
		if i%4 < 2 {
			fmt.Fprintf(&b, `{"page_id":"%s","count":%d}`, name, i+1)
		} else {
			fmt.Fprintf(&b, `{"page_id":"%s"}`, name)
		}
	}
	return append(b.Bytes(), last...)
}

// BenchmarkVisits measures the reading of 2,000 items, beside that of the reference.
func BenchmarkVisits(b *testing.B) {
	for _, c := range []struct {
		name string
		body []byte
		read func([]byte) ([]request.Visit, error)
	}{
		{"array", bulkOf(request.MaxItems, "[", ",", "]"), request.Visits},
		{"ndjson", bulkOf(request.MaxItems, "", "\n", "\n"), request.Visits},
		{"reference array", bulkOf(request.MaxItems, "[", ",", "]"), reference},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if items, err := c.read(c.body); err != nil || len(items) != request.MaxItems || items[7].Err != nil {
					b.Fatal(len(items), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/request.MaxItems, "ns/item")
		})
	}
}
