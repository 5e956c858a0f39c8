package redisnode

import (
	"cmp"
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// server is the one server of a node.
type server struct {
	address string
	client  atomic.Pointer[redis.Client]
	// newClient makes a client without a connection.
	newClient func() *redis.Client
	checked   *checks
	closed    atomic.Bool
}

func newServer(o Options) *server {
	s := &server{address: o.Addr, checked: newChecks(o, string(o.ID), o.Addr)}
	s.newClient = func() *redis.Client { return redis.NewClient(o.client(s.checked)) }
	s.client.Store(s.newClient())
	return s
}

func newChecks(o Options, node, addr string) *checks {
	k := &checks{node: node, addr: addr, scheme: "redis", user: o.Username, commands: commands(), log: o.Log}
	if o.TLS != nil {
		k.scheme = "rediss"
	}
	if o.Wait > 0 {
		k.commands = append(k.commands, "WAIT")
	}
	return k
}

// client are the options of the connections to one server.
func (o Options) client(k *checks) *redis.Options {
	// The client writes lines of its own to stderr, one for each failed dial.
	// They say no more than the errors of the calls do.
	logging.Disable()
	return &redis.Options{
		Addr: o.Addr, Username: o.Username, Password: o.Password, DB: o.DB,
		Dialer:    dialer(o.TLS),
		OnConnect: k.preflight,
		// A retry inside the client could count twice. The group commit repeats
		// batches, since it knows what they are.
		MaxRetries: -1, DialerRetries: 1,
		ContextTimeoutEnabled: true,
		DialTimeout:           dialTimeout, ReadTimeout: callTimeout, WriteTimeout: callTimeout,
		PoolSize: cmp.Or(o.PoolSize, poolSize), PoolTimeout: callTimeout,
		ConnMaxIdleTime: cmp.Or(o.IdleTime, idleTime),
		Protocol:        2, DisableIdentity: true,
	}
}

// pool implements servers.
func (s *server) pool(context.Context) (connection, error) {
	client := s.client.Load()
	return connection{client, client, func() {}}, nil
}

// connection implements servers.
func (s *server) connection(context.Context) (connection, error) {
	client := s.client.Load()
	conn := client.Conn()
	return connection{conn, client, func() { _ = conn.Close() }}, nil
}

func (s *server) addr() string    { return s.address }
func (s *server) checks() *checks { return s.checked }

// mayRepeat implements servers: a connection that the server refused may be one too many.
func (s *server) mayRepeat(ctx context.Context, on connection, err error) bool {
	s.replaceIfDemoted(on.of, err)
	return isRefused(err) && s.client.Load().PoolStats().TotalConns > 0 && pause(ctx)
}

// replaceIfDemoted replaces all connections when one of them leads to a server that is no
// primary any more: the others do, too, and the address may lead to another server by now.
// The old ones are closed when the calls that are under way on them have ended.
func (s *server) replaceIfDemoted(old *redis.Client, err error) {
	if !strings.HasPrefix(err.Error(), "READONLY") {
		return
	}
	replacement := s.newClient()
	if s.client.CompareAndSwap(old, replacement) {
		time.AfterFunc(2*callTimeout, func() { _ = old.Close() })
	} else {
		_ = replacement.Close()
	}
	if s.closed.Load() {
		_ = s.client.Load().Close()
	}
}

// close ends all connections. It may be called twice.
func (s *server) close() error {
	s.closed.Store(true)
	if err := s.client.Load().Close(); err != nil && err != redis.ErrClosed { //nolint:errorlint // it is returned as it is
		return err
	}
	return nil
}
