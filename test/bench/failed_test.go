package bench_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// BenchmarkFailedCallbacks shows what 5,000 endpoints that fail cost an instance: its
// resident memory beside that after 5,000 that accept their count, and how long after the
// grace an endpoint of the next window is called, without failed callbacks, with 5,000 on
// record, and while these are retried.
func BenchmarkFailedCallbacks(b *testing.B) {
	const window, grace, endpoints = 10 * time.Second, time.Second, 5000
	env := append(service.LocalCallbacks(window.String(), grace.String()), fmt.Sprint("FOOTFALL_CALLBACK_LIMIT=", endpoints))
	footfall := startFootfall(b, redisServers(b, 3), env...)
	called := make(chan time.Time, 100)
	all := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(all.Close)
	good := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called <- time.Now() }))
	b.Cleanup(good.Close)
	away := "http://" + servers.FreeAddr(b) + "/hook/of/a/customer/"
	resident := func() float64 { return metrics(b, footfall)["process_resident_memory_bytes"] / (1 << 20) }
	begin := func() (end time.Time) { // of a window that has just begun
		end = time.Now().Truncate(window).Add(window)
		time.Sleep(time.Until(end.Add(time.Second)))
		return end.Add(window)
	}
	late := func(what string, meanwhile func()) {
		end := begin()
		service.Accept(b, footfall.in, 1, good.URL)
		time.Sleep(time.Until(end.Add(-2 * time.Second)))
		meanwhile()
		fmt.Printf("%s: called %v after the grace, %.1f MiB resident\n", what, (<-called).Sub(end.Add(grace)).Round(time.Millisecond), resident())
	}
	b.ResetTimer()
	begin()
	service.AcceptMany(b, footfall.in, endpoints, func(i int) string { return all.URL + "/hook/of/a/customer/" + fmt.Sprint(i) })
	late("nothing has failed", func() {})
	begin()
	service.AcceptMany(b, footfall.in, endpoints, func(i int) string { return away + fmt.Sprint(i) })
	onRecord := func() (n float64) {
		for line := range strings.Lines(footfall.in.Metrics()) {
			var of float64
			if _, value, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(line, "footfall_failed_callbacks{") {
				_ = check.Value(fmt.Sscan(value, &of))(b)
				n += of
			}
		}
		return n
	}
	most := 0.0
	for deadline := time.Now().Add(3 * window); onRecord() < endpoints; time.Sleep(100 * time.Millisecond) {
		if most = max(most, resident()); time.Now().After(deadline) {
			b.Fatalf("%v callbacks are on record", onRecord())
		}
	}
	fmt.Printf("%d endpoints fail: %.1f MiB resident at most\n", endpoints, most)
	late("they are on record", func() {})
	done := make(chan time.Duration, 1)
	late("they are retried", func() {
		go func() {
			began := time.Now()
			_, _ = footfall.in.Tool("callbacks", "retry", "--failed") // they fail again
			done <- time.Since(began)
		}()
	})
	fmt.Printf("the retry took %v\n", (<-done).Round(time.Millisecond))
}
