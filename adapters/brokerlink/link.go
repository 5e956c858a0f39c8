// Package brokerlink keeps a publisher connected to a server that takes reports: a broker, or
// whatever stores messages. An adapter opens links and sends over them; when to do either is
// decided here.
package brokerlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"footfall/domain/publishing"
)

// SetupTime bounds the opening of one link. With the longest pause between attempts, a server
// that is back is found within 10 s.
const SetupTime = 5 * time.Second

// ErrNotReached is wrapped by the errors of a server that could refuse nothing: there is no
// connection to it, or it is silent.
var ErrNotReached = errors.New("not reached")

// Options say to what a Publisher is linked.
type Options struct {
	// Name is that of the publisher, as publishing.Publisher wants it. It begins its errors.
	Name string
	// Title begins the lines of the log: "Title is connected", "Title is away". About are
	// the attributes of both, before addr.
	Title string
	About []any
	// Addrs are the servers in the order of trial, one at least. Those of a cluster that a
	// client library knows as a whole are one text.
	Addrs []string
	// Open returns a link to the server at addr, and more attributes of the line that says so. It
	// takes SetupTime at most, and ends when ctx does. The link outlives ctx. One Open runs at a
	// time, and no other link is open meanwhile. Errors have no credentials; they wrap
	// ErrNotReached if the server could refuse nothing.
	Open func(ctx context.Context, addr string) (l Link, more []any, err error)
}

// Link is a connection to a server that takes reports. It never reconnects, so that what it has
// not sent when it ends is sent by no other one.
type Link interface {
	// Publish sends one report, and waits until its outcome is known or ctx ends. It runs once at
	// a time, beside Wait, and maybe beside Close, which ends it soon.
	Publish(ctx context.Context, r publishing.Report) Outcome
	// Wait returns when the link is lost, with the reason, and when ctx ends. It runs once. An
	// error that wraps ErrNotReached means that the server is known to be away. After any other
	// one, the next Open may succeed.
	Wait(ctx context.Context) error
	// Close ends all that the link has, soon. It is called once, after Wait.
	Close()
}

// Outcome is what became of a report.
type Outcome struct {
	// Err is nil when the server has stored the report. It has no credentials.
	Err error
	// InDoubt is set when the server may have stored it, or may still do so. An error without it
	// is a refusal for certain.
	InDoubt bool
	// Over is set when the link cannot be used any more. Err is the reason.
	Over bool
}

// Connect connects to addr within SetupTime, and calls setUp. A library's calls in it that know no
// context end with ctx all the same, since the connection is closed then. After an error it is
// closed as well.
func Connect(ctx context.Context, addr string, setUp func(context.Context, net.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, SetupTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotReached, err)
	}
	release := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = setUp(ctx, conn)
	if !release() && err == nil {
		err = ctx.Err()
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = fmt.Errorf("%w: the server does not answer", ErrNotReached)
	}
	_ = conn.Close()
	return err
}
