// Package redisstream publishes reports to a stream of a Redis server, version 7.0 or
// later, or Valkey.
//
// URL: see ParseURL. Format: one entry for each report, with the fields id, type, app_id and
// body, which is Report.Body. Delivery: when Publish returned nil, the server has added the
// entry, or had added one with this id in the last 8 days. One script does both, so that no
// report is in the stream twice, also when it is late or repeated. It survives a crash of the
// server as its persistence says. Failure: that of brokerlink.Publisher. A server that refuses
// to write is noticed without a report.
package redisstream

import (
	"context"
	"log/slog"
	"sync"

	"footfall/adapters/brokerlink"
)

// Publisher adds reports to one stream.
type Publisher struct {
	*brokerlink.Publisher
	options Options
}

// New returns a publisher. Start connects it.
func New(o Options, log *slog.Logger) *Publisher {
	warn := sync.OnceFunc(func() {
		log.Warn("redis keeps no append-only file, so a crash of it loses published counts: set its appendonly to yes", "addr", o.Addr)
	})
	return &Publisher{options: o, Publisher: brokerlink.New(brokerlink.Options{
		Name: "redisstream", Title: "redis stream", About: []any{"stream", o.Key}, Addrs: []string{o.Addr},
		Open: func(ctx context.Context, _ string) (brokerlink.Link, []any, error) {
			l, err := open(ctx, o, warn)
			return l, nil, err
		},
	}, log)}
}
