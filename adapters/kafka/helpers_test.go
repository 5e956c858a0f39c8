package kafka_test

import (
	"strings"
	"testing"

	"footfall/adapters/kafka"
	"footfall/test/check"
	"footfall/test/kafkatest"
	"footfall/test/sinktest"
)

const topic = "counts"

// broker starts one that has the topic, with one partition.
func broker(t *testing.T, o kafkatest.Options) *kafkatest.Broker {
	t.Helper()
	b := kafkatest.Start(t, o)
	b.Create(t, topic, 1)
	return b
}

func started(t *testing.T, url string) (*kafka.Publisher, *check.Log) {
	t.Helper()
	return sinktest.Start(t, kafka.ParseURL, kafka.New, url)
}

// ids are those in the topic, in order.
func ids(t *testing.T, b *kafkatest.Broker) string {
	t.Helper()
	var all []string
	for _, m := range b.Messages(t, topic) {
		all = append(all, string(m.Key))
	}
	return strings.Join(all, " ")
}
