// Package rabbitmq publishes reports to a durable queue of a RabbitMQ broker.
//
// URL: see ParseURL. Format: one persistent message for each report, through
// the default exchange. Its message_id is the report's id, its body Report.Body.
// Delivery: when Publish returned nil, the broker has confirmed that the report is
// in the queue. A report may arrive twice, with the same message_id. Failure: while
// the broker is away, reports are refused immediately. The publisher reconnects
// at least every 5 s, without end.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/domain/publishing"
)

const (
	appID       = "footfall"
	messageType = "footfall.unique_ids.v1"
	// firstPause and longestPause bound the pause between attempts to
	// connect. With setupTime, a broker that is back is found within 10 s.
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

var _ publishing.Publisher = (*Publisher)(nil)

// Publisher sends reports over one connection, and reconnects when that is lost.
// It is safe for concurrent use; it sends reports one by one.
type Publisher struct {
	options  Options
	log      *slog.Logger
	requests chan request

	mu     sync.Mutex
	cancel context.CancelFunc // nil before Start
	ended  chan struct{}      // closed when the supervisor has ended
	// away is closed while the broker is known to be away, and why is the
	// reason. During the first attempt to connect, that is not known yet.
	away chan struct{}
	why  error
}

// request is a message that waits for its outcome.
type request struct {
	ctx     context.Context
	message amqp.Publishing
	outcome chan error // has room for one
}

// New returns a publisher. Start connects it.
func New(o Options, log *slog.Logger) *Publisher {
	p := &Publisher{options: o, log: log, requests: make(chan request), away: make(chan struct{})}
	p.setAway(errors.New("it was not started"))
	return p
}

// Start begins to connect and returns immediately. The service starts without a
// broker as well.
func (p *Publisher) Start(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, make(chan struct{})
	p.away, p.why = make(chan struct{}), nil
	go p.supervise(ctx, p.ended)
	return nil
}

// Stop closes the connection, which ends a Publish that is in progress. Later
// reports are refused. It may be called twice, and without Start.
func (p *Publisher) Stop(ctx context.Context) error {
	p.mu.Lock()
	cancel, ended := p.cancel, p.ended
	p.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("rabbitmq: %w", ctx.Err())
	}
}

// Name returns "rabbitmq".
func (p *Publisher) Name() string { return "rabbitmq" }

// Publish sends the report and waits for the broker's confirm until ctx ends.
//
// Errors: one that wraps publishing.ErrRefused when the broker is away, reads
// nothing, or has no queue for the report. Any other error means that no confirm
// came, so the report may be in the queue.
func (p *Publisher) Publish(ctx context.Context, r publishing.Report) error {
	if err := ctx.Err(); err != nil {
		return refused(err)
	}
	p.mu.Lock()
	away := p.away
	p.mu.Unlock()
	req := request{ctx: ctx, message: message(r, time.Now()), outcome: make(chan error, 1)}
	select {
	case <-away: // first, because the supervisor may be ready as well
		return p.refusal()
	default:
	}
	select {
	case p.requests <- req:
	case <-away:
		return p.refusal()
	case <-ctx.Done():
		return refused(ctx.Err())
	}
	return <-req.outcome // the supervisor observes ctx
}

func message(r publishing.Report, now time.Time) amqp.Publishing {
	return amqp.Publishing{
		MessageId: r.ID, Type: messageType, Timestamp: now, AppId: appID,
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: r.Body(),
	}
}

// refusal returns why the broker is away.
func (p *Publisher) refusal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil { // it is back meanwhile
		return refused(errors.New("it was away"))
	}
	return refused(p.why)
}

// setAway records why the broker is away; nil means that it is connected.
func (p *Publisher) setAway(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case why == nil && p.why != nil:
		p.away = make(chan struct{})
	case why != nil && p.why == nil:
		close(p.away)
	}
	p.why = why
}

// supervise connects and reconnects until ctx ends. It logs that the broker is
// away, once for each reason, and that it is connected again.
func (p *Publisher) supervise(ctx context.Context, ended chan<- struct{}) {
	defer close(ended)
	defer p.setAway(errors.New("it was stopped"))
	pause, logged := firstPause, ""
	for ctx.Err() == nil {
		l, err := open(ctx, p.options)
		if err == nil {
			p.setAway(nil)
			p.log.Info("rabbitmq is connected", "queue", p.options.Queue, "addr", p.options.Addr)
			logged = ""
			began := time.Now()
			err = l.serve(ctx, p.requests)
			l.close()
			if time.Since(began) > longestPause {
				pause = firstPause // a link that is lost immediately is no success
			}
		} else {
			p.setAway(err)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && withoutNumbers(err) != logged {
			logged = withoutNumbers(err)
			p.log.Error("rabbitmq is away", "queue", p.options.Queue, "addr", p.options.Addr, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, longestPause)
	}
}

// withoutNumbers returns an error's text without digits, because local ports
// differ between attempts to connect.
func withoutNumbers(err error) string { return digits.ReplaceAllString(err.Error(), "") }

var digits = regexp.MustCompile("[0-9]+")
