// Package kafka publishes reports to a topic of a Kafka cluster.
//
// URL: see ParseURL. Format: one record for each report. Its key is the report's id, its
// value Report.Body. Delivery: when Publish returned nil, all replicas in sync have the
// record. The producer is idempotent: what the library sends again within a Publish is in
// the topic once. A report that was in doubt may arrive twice, with the same key. A
// topic is never created. Failure: that of brokerlink.Publisher; all brokers of the URL are
// asked at the same time.
package kafka

import (
	"context"
	"log/slog"
	"strings"

	"footfall/adapters/brokerlink"
)

// Publisher sends reports to one topic.
type Publisher struct {
	*brokerlink.Publisher
	options Options
}

// New returns a publisher. Start connects it.
func New(o Options, log *slog.Logger) *Publisher {
	return &Publisher{options: o, Publisher: brokerlink.New(brokerlink.Options{
		Name: "kafka", Title: "kafka", About: []any{"topic", o.Topic}, Addrs: []string{strings.Join(o.Addrs, ",")},
		Open: func(ctx context.Context, _ string) (brokerlink.Link, []any, error) {
			s, err := open(ctx, o)
			return s, nil, err
		},
	}, log)}
}
