package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/domain/publishing"
)

const (
	// setupTime bounds everything from the connection to the queue's
	// declaration.
	setupTime = 5 * time.Second
	// writeTime bounds every write, for a broker that reads nothing.
	writeTime = time.Second
	// closeTime is for saying goodbye: under an alarm, brokers don't answer.
	closeTime = 200 * time.Millisecond
	// heartbeat is what both sides promise each other; one that is silent
	// for one and a half of it is taken for dead.
	heartbeat = 5 * time.Second
)

// link is one connection with one channel in confirm mode, on which the queue
// was declared. One goroutine uses it.
type link struct {
	queue    string
	raw      net.Conn
	conn     *amqp.Connection
	channel  *amqp.Channel
	closed   chan *amqp.Error
	returned chan amqp.Return
}

// boundedConn ends writes after writeTime.
type boundedConn struct{ net.Conn }

func (c boundedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// open makes a link within setupTime, or less when ctx ends.
func open(ctx context.Context, o Options) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, setupTime)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// The library's calls have no context. Without a connection they end.
	release := context.AfterFunc(ctx, func() { _ = raw.Close() })
	l := &link{queue: o.Queue, raw: raw}
	err = l.setUp(ctx, o)
	if !release() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		late := ctx.Err() != nil
		l.close()
		if late {
			return nil, errors.New("connect: the broker does not answer")
		}
		return nil, err
	}
	return l, nil
}

func (l *link) setUp(ctx context.Context, o Options) (err error) {
	var conn net.Conn = boundedConn{l.raw}
	if o.TLS {
		host, _, _ := net.SplitHostPort(o.Addr)
		secured := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
		if err := secured.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("begin TLS: %w", err)
		}
		conn = secured
	}
	properties := amqp.NewConnectionProperties()
	properties["connection_name"] = appID
	l.conn, err = amqp.Open(conn, amqp.Config{
		SASL:  []amqp.Authentication{&amqp.PlainAuth{Username: o.User, Password: o.Password}},
		Vhost: o.VHost, Heartbeat: heartbeat, Locale: "en_US", Properties: properties,
	})
	if err != nil {
		return fmt.Errorf("log in: %w", loginError(err, o))
	}
	if l.channel, err = l.conn.Channel(); err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	l.closed = l.channel.NotifyClose(make(chan *amqp.Error, 1))
	// There is never more than one message under way, and so one return.
	l.returned = l.channel.NotifyReturn(make(chan amqp.Return, 1))
	if err := l.channel.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	if _, err := l.channel.QueueDeclare(o.Queue, true, false, false, false, amqp.Table{"x-queue-type": o.QueueType}); err != nil {
		return fmt.Errorf("declare queue %q: %w", o.Queue, withoutUser(err, o))
	}
	return nil
}

// whyNot says why a login failed, in the same words whenever it is the same.
func loginError(err error, o Options) error {
	var said *amqp.Error
	switch {
	case errors.Is(err, amqp.ErrCredentials):
		return errors.New("the broker hung up, as it does when user or password is wrong")
	case errors.As(err, &said) && said.Server || errors.Is(err, amqp.ErrSASL):
		return withoutUser(err, o)
	default:
		return errors.New("the broker hung up")
	}
}

// withoutUser takes the user's name out of what a broker says.
func withoutUser(err error, o Options) error {
	if text := err.Error(); strings.Contains(text, "'"+o.User+"'") {
		return errors.New(strings.ReplaceAll(text, "'"+o.User+"'", "'***'"))
	}
	return err
}

// watch publishes requests, one after the other, until the link is of no more
// use or ctx ends. The error says why, unless a request was told so.
func (l *link) watch(ctx context.Context, requests <-chan request) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-l.closed:
			return broken(e)
		case r := <-requests:
			over, err := l.publish(ctx, r)
			r.outcome <- err
			if !over {
				continue
			}
			select {
			case e := <-l.closed:
				return broken(e)
			default:
				return nil
			}
		}
	}
}

// publish sends one message and waits for what becomes of it, until ctx or the
// request's own ends. over says that the link is of no more use: what comes
// over it later could be about this message.
func (l *link) publish(ctx context.Context, r request) (over bool, err error) {
	if err := r.ctx.Err(); err != nil {
		return false, refused(err)
	}
	confirm, err := l.channel.PublishWithDeferredConfirm("", l.queue, true, false, r.message)
	switch {
	case errors.Is(err, amqp.ErrClosed): // the end of the message was not sent
		return true, refused(err)
	case err != nil:
		return true, inDoubt(err)
	}
	wait, cancel := context.WithCancel(r.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	taken, err := confirm.WaitContext(wait)
	switch {
	case err != nil:
		return true, inDoubt(fmt.Errorf("no confirm: %w", err))
	case !taken:
		// Said by the library when the connection is lost, and by a broker
		// whose queue failed, which may have kept it.
		return true, inDoubt(errors.New("no confirm: the connection or the queue failed"))
	}
	select {
	case back, ok := <-l.returned: // it comes before the confirm
		if ok {
			return true, refused(fmt.Errorf("no queue takes it: %s", back.ReplyText)) // the next link declares one
		}
		// The link was lost right behind the confirm, and watch will see it.
	default:
	}
	return false, nil
}

// close ends the link, and the connection if the broker doesn't.
func (l *link) close() {
	bound := time.AfterFunc(closeTime, func() { _ = l.raw.Close() })
	defer bound.Stop()
	if l.conn != nil {
		_ = l.conn.Close() // it is of no use any more, however that ends
	}
	_ = l.raw.Close()
}

// broken says why a link ended.
func broken(e *amqp.Error) error {
	if e == nil {
		return errors.New("the connection was closed")
	}
	return fmt.Errorf("the connection was lost: %w", e)
}

func refused(err error) error {
	return fmt.Errorf("%w: rabbitmq: %w", publishing.ErrRefused, err)
}

func inDoubt(err error) error { return fmt.Errorf("rabbitmq: in doubt: %w", err) }
