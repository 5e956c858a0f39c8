// Package nats publishes reports to a JetStream stream of NATS servers.
//
// URL: see ParseURL. Format: one message for each report, to the subject of the URL. Its
// header Nats-Msg-Id is the report's id, its body Report.Body. Delivery: when Publish
// returned nil, the stream has confirmed that it has the report. The stream drops a
// report that it has, for as long as its duplicate window is; after that the report may be
// there twice, with the same id. Failure: that of brokerlink.Publisher; all servers of the URL
// are tried, and what was refused is never sent later.
package nats

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
		Name: "nats", Title: "nats", About: []any{"subject", o.Subject}, Addrs: o.Addrs,
		Open: func(ctx context.Context, addr string) (brokerlink.Link, []any, error) {
			l, err := open(ctx, o, addr)
			return l, nil, err
		},
	}, log)}
}
