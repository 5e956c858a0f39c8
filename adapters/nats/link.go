package nats

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"footfall/adapters/brokerlink"
	"footfall/domain/publishing"
)

const (
	// writeTime bounds every write, because the server may read nothing.
	writeTime = time.Second
	// pingTime is the interval of pings. A server that is silent for twice as long is lost.
	pingTime = 5 * time.Second
	// conflictPause is the first pause after an answer that the id is being stored; each
	// one is twice the one before, up to longestConflictPause.
	conflictPause        = 20 * time.Millisecond
	longestConflictPause = 500 * time.Millisecond
)

// link is a connection to one server. It never reconnects by itself: what it has not
// sent when it is lost is dropped with it.
type link struct {
	subject string
	raw     net.Conn
	conn    *natsgo.Conn
	js      jetstream.JetStream
	// lost is closed when the connection is.
	lost chan struct{}
	// denied ends the publish that is in progress, nil without one.
	denied atomic.Pointer[context.CancelCauseFunc]
}

// open returns a link to one server. It takes at most brokerlink.SetupTime, and ends when ctx
// does.
func open(ctx context.Context, o Options, addr string) (*link, error) {
	l := &link{subject: o.Subject, lost: make(chan struct{})}
	err := brokerlink.Connect(ctx, addr, func(ctx context.Context, conn net.Conn) error {
		l.raw = conn
		err := l.setUp(ctx, o, addr)
		if err != nil {
			l.Close()
		}
		return err
	})
	return l, err
}

// Dial returns the connection that exists already, in place of a new one.
func (l *link) Dial(string, string) (net.Conn, error) { return l.raw, nil }

func (l *link) setUp(ctx context.Context, o Options, addr string) (err error) {
	options := []natsgo.Option{
		natsgo.Name("footfall"), natsgo.NoReconnect(), natsgo.SetCustomDialer(l), natsgo.SkipHostLookup(),
		natsgo.Timeout(2 * brokerlink.SetupTime), // ctx ends before
		natsgo.FlusherTimeout(writeTime), natsgo.PingInterval(pingTime), natsgo.MaxPingsOutstanding(1),
		natsgo.ErrorHandler(l.deny), natsgo.ClosedHandler(func(*natsgo.Conn) { close(l.lost) }),
	}
	switch {
	case o.Token != "":
		options = append(options, natsgo.Token(o.Token))
	case o.User != "":
		options = append(options, natsgo.UserInfo(o.User, o.Password))
	}
	if o.TLS != nil {
		host, _, _ := net.SplitHostPort(addr)
		config, err := o.TLS.Config(host)
		if err != nil {
			return err
		}
		options = append(options, natsgo.Secure(config))
	}
	if l.conn, err = natsgo.Connect("nats://"+addr, options...); err != nil {
		return loginError(err)
	}
	if err := l.checkInbox(ctx); err != nil {
		return err
	}
	l.js, err = jetstream.New(l.conn)
	return err
}

// loginError returns why a login failed. The same cause has the same text.
func loginError(err error) error {
	switch text := err.Error(); {
	case errors.Is(err, natsgo.ErrAuthorization) || strings.Contains(strings.ToLower(text), natsgo.AUTHORIZATION_ERR):
		return errors.New("log in: the server refused it, as it does when user, password or token is wrong")
	case errors.Is(err, natsgo.ErrSecureConnWanted):
		return errors.New("begin TLS: the server has none")
	case errors.Is(err, natsgo.ErrTLS) && strings.Contains(text, "closed by remote"): // its alert may be lost
		return errors.New("begin TLS: the server closed the connection, as it does without a certificate that it trusts")
	default:
		return fmt.Errorf("log in: %w", err)
	}
}

// checkInbox checks that confirmations can arrive: without that, each report would be in
// doubt though it was stored.
func (l *link) checkInbox(ctx context.Context) error {
	inbox, err := l.conn.SubscribeSync(l.conn.NewInbox() + ".*")
	if err == nil {
		err = l.conn.FlushWithContext(ctx)
	}
	if err == nil {
		err = l.conn.LastError() // the server refuses a subscription before it answers the flush
	}
	if errors.Is(err, natsgo.ErrPermissionViolation) {
		return fmt.Errorf("%w; permit the user to subscribe to %s>", err, natsgo.InboxPrefix)
	}
	if err != nil {
		return fmt.Errorf("subscribe to confirmations: %w", err)
	}
	return inbox.Unsubscribe()
}

// deny ends the publish that is in progress when the server says that the user may not
// publish: it sends no other answer.
func (l *link) deny(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
	end := l.denied.Load()
	if end != nil && errors.Is(err, natsgo.ErrPermissionViolation) && strings.Contains(err.Error(), "for Publish to") {
		(*end)(err)
	}
}

// Publish implements brokerlink.Link.
func (l *link) Publish(ctx context.Context, r publishing.Report) brokerlink.Outcome {
	m := &natsgo.Msg{
		Subject: l.subject, Data: r.Body(),
		Header: natsgo.Header{"Content-Type": {"application/json"}, "Type": {publishing.ReportType}},
	}
	var inProcess error // the answer that the same id is on its way to the replicas of the stream
	for pause := conflictPause; ; pause = min(2*pause, longestConflictPause) {
		out := l.publishOnce(ctx, m, r.ID)
		var said *jetstream.APIError
		switch {
		case errors.As(out.Err, &said) && said.ErrorCode == duplicateInProcess:
			// A later answer is that it is stored, or stores it.
			if inProcess = said; sleep(ctx, pause/2+rand.N(pause/2)) {
				continue
			}
		case out.Err != nil && !out.InDoubt && inProcess != nil: // it may be stored all the same
			out.Err, out.InDoubt = fmt.Errorf("%w; then: %s", inProcess, out.Err.Error()), true
		}
		return out
	}
}

// publishOnce sends the report once. A link that got no answer is over: what comes later on it
// could be in doubt as well.
func (l *link) publishOnce(ctx context.Context, m *natsgo.Msg, id string) brokerlink.Outcome {
	if l.conn.IsClosed() { // nothing is sent
		return brokerlink.Outcome{Err: errors.New("the connection was lost"), Over: true}
	}
	waiting, end := context.WithCancelCause(ctx)
	defer end(nil)
	l.denied.Store(&end)
	defer l.denied.Store(nil)
	_, err := l.js.PublishMsg(waiting, m, jetstream.WithMsgID(id))
	var said *jetstream.APIError
	switch denied := context.Cause(waiting); {
	case err == nil:
		return brokerlink.Outcome{}
	case errors.As(err, &said):
		return brokerlink.Outcome{Err: said, InDoubt: !isRefusal(said)}
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return brokerlink.Outcome{Err: fmt.Errorf("no stream takes the subject %q: create one, unless it has lost its leader", m.Subject)}
	case errors.Is(denied, natsgo.ErrPermissionViolation):
		return brokerlink.Outcome{Err: fmt.Errorf("%w; permit the user to publish to it", denied)}
	}
	return brokerlink.Outcome{Err: fmt.Errorf("no confirmation: %w", err), InDoubt: true, Over: true}
}

// Codes of a stream's answers (nats-server, server/errors.json).
const (
	insufficientResources = 10023
	storeFailed           = 10077
	duplicateInProcess    = 10158
)

// isRefusal reports whether a stream that gave this answer has not stored the message and
// will not. A store that failed may have kept it, unless the stream is full.
func isRefusal(e *jetstream.APIError) bool {
	switch e.ErrorCode {
	case storeFailed:
		return strings.HasPrefix(e.Description, "maximum ")
	case insufficientResources:
		return true
	}
	return e.Code/100 == 4 && e.ErrorCode != duplicateInProcess // the message or the stream's settings: checked before it is stored
}

// sleep reports whether ctx lasts so long.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Close implements brokerlink.Link. It sends nothing more.
func (l *link) Close() {
	_ = l.raw.Close()
	if l.conn != nil {
		l.conn.Close()
	}
}

// Wait implements brokerlink.Link.
func (l *link) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-l.lost:
	}
	if err := l.conn.LastError(); err != nil {
		return fmt.Errorf("the connection was lost: %w", err)
	}
	return errors.New("the connection was closed")
}
