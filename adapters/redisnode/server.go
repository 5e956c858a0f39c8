package redisnode

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// server is the one server of a node.
type server struct {
	client atomic.Pointer[redis.Client]
	// newClient makes a client of the server at an address, without a connection.
	newClient func(addr string) *redis.Client
	checked   *checks
	master    *master // finds the server; nil: its address is fixed
	db        int
	closed    atomic.Bool
}

func newServer(o Options) *server {
	s := &server{db: o.DB}
	s.checked = newChecks(o, string(o.ID), s.addr)
	options := o.client(s.checked)
	if o.Sentinels != nil {
		s.master = newMaster(o, func() { s.move(o.Addr) })
		s.checked.master = s.master
		options.Dialer, options.DialTimeout = s.master.dial, callTimeout
		options.ConnMaxLifetime, options.ConnMaxLifetimeJitter = masterLifetime, masterLifetime/5
	}
	s.newClient = func(addr string) *redis.Client {
		own := *options // the client changes them
		own.Addr = addr
		return redis.NewClient(&own)
	}
	s.client.Store(s.newClient(o.Addr))
	if s.master != nil {
		s.master.start()
	}
	return s
}

func newChecks(o Options, node string, addr func() string) *checks {
	k := &checks{
		node: node, addr: addr, user: o.Username, commands: commands(), db: o.DB, tls: o.TLS != nil, waits: o.Wait > 0, log: o.Log,
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
		Addr: o.Addr, Username: o.Username, Password: o.Password,
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

// replicas implements servers: without Sentinels, an operator promotes them.
func (s *server) replicas(ctx context.Context, _ connection) (int, error) {
	if s.master == nil {
		return 0, nil
	}
	return s.master.replicas(ctx)
}

func (s *server) addr() string    { return s.client.Load().Options().Addr }
func (s *server) checks() *checks { return s.checked }

// mayRepeat implements servers: a connection that the server refused may be one too many.
func (s *server) mayRepeat(ctx context.Context, on connection, err error) bool {
	s.replaceIfDemoted(on.of, err)
	return isRefused(err) && s.client.Load().PoolStats().TotalConns > 0 && pause(ctx)
}

// replaceIfDemoted replaces all connections when one of them leads to a server that is no
// primary any more: the others do, too, and the address may lead to another server by now.
func (s *server) replaceIfDemoted(old *redis.Client, err error) {
	if s.master != nil && begins(err.Error(), "NOREPLICAS") {
		s.master.doubt()
	}
	if begins(err.Error(), "READONLY") {
		s.replace(old, s.newClient(old.Options().Addr))
	}
}

// replace closes the old client when the calls that are under way on it have ended. It
// does nothing, and is false, if that is not the present one.
func (s *server) replace(old, replacement *redis.Client) bool {
	if !s.client.CompareAndSwap(old, replacement) {
		_ = replacement.Close()
		return false
	}
	time.AfterFunc(2*callTimeout, func() { _ = old.Close() })
	if s.closed.Load() {
		_ = replacement.Close()
	}
	return true
}

// move connects to the server at an address from now on.
func (s *server) move(addr string) {
	for moved := false; !moved; { // a demoted server may be replaced meanwhile
		moved = s.replace(s.client.Load(), s.newClient(addr))
	}
}

// close ends all connections. It may be called twice.
func (s *server) close() error {
	s.closed.Store(true)
	if s.master != nil {
		s.master.close()
	}
	if err := s.client.Load().Close(); err != nil && err != redis.ErrClosed { //nolint:errorlint // it is returned as it is
		return err
	}
	return nil
}
