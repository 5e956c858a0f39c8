// Package rabbitmq publishes reports to a durable queue, or to an exchange, of a RabbitMQ broker.
//
// URL: see ParseURL. Format: one persistent message for each report, through the exchange or,
// to the queue, the default one. Its message_id is the report's id, its body Report.Body.
// Delivery: when Publish returned nil, the broker has confirmed that the report is in the
// queue, or in all queues to which the exchange routed it, one at least. A report may arrive
// twice, with the same message_id. Failure: that of brokerlink.Publisher; all brokers of the
// URL are tried.
package rabbitmq

import (
	"context"
	"log/slog"

	"footfall/adapters/brokerlink"
)

// Publisher sends reports over one connection.
type Publisher struct {
	*brokerlink.Publisher
	options Options
}

// New returns a publisher. Start connects it.
func New(o Options, log *slog.Logger) *Publisher {
	return &Publisher{options: o, Publisher: brokerlink.New(brokerlink.Options{
		Name: "rabbitmq", Title: "rabbitmq", About: o.target(), Addrs: o.Addrs,
		Open: func(ctx context.Context, addr string) (brokerlink.Link, []any, error) {
			l, err := open(ctx, o, addr, (*link).findTarget)
			if err != nil || l.notDeclared == nil {
				return l, nil, err
			}
			return l, []any{"not_declared", l.notDeclared}, nil // the queue is used as it is
		},
	}, log)}
}
