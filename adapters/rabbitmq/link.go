package rabbitmq

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/adapters/brokerlink"
	"footfall/domain/publishing"
)

const (
	// writeTime bounds every write, because the broker may read nothing.
	writeTime = time.Second
	// closeTime bounds closing: under an alarm, brokers do not answer.
	closeTime = 200 * time.Millisecond
	// heartbeat is the interval of both sides. A side that is silent for one
	// and a half of it counts as dead.
	heartbeat = 5 * time.Second
)

// link is a connection to a broker that has the queue or the exchange, with one channel in
// confirm mode.
type link struct {
	options Options
	// notDeclared is why the broker refused to declare the queue, which is there
	// and used as it is; nil if it was declared.
	notDeclared error
	raw         net.Conn
	conn        *amqp.Connection
	channel     *amqp.Channel
	closed      chan *amqp.Error // for Publish
	lost        chan *amqp.Error // for Wait
	returned    chan amqp.Return
}

// boundedConn bounds each write by writeTime.
type boundedConn struct{ net.Conn }

func (c boundedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// open returns a link to one broker, where find looks for the queue or the exchange and opens
// the channel. It takes at most brokerlink.SetupTime, and ends when ctx does.
func open(ctx context.Context, o Options, addr string, find func(*link) error) (*link, error) {
	l := &link{options: o}
	err := brokerlink.Connect(ctx, addr, func(ctx context.Context, conn net.Conn) error {
		l.raw = conn
		err := l.setUp(ctx, addr, find)
		if err != nil {
			l.Close()
		}
		return err
	})
	return l, err
}

func (l *link) setUp(ctx context.Context, addr string, find func(*link) error) (err error) {
	o := l.options
	var conn net.Conn = boundedConn{l.raw}
	if o.TLS != nil {
		host, _, _ := net.SplitHostPort(addr)
		config, err := o.TLS.Config(host)
		if err != nil {
			return err
		}
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("begin TLS: %w", err)
		}
		conn = secured
	}
	properties := amqp.NewConnectionProperties()
	properties["connection_name"] = "footfall"
	l.conn, err = amqp.Open(conn, amqp.Config{
		SASL:  []amqp.Authentication{&amqp.PlainAuth{Username: o.User, Password: o.Password}},
		Vhost: o.VHost, Heartbeat: heartbeat, Locale: "en_US", Properties: properties,
	})
	if err != nil {
		return fmt.Errorf("log in: %w", cmp.Or(l.alert(conn), loginError(err, o)))
	}
	if err := find(l); err != nil {
		return err
	}
	l.closed = l.channel.NotifyClose(make(chan *amqp.Error, 1))
	l.lost = l.channel.NotifyClose(make(chan *amqp.Error, 1))
	// One message at most is in flight, so one return at most.
	l.returned = l.channel.NotifyReturn(make(chan amqp.Return, 1))
	if err := l.channel.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	return nil
}

// alert closes the connection, and returns why the other side of TLS ended it, nil if it
// did not. A certificate that is missing or not trusted is noticed after the handshake.
func (l *link) alert(conn net.Conn) error {
	_ = l.raw.Close()
	_, err := conn.Read(make([]byte, 1))
	var said *net.OpError
	if errors.As(err, &said) && said.Op == "remote error" {
		return said
	}
	return nil
}

// loginError returns why a login failed. The same cause has the same text.
func loginError(err error, o Options) error {
	var said *amqp.Error
	switch {
	case errors.Is(err, amqp.ErrCredentials):
		return errors.New("the broker closed the connection, as it does when user or password is wrong")
	case errors.As(err, &said) && said.Server || errors.Is(err, amqp.ErrSASL):
		return withoutUser(err, o)
	default:
		return errors.New("the broker closed the connection")
	}
}

// withoutUser masks the user's name in a broker's error.
func withoutUser(err error, o Options) error {
	if text := err.Error(); strings.Contains(text, "'"+o.User+"'") {
		return errors.New(strings.ReplaceAll(text, "'"+o.User+"'", "'***'"))
	}
	return err
}

// Wait implements brokerlink.Link.
func (l *link) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case e := <-l.lost:
		return l.broken(e)
	}
}

// Publish implements brokerlink.Link.
func (l *link) Publish(ctx context.Context, r publishing.Report) brokerlink.Outcome {
	out := l.publish(ctx, amqp.Publishing{
		MessageId: r.ID, Type: publishing.ReportType, Timestamp: time.Now(), AppId: r.Deployment(),
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: r.Body(),
	})
	if !out.Over {
		return out
	}
	select {
	case e := <-l.closed:
		if why := l.rejected(e); why != "" {
			return brokerlink.Outcome{Err: fmt.Errorf("%w; %s", l.broken(e), why), Over: true}
		}
	default:
	}
	return out
}

// publish sends one message and waits for its confirm. A link without one is over: a later
// confirm on it could be for this message.
func (l *link) publish(ctx context.Context, message amqp.Publishing) brokerlink.Outcome {
	inDoubt := func(err error) brokerlink.Outcome { return brokerlink.Outcome{Err: err, InDoubt: true, Over: true} }
	o := l.options
	confirm, err := l.channel.PublishWithDeferredConfirm(o.Exchange, cmp.Or(o.Queue, o.Key), true, false, message)
	switch {
	case errors.Is(err, amqp.ErrClosed): // the message was not sent whole
		return brokerlink.Outcome{Err: err, Over: true}
	case err != nil:
		return inDoubt(err)
	}
	taken, err := confirm.WaitContext(ctx)
	switch {
	case err != nil:
		return inDoubt(fmt.Errorf("no confirm: %w", err))
	case !taken:
		// The library reports a lost connection so, and the broker a failed
		// queue, which may have kept the message.
		return inDoubt(errors.New("no confirm: the connection or the queue failed"))
	}
	select {
	case back, ok := <-l.returned: // a return comes before the confirm
		if ok { // the next link declares a queue, or is to another broker
			return brokerlink.Outcome{Err: fmt.Errorf("no queue accepts it: %s", back.ReplyText), Over: true}
		}
		// The link was lost right after the confirm; Wait sees it.
	default:
	}
	return brokerlink.Outcome{}
}

// Close implements brokerlink.Link. It closes the connection if the broker does not.
func (l *link) Close() {
	bound := time.AfterFunc(closeTime, func() { _ = l.raw.Close() })
	defer bound.Stop()
	if l.conn != nil {
		_ = l.conn.Close() // an error would change nothing
	}
	_ = l.raw.Close()
}

// broken returns why a link ended.
func (l *link) broken(e *amqp.Error) error {
	if e == nil {
		return errors.New("the connection was closed")
	}
	return fmt.Errorf("the connection was lost: %w", withoutUser(e, l.options))
}
