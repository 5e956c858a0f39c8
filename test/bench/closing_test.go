package bench_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/servers"
)

// BenchmarkClosing shows how long after the grace of a window with half a
// million ids and more its count stands in the queue of a RabbitMQ server, on
// three Redis servers.
func BenchmarkClosing(b *testing.B) {
	const window, grace, queue = 40 * time.Second, time.Second, "counts"
	broker := servers.StartRabbitMQ(b)
	footfall := startFootfall(b, redisServers(b, 3), "FOOTFALL_PUBLISHER="+broker.URL(broker.Addr, queue),
		"FOOTFALL_WINDOW="+window.String(), "FOOTFALL_GRACE="+grace.String())
	end := time.Now().Truncate(window).Add(window)
	time.Sleep(time.Until(end.Add(time.Second)))
	end = end.Add(window)
	load{kind: "ids", connections: 256}.run(b, footfall, window-10*time.Second)
	time.Sleep(time.Until(end.Add(grace)))
	b.ResetTimer()
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		for _, m := range broker.Messages(b, queue) {
			var count struct {
				Start time.Time `json:"window_start"`
				Count int       `json:"count"`
			}
			check.Must(b, json.Unmarshal(m.Body, &count))
			if count.Start.Equal(end.Add(-window)) {
				fmt.Printf("%d ids: the count was in the queue %v after the grace\n", count.Count, time.Since(end.Add(grace)).Round(time.Millisecond))
				return
			}
		}
	}
	b.Error("no count came within a minute")
}
