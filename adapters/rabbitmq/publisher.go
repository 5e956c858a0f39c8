// Package rabbitmq publishes reports to a durable queue of a RabbitMQ broker.
//
// URL: see ParseURL. Format: one persistent message for each report, through
// the default exchange. Its message_id is the report's id, its body Report.Body.
// Delivery: when Publish returned nil, the broker has confirmed that the report is
// in the queue. A report may arrive twice, with the same message_id. Failure: while
// the broker is away, reports are refused immediately. The publisher reconnects
// at least every 5 s, without end, and tries all brokers of the URL each time.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

const (
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

	away    atomic.Pointer[publishing.Outage] // nil while it is connected, and before the first attempt
	started atomic.Bool
	start   func()             // starts the supervisor, once
	stop    context.CancelFunc // ends it
	ended   chan struct{}      // closed when it has ended
}

// request is a message that waits for its outcome.
type request struct {
	ctx     context.Context
	message amqp.Publishing
	outcome chan error // has room for one
}

// New returns a publisher. Start connects it.
func New(o Options, log *slog.Logger) *Publisher {
	ctx, stop := context.WithCancel(context.Background())
	p := &Publisher{options: o, log: log, requests: make(chan request), stop: stop, ended: make(chan struct{})}
	p.start = sync.OnceFunc(func() {
		p.started.Store(true)
		go p.supervise(ctx)
	})
	return p
}

// Start begins to connect and returns immediately. The service starts without a
// broker as well.
func (p *Publisher) Start(context.Context) error {
	p.start()
	return nil
}

// Stop closes the connection, which ends a Publish that is in progress. Later
// reports are refused, also after another Start. It may be called twice, and
// without Start.
func (p *Publisher) Stop(ctx context.Context) error {
	p.stop()
	if !p.started.Load() {
		return nil
	}
	select {
	case <-p.ended:
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
	if !p.started.Load() {
		return refused(errors.New("it was not started"))
	}
	req := request{ctx: ctx, outcome: make(chan error, 1), message: amqp.Publishing{
		MessageId: r.ID, Type: messageType, Timestamp: time.Now(), AppId: r.Deployment(),
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: r.Body(),
	}}
	select {
	case p.requests <- req:
		return <-req.outcome // the supervisor observes ctx
	case <-p.ended:
		return refused(errors.New("it was stopped"))
	case <-ctx.Done():
		return refused(ctx.Err())
	}
}

// Away is why there is no connection to a broker; nil while there is one, and before the
// first attempt to connect has ended.
func (p *Publisher) Away() *publishing.Outage { return p.away.Load() }

// noteAway notes the error of the last attempt to connect, or of the link that was lost.
func (p *Publisher) noteAway(err error) {
	away := publishing.Outage{Addr: strings.Join(p.options.Addrs, ","), Since: time.Now(), Err: err}
	if before := p.away.Load(); before != nil {
		away.Since = before.Since
	}
	p.away.Store(&away)
}

// supervise connects and reconnects until ctx ends. It logs that the broker is
// away, once for each reason, and that it is connected again.
func (p *Publisher) supervise(ctx context.Context) {
	defer close(p.ended)
	var away error // why the last attempt to connect failed; nil before the first
	begin := 0     // the broker that the next attempt begins with
	for pause, logged := firstPause, ""; ctx.Err() == nil; pause = min(2*pause, longestPause) {
		l, err := p.connect(ctx, away, begin)
		away = err
		if err == nil {
			p.away.Store(nil)
			about := []any{"queue", p.options.Queue, "addr", p.options.Addrs[l.at]}
			if l.notDeclared != nil { // the queue is used as it is
				about = append(about, "not_declared", l.notDeclared)
			}
			p.log.Info("rabbitmq is connected", about...)
			logged = ""
			began := time.Now()
			err = l.serve(ctx, p.requests)
			l.close()
			begin = (l.at + 1) % len(p.options.Addrs) // another one may be in a better state
			if time.Since(began) > longestPause {
				pause = firstPause // a link that is lost immediately is no success
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.noteAway(err)
			if withoutNumbers(err) != logged {
				logged = withoutNumbers(err)
				p.log.Error("rabbitmq is away", "queue", p.options.Queue, "addr", p.away.Load().Addr, "error", err)
			}
		}
		pausing, cancel := context.WithTimeout(ctx, pause/2+rand.N(pause/2))
		p.refuse(away, pausing.Done())
		cancel()
	}
}

// connect opens a link. While it does, it refuses requests as refuse does.
func (p *Publisher) connect(ctx context.Context, away error, begin int) (l *link, err error) {
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		l, err = open(ctx, p.options, begin)
	}()
	p.refuse(away, opened)
	return l, err
}

// refuse refuses requests because the broker is away, until the channel is
// closed. If it is not known to be away, requests wait.
func (p *Publisher) refuse(away error, until <-chan struct{}) {
	requests := p.requests
	if away == nil {
		requests = nil
	}
	for {
		select {
		case r := <-requests:
			r.outcome <- refused(away)
		case <-until:
			return
		}
	}
}

// withoutNumbers returns an error's text without digits, because local ports
// differ between attempts to connect.
func withoutNumbers(err error) string { return digits.ReplaceAllString(err.Error(), "") }

var digits = regexp.MustCompile("[0-9]+")

// errNotReached: there is no broker that could refuse anything.
var errNotReached = errors.New("not reached")

// refused is an error that wraps publishing.ErrRefused. It says so, unless no broker was
// reached.
func refused(err error) error {
	if errors.Is(err, errNotReached) {
		return counting.Mark(fmt.Errorf("rabbitmq: %w", err), publishing.ErrRefused)
	}
	return fmt.Errorf("%w: rabbitmq: %w", publishing.ErrRefused, err)
}

func inDoubt(err error) error { return fmt.Errorf("rabbitmq: in doubt: %w", err) }
