// Package rabbitmq publishes reports to a durable queue of a RabbitMQ broker.
//
// URL: see ParseURL. Format: one persistent message for each report, through
// the default exchange; its message_id is the report's, its body Report.Body.
// Delivery: what returned nil was confirmed by the broker, in the queue; the
// same report may come twice, with one message_id. Failure: a broker that is
// away refuses at once and is tried again, at least every 5 s, for ever.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/domain/publishing"
)

const (
	appID       = "footfall"
	messageType = "footfall.unique_ids.v1"
	// firstPause and longestPause bound the time from one attempt to
	// connect to the next. With setupTime, the longest makes a broker that
	// is back be found within 10 s.
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

var _ publishing.Publisher = (*Publisher)(nil)

// Publisher sends reports over one connection, which it makes anew whenever it
// is lost. It is safe for concurrent use; reports go one after the other.
type Publisher struct {
	options  Options
	log      *slog.Logger
	requests chan request

	mu     sync.Mutex
	cancel context.CancelFunc // nil before Start
	ended  chan struct{}      // closed when the supervisor has ended
	// away is closed while the broker is known to be away, and why says the
	// rest; during the first attempt to connect it isn't known yet.
	away chan struct{}
	why  error
}

// request is a message that waits for its outcome.
type request struct {
	ctx     context.Context
	message amqp.Publishing
	outcome chan error // has room for one
}

// New makes a publisher; Start connects it.
func New(o Options, log *slog.Logger) *Publisher {
	p := &Publisher{options: o, log: log, requests: make(chan request), away: make(chan struct{})}
	p.setAway(errors.New("it was not started"))
	return p
}

// Start begins to connect and returns at once: a broker that is away is no
// reason not to start.
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

// Stop ends the connection, and what is being published with it; reports after
// it are refused. It may be called twice, and without Start.
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

// Name is rabbitmq.
func (p *Publisher) Name() string { return "rabbitmq" }

// Publish sends the report and waits for the broker's confirm until ctx ends.
// It is refused when the broker is away, or takes nothing, or has no queue
// that takes it; in doubt when no confirm came.
func (p *Publisher) Publish(ctx context.Context, r publishing.Report) error {
	if err := ctx.Err(); err != nil {
		return refused(err)
	}
	p.mu.Lock()
	away := p.away
	p.mu.Unlock()
	req := request{ctx: ctx, message: message(r, time.Now()), outcome: make(chan error, 1)}
	select {
	case <-away: // first, for the supervisor may be there as well
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
	return <-req.outcome // the supervisor minds ctx
}

func message(r publishing.Report, now time.Time) amqp.Publishing {
	return amqp.Publishing{
		MessageId: r.ID, Type: messageType, Timestamp: now, AppId: appID,
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: r.Body(),
	}
}

// refusal says why the broker is away.
func (p *Publisher) refusal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil { // it is back since
		return refused(errors.New("it was away"))
	}
	return refused(p.why)
}

// setAway says that the broker is known to be away, or, by nil, that it is
// there.
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

// supervise connects, and connects anew, until ctx ends. It logs what nobody
// else is told of: that the broker went, once for each reason, and came back.
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
			err = l.watch(ctx, p.requests)
			l.close()
			if time.Since(began) > longestPause {
				pause = firstPause // one that is lost at once is no success
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

// withoutNumbers is what an error says without the ports of this machine,
// which differ from one attempt to connect to the next.
func withoutNumbers(err error) string {
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return -1
		}
		return c
	}, err.Error())
}
