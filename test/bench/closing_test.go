package bench_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"footfall/test/check"
	"footfall/test/kafkatest"
	"footfall/test/servers"
)

var closingWindow = flag.Duration("closing", 40*time.Second, "length of the window that the benchmarks of closing fill, in whole seconds above 10")

// BenchmarkClosing shows how long after the grace of a window with half a
// million ids and more its count stands in the queue of a RabbitMQ server, on
// three Redis servers.
func BenchmarkClosing(b *testing.B) {
	const queue = "counts"
	broker := servers.StartRabbitMQ(b)
	closing(b, broker.URL(broker.Addr, queue), func() (bodies [][]byte) {
		for _, m := range broker.Messages(b, queue) {
			bodies = append(bodies, m.Body)
		}
		return bodies
	})
}

// BenchmarkRedisStreamClosing is BenchmarkClosing for the stream of another Redis server.
func BenchmarkRedisStreamClosing(b *testing.B) {
	const stream = "counts"
	server := servers.StartRedis(b)
	client := server.Client()
	defer func() { _ = client.Close() }()
	closing(b, "redis-stream://"+server.Addr+"/"+stream, func() (bodies [][]byte) {
		for _, m := range check.Value(client.XRange(b.Context(), stream, "-", "+").Result())(b) {
			bodies = append(bodies, fmt.Append(nil, m.Values["body"]))
		}
		return bodies
	})
}

// BenchmarkNATSClosing is BenchmarkClosing for the stream of a NATS server.
func BenchmarkNATSClosing(b *testing.B) {
	const subject = "counts"
	server := servers.StartNATS(b)
	server.AddStream(b, subject, jetstream.StreamConfig{})
	closing(b, server.URL(server.Addr, subject), func() (bodies [][]byte) {
		for _, m := range server.Messages(b, subject) {
			bodies = append(bodies, m.Data)
		}
		return bodies
	})
}

// BenchmarkKafkaClosing is BenchmarkClosing for a topic of the fake broker of Kafka.
func BenchmarkKafkaClosing(b *testing.B) {
	const topic = "counts"
	broker := kafkatest.Start(b, kafkatest.Options{})
	broker.Create(b, topic, 3)
	closing(b, broker.URL(topic), func() (bodies [][]byte) {
		for _, m := range broker.Messages(b, topic) {
			bodies = append(bodies, m.Value)
		}
		return bodies
	})
}

// closing fills a window, and waits for its count among the bodies that a publisher's sink
// has taken.
func closing(b *testing.B, publisher string, taken func() [][]byte) {
	b.Helper()
	const grace = time.Second
	window := *closingWindow
	footfall := startFootfall(b, redisServers(b, 3), "FOOTFALL_PUBLISHER="+publisher,
		"FOOTFALL_WINDOW="+window.String(), "FOOTFALL_GRACE="+grace.String())
	end := time.Now().Truncate(window).Add(window)
	time.Sleep(time.Until(end.Add(time.Second)))
	end = end.Add(window)
	load{kind: "ids", connections: 256}.run(b, footfall, window-10*time.Second)
	time.Sleep(time.Until(end.Add(grace)))
	b.ResetTimer()
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		for _, body := range taken() {
			var count struct {
				Start time.Time `json:"window_start"`
				Count int       `json:"count"`
			}
			check.Must(b, json.Unmarshal(body, &count))
			if count.Start.Equal(end.Add(-window)) {
				fmt.Printf("%d ids: the sink had the count %v after the grace\n", count.Count, time.Since(end.Add(grace)).Round(time.Millisecond))
				return
			}
		}
	}
	b.Error("no count came within a minute")
}
