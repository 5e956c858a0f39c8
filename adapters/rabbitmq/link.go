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
)

const (
	// setupTime bounds connecting, login and declaring the queue together.
	setupTime = 5 * time.Second
	// writeTime bounds every write, because the broker may read nothing.
	writeTime = time.Second
	// closeTime bounds closing: under an alarm, brokers do not answer.
	closeTime = 200 * time.Millisecond
	// heartbeat is the interval of both sides. A side that is silent for one
	// and a half of it counts as dead.
	heartbeat = 5 * time.Second
)

// link is a connection to a broker that has the queue, with one channel in confirm
// mode. It is for one goroutine.
type link struct {
	options Options
	at      int // in Options.Addrs
	// notDeclared is why the broker refused to declare the queue, which is there
	// and used as it is; nil if it was declared.
	notDeclared error
	raw         net.Conn
	conn        *amqp.Connection
	channel     *amqp.Channel
	closed      chan *amqp.Error
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

// open returns a link to the first broker that can be used, beginning with one of the
// list. The error has the reason for each. It ends when ctx does.
func open(ctx context.Context, o Options, begin int) (*link, error) {
	var all error
	for i := range o.Addrs {
		at := (begin + i) % len(o.Addrs)
		l, err := dial(ctx, o, at)
		switch {
		case err == nil:
			return l, nil
		case len(o.Addrs) == 1:
			return nil, err
		case all == nil:
			all = fmt.Errorf("%s: %w", o.Addrs[at], err)
		default:
			all = fmt.Errorf("%w; %s: %w", all, o.Addrs[at], err)
		}
	}
	return nil, all
}

// dial returns a link to one broker. It takes at most setupTime, and ends when ctx does.
func dial(ctx context.Context, o Options, at int) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, setupTime)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.Addrs[at])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotReached, err)
	}
	// The library's calls have no context. They end when the connection is
	// closed.
	release := context.AfterFunc(ctx, func() { _ = raw.Close() })
	l := &link{options: o, at: at, raw: raw}
	err = l.setUp(ctx)
	if !release() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		late := ctx.Err() != nil
		l.close()
		if late {
			return nil, fmt.Errorf("%w: the broker does not answer", errNotReached)
		}
		return nil, err
	}
	return l, nil
}

func (l *link) setUp(ctx context.Context) (err error) {
	o := l.options
	var conn net.Conn = boundedConn{l.raw}
	if o.TLS != nil {
		host, _, _ := net.SplitHostPort(o.Addrs[l.at])
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
	if err := l.findQueue(); err != nil {
		return err
	}
	l.closed = l.channel.NotifyClose(make(chan *amqp.Error, 1))
	// One message at most is in flight, so one return at most.
	l.returned = l.channel.NotifyReturn(make(chan amqp.Return, 1))
	if err := l.channel.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	return nil
}

// findQueue declares the queue, and opens the channel. The broker refuses that if
// the user may not declare it, or if it has other arguments. Then a queue that is there
// is used as it is. Each refusal closes its channel.
func (l *link) findQueue() error {
	refusal, err := l.declare((*amqp.Channel).QueueDeclare)
	if refusal == nil {
		return err
	}
	missing, err := l.declare((*amqp.Channel).QueueDeclarePassive)
	if missing != nil {
		return fmt.Errorf("declare queue %q: %w; look for it: %w; declare the queue, or permit the user to configure it", l.options.Queue, refusal, missing)
	}
	l.notDeclared = refusal
	return err
}

// declare opens a channel and declares the queue on it. A refusal is the broker's
// answer that ends no more than the channel; err is any other error.
func (l *link) declare(how func(*amqp.Channel, string, bool, bool, bool, bool, amqp.Table) (amqp.Queue, error)) (refusal, err error) {
	if l.channel, err = l.conn.Channel(); err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	_, err = how(l.channel, l.options.Queue, true, false, false, false, amqp.Table{"x-queue-type": l.options.QueueType})
	var said *amqp.Error
	if errors.As(err, &said) && said.Server && said.Recover {
		return withoutUser(err, l.options), nil
	}
	if err != nil {
		err = fmt.Errorf("declare queue %q: %w", l.options.Queue, withoutUser(err, l.options))
	}
	return nil, err
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

// serve publishes requests one by one until the link is unusable or ctx ends. Its
// error says why the link is unusable, unless a request's outcome says so.
func (l *link) serve(ctx context.Context, requests <-chan request) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-l.closed:
			return l.broken(e)
		case r := <-requests:
			over, err := l.publish(ctx, r)
			if !over {
				r.outcome <- err
				continue
			}
			var end error
			select {
			case e := <-l.closed:
				end = l.broken(e)
				if e != nil && e.Server && e.Code == amqp.AccessRefused { // only r can be meant
					err = refused(fmt.Errorf("%w; permit the user to write to the default exchange", end))
				}
			default:
			}
			r.outcome <- err
			return end
		}
	}
}

// publish sends one message and waits for its confirm, until ctx or the request's
// context ends. over means that the link is unusable: a later confirm on it could
// be for this message.
func (l *link) publish(ctx context.Context, r request) (over bool, err error) {
	if err := r.ctx.Err(); err != nil {
		return false, refused(err)
	}
	confirm, err := l.channel.PublishWithDeferredConfirm("", l.options.Queue, true, false, r.message)
	switch {
	case errors.Is(err, amqp.ErrClosed): // the message was not sent whole
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
		// The library reports a lost connection so, and the broker a failed
		// queue, which may have kept the message.
		return true, inDoubt(errors.New("no confirm: the connection or the queue failed"))
	}
	select {
	case back, ok := <-l.returned: // a return comes before the confirm
		if ok {
			return true, refused(fmt.Errorf("no queue accepts it: %s", back.ReplyText)) // the next link declares one
		}
		// The link was lost right after the confirm; serve will see it.
	default:
	}
	return false, nil
}

// close closes the link. It closes the connection if the broker does not.
func (l *link) close() {
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
