package bench_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// BenchmarkTop measures how long the most visited pages and the total of 1,000,000 pages on three Redis servers,
// which were visited within the last hours, take from the first call to the first answer, and then again.
func BenchmarkTop(b *testing.B) {
	p := startFootfall(b, redisServers(b, 3))
	awaitHistory(b, p)
	post := func(first int) {
		items := make([]string, 1000)
		for i := range items {
			items[i] = fmt.Sprintf(`{"page_id":"page-%d"}`, first+i)
		}
		got := check.Value(service.Request(http.DefaultClient, http.MethodPost, p.in.Public+"/visits", `[`+strings.Join(items, ",")+`]`))(b)
		check.Equal(b, got.Status, http.StatusOK, "%s", got.Body)
	}
	for first := 0; first < 1_000_000; first += 1000 {
		post(first)
	}
	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.row("question", "first answer s", "then ms", "CPU s of the service", "of Redis")
	b.ResetTimer()
	for _, question := range []string{"/pages/top", "/pages/total", "/pages/top?period=24h", "/pages/top?period=24h&prefix=page-1"} {
		ofService, ofRedis := cpu(b, p.service), cpu(b, p.redis...)
		first := awaitAnswer(b, p, question)
		ofService, ofRedis = cpu(b, p.service)-ofService, cpu(b, p.redis...)-ofRedis
		again := time.Now()
		awaitAnswer(b, p, question)
		t.row(question, fmt.Sprintf("%.1f", first.Seconds()), fmt.Sprintf("%.1f", time.Since(again).Seconds()*1e3), fmt.Sprintf("%.1f", ofService.Seconds()), fmt.Sprintf("%.1f", ofRedis.Seconds()))
		_ = t.Flush()
	}
	total := check.Value(service.Request(http.DefaultClient, http.MethodGet, p.in.Public+"/pages/total", ""))(b)
	check.Equal(b, strings.Contains(total.Body, `"pages":1000000,"visits":1000000`), true, "%s", total.Body)
}

// awaitAnswer asks until there is an answer, and returns how long that took.
func awaitAnswer(b *testing.B, p program, question string) time.Duration {
	b.Helper()
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		got := check.Value(service.Request(http.DefaultClient, http.MethodGet, p.in.Public+question, ""))(b)
		if got.Status == http.StatusOK {
			return time.Since(began)
		}
		check.Equal(b, got.Status, http.StatusServiceUnavailable, "%s", got.Body)
		if time.Since(began) > 10*time.Minute {
			b.Fatal(question, got.Body)
		}
	}
}
