package redisstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"footfall/adapters/brokerlink"
)

// errSilent is the error of a server that answers nothing.
var errSilent = fmt.Errorf("%w: the server does not answer", brokerlink.ErrNotReached)

// newClient returns a client that connects when it is used, until ctx ends.
func newClient(ctx context.Context, o Options, warn func()) *redis.Client {
	logging.Disable() // of lines of the client's own, which repeat errors
	return redis.NewClient(&redis.Options{
		Addr: o.Addr, Username: o.User, Password: o.Password, DB: o.DB,
		Dialer: o.dialer(ctx), OnConnect: func(ctx context.Context, c *redis.Conn) error { return checkServer(ctx, c, warn) },
		// What is in doubt is not repeated. The publisher repeats what was not sent.
		MaxRetries: -1, DialerRetries: 1,
		ContextTimeoutEnabled: true,
		DialTimeout:           callTime, ReadTimeout: callTime, WriteTimeout: callTime, PoolTimeout: callTime,
		// Most calls are those of one goroutine. So at most one connection may be a lost one.
		PoolSize: connections, MaxIdleConns: 1,
		Protocol: 2, DisableIdentity: true,
	})
}

// dialer connects with the TLS files as they are now, until the publisher is stopped.
func (o Options) dialer(stopped context.Context) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stopped, cancel)()
		if o.TLS == nil {
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
		} else {
			host, _, _ := net.SplitHostPort(addr)
			var config *tls.Config
			if config, err = o.TLS.Config(host); err != nil {
				return nil, err
			}
			if conn, err = (&tls.Dialer{Config: config}).DialContext(ctx, network, addr); err == nil {
				conn = secured{conn}
			}
		}
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return nil, fmt.Errorf("%w: %w", brokerlink.ErrNotReached, err)
		}
		return conn, err
	}
}

// secured is a connection with TLS whose failed writes are left to the next read, which has the
// reason: with TLS 1.3 a server refuses the certificate of a client after the handshake.
type secured struct{ net.Conn }

func (c secured) Write(b []byte) (int, error) {
	_, _ = c.Conn.Write(b)
	return len(b), nil
}

// checkServer refuses a server that is too old for the script, or that may evict the stream
// or its ids, at the start of each connection. It warns of one that forgets in a crash.
func checkServer(ctx context.Context, c *redis.Conn, warn func()) error {
	info, err := c.InfoMap(ctx, "server", "memory", "persistence").Result()
	if err != nil {
		return err
	}
	version, policy := info["Server"]["redis_version"], info["Memory"]["maxmemory_policy"]
	var major int
	if _, _ = fmt.Sscanf(version, "%d.", &major); major < 7 {
		return fmt.Errorf("redis %s is too old, want 7.0 or later", version)
	}
	if policy != "" && policy != "noeviction" && info["Memory"]["maxmemory"] != "0" {
		return fmt.Errorf("maxmemory-policy is %s, so redis may delete counts: want noeviction", policy)
	}
	if info["Persistence"]["aof_enabled"] == "0" {
		warn()
	}
	return nil
}

// isRefusal tells whether the server has answered that it did nothing. The text of a failure
// within a script names the script.
func isRefusal(err error) bool {
	var said redis.Error
	return errors.As(err, &said) && !strings.Contains(said.Error(), " script: ")
}

// plain returns an error of the client without what differs between attempts, and without the
// user's name.
func (o Options) plain(err error) error {
	var said redis.Error
	var late net.Error
	var op *net.OpError
	switch {
	case errors.As(err, &said):
		return o.explain(said.Error())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, redis.ErrPoolTimeout), errors.As(err, &late) && late.Timeout():
		return errSilent
	case errors.Is(err, brokerlink.ErrNotReached):
		return err
	case errors.As(err, &op) && op.Op == "remote error": // of TLS
		return op
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("the server closed the connection")
	case errors.As(err, &op): // without the local port
		return fmt.Errorf("the connection was lost: %w", op.Err)
	}
	return err
}

// explain makes the error of an answer, with what an operator can do.
func (o Options) explain(says string) error {
	if o.User != "" {
		says = strings.ReplaceAll(says, "User "+o.User+" ", "The user ")
	}
	word, _, _ := strings.Cut(says, " ")
	switch word {
	case "NOAUTH", "WRONGPASS":
		says += "; correct user and password in FOOTFALL_PUBLISHER"
	case "MOVED", "ASK", "CROSSSLOT":
		says += "; name the node of the cluster that has the stream"
	case "READONLY":
		says += "; name its primary"
	}
	return errors.New(says)
}
