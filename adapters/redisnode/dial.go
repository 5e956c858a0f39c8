package redisnode

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"footfall/adapters/serverurl"
)

// tooManyClients is how Redis refuses a connection beyond its maxclients.
const tooManyClients = "ERR max number of clients"

// dialError is a failure to connect: nothing was sent.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// isRefused tells whether the server takes no more connections. With TLS it can't say so.
func isRefused(err error) bool {
	var dial dialError
	return errors.As(err, &dial) && (begins(dial.Error(), tooManyClients) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET))
}

// pause waits until one of the connections that there are may be free. It is false when
// ctx has ended.
func pause(ctx context.Context) bool {
	return pauseFor(ctx, 5*time.Millisecond+rand.N(10*time.Millisecond))
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// dialer connects to a server, with its TLS files as they are now.
func dialer(files *serverurl.TLS) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr, files)
		if err != nil {
			return nil, dialError{err}
		}
		return conn, nil
	}
}

func dial(ctx context.Context, network, addr string, files *serverurl.TLS) (conn net.Conn, err error) {
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3}}
	if files == nil {
		conn, err = dialer.DialContext(ctx, network, addr)
	} else {
		host, _, _ := net.SplitHostPort(addr)
		var config *tls.Config
		if config, err = files.Config(host); err != nil {
			return nil, err
		}
		if conn, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, addr); err == nil {
			conn = secured{conn.(*tls.Conn)} //nolint:forcetypeassert // documented
		}
	}
	if err != nil {
		return nil, err
	}
	if err := greet(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// secured shows the socket below TLS. The pool looks there whether the server has closed a
// connection that was idle, as it does without TLS.
type secured struct{ *tls.Conn }

func (c secured) SyscallConn() (syscall.RawConn, error) {
	socket, ok := c.NetConn().(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return socket.SyscallConn()
}

// greet waits for a first answer, so that a server that closes the connection instead
// fails the dial and no call. That is how a server with TLS 1.3 refuses the certificate of
// a client, and how one with too many clients refuses one more. Any answer but the latter
// will do: the user is not known yet.
func greet(ctx context.Context, conn net.Conn) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	_, _ = conn.Write([]byte("*1\r\n$4\r\nPING\r\n")) // what the server said before it closed the connection is read all the same
	var line []byte
	for one := make([]byte, 1); !bytes.HasSuffix(line, []byte("\n")); line = append(line, one...) {
		if _, err := io.ReadFull(conn, one); err != nil {
			return err
		}
		if len(line) > 1<<10 {
			return errors.New("the server is no Redis")
		}
	}
	if said, ok := strings.CutPrefix(string(line), "-"); ok && begins(said, tooManyClients) {
		return errors.New(strings.TrimSpace(said))
	}
	return conn.SetDeadline(time.Time{})
}
