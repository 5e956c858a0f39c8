// Package redisnode is a node on one Redis server (or a primary with its
// replicas), version 7.0 or later.
//
// URL: redis://[user:pass@]host:port,host:port/db, rediss:// for TLS; a node
// for each address, named redis_<port>, or redis_<host>_<port> where two share
// a port. A server keeps the name that it joined under. Parameters after a question mark
// are those of Options.parameters, and the TLS files. With redis+sentinel:// a node is a
// master that Sentinels watch (ParseSentinelURL). Keys all begin with ff: and are listed in keys.go. Every call is one
// script, so that it happens as a whole or not at all. What survives a crash
// is what Redis has written to its append-only file. A call that fails before
// it is sent, or that Redis refuses whole, is counting.ErrNotApplied; any
// other failure is unknown. Nothing is retried here.
package redisnode

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"footfall/adapters/serverurl"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

const (
	dialTimeout = 500 * time.Millisecond
	callTimeout = time.Second
	// poolSize and idleTime are the defaults of Options. Servers and balancers close
	// connections that are idle for a minute or longer.
	poolSize = 16
	idleTime = 50 * time.Second
)

// Options say which server, and as what.
type Options struct {
	ID   counting.NodeID
	Addr string // host:port, or sentinel/NAME with Sentinels
	// Sentinels find the server; nil: it is that at Addr.
	Sentinels *Sentinels
	// Username, Password, DB and TLS are those of the connection.
	Username, Password string
	DB                 int
	TLS                *serverurl.TLS // nil: none
	// PoolSize bounds the connections, and IdleTime how long one of them is unused
	// before it is replaced. 0 is 16, and 50 s.
	PoolSize int
	IdleTime time.Duration
	// Wait is how many replicas have to have a batch before it is answered.
	Wait int
	Log  *slog.Logger
}

// Node is one node. Its methods are safe for concurrent use. New connects to
// nothing: a server that is away is an error of each call.
type Node struct {
	id     counting.NodeID
	client atomic.Pointer[redis.Client]
	// newClient makes a client without a connection.
	newClient func() *redis.Client
	// scripts are loaded into the server when it doesn't know them.
	scripts  map[string]script
	commands []any // that the scripts run
	refusals map[string]error
	replicas int // that have to have a batch
	log      *slog.Logger
	db       int
	tls      bool
	master   *master // finds the server; nil: its address is fixed

	bound  atomic.Pointer[string] // the deployment that calls mean, nil for any
	closed atomic.Bool
	warned atomic.Bool // that the server writes no append-only file
	// warnedReplicas: that the server takes writes without replicas
	warnedReplicas atomic.Bool
	syncing        atomic.Bool // the server syncs that file once a second, and has WAITAOF
}

var (
	_ counting.Counts    = (*Node)(nil)
	_ counting.Movable   = (*Node)(nil)
	_ counting.Windows   = (*Node)(nil)
	_ counting.Ledger    = (*Node)(nil)
	_ sharding.RingStore = (*Node)(nil)
)

// New makes a node. With Sentinels it watches its master until Close.
func New(o Options) *Node {
	// The client writes lines of its own to stderr, one for each failed dial.
	// They say no more than the errors of the calls do.
	logging.Disable()
	n := &Node{id: o.ID, log: o.Log, scripts: newScripts(), commands: commands(), refusals: refusals(), replicas: o.Wait, db: o.DB, tls: o.TLS != nil}
	if n.replicas > 0 {
		n.commands = append(n.commands, "WAIT")
	}
	connect, timeout, lifetime := dialer(o.TLS), dialTimeout, time.Duration(0)
	if o.Sentinels != nil {
		n.master = newMaster(o, func() { n.replaceClient(n.client.Load()) })
		connect, timeout, lifetime = n.master.dial, callTimeout, masterLifetime
	}
	n.newClient = func() *redis.Client {
		return redis.NewClient(&redis.Options{
			Addr: o.Addr, Username: o.Username, Password: o.Password,
			Dialer:    connect,
			OnConnect: n.preflight,
			// A retry inside the client could count twice. The group commit repeats
			// batches, since it knows what they are.
			MaxRetries: -1, DialerRetries: 1,
			ContextTimeoutEnabled: true,
			DialTimeout:           timeout, ReadTimeout: callTimeout, WriteTimeout: callTimeout,
			PoolSize: cmp.Or(o.PoolSize, poolSize), PoolTimeout: callTimeout,
			ConnMaxIdleTime: cmp.Or(o.IdleTime, idleTime),
			ConnMaxLifetime: lifetime, ConnMaxLifetimeJitter: lifetime / 5,
			Protocol: 2, DisableIdentity: true,
		})
	}
	n.client.Store(n.newClient())
	if n.master != nil {
		n.master.start()
	}
	return n
}

// connection is one connection of a client. It is returned by Close.
type connection struct {
	*redis.Conn
	of *redis.Client
}

func (n *Node) connection() connection {
	client := n.client.Load()
	return connection{client.Conn(), client}
}

// replaceIfDemoted replaces all connections when one of them leads to a server that is no
// primary any more: the others do, too, and the address may lead to another server by now.
func (n *Node) replaceIfDemoted(on redis.Scripter, err error) {
	if n.master != nil && begins(err.Error(), "NOREPLICAS") {
		n.master.doubt()
	}
	if !begins(err.Error(), "READONLY") {
		return
	}
	old, ok := on.(*redis.Client)
	if !ok {
		old = on.(connection).of
	}
	n.replaceClient(old)
}

// replaceClient replaces all connections, unless those of old are replaced already. The old
// ones are closed when the calls that are under way on them have ended.
func (n *Node) replaceClient(old *redis.Client) {
	replacement := n.newClient()
	if n.client.CompareAndSwap(old, replacement) {
		time.AfterFunc(2*callTimeout, func() { _ = old.Close() })
	} else {
		_ = replacement.Close()
	}
	if n.closed.Load() {
		_ = n.client.Load().Close()
	}
}

// Close ends all connections. It may be called twice.
func (n *Node) Close() error {
	n.closed.Store(true)
	if n.master != nil {
		n.master.close()
	}
	if err := n.client.Load().Close(); err != nil && err != redis.ErrClosed { //nolint:errorlint // it is returned as it is
		return err
	}
	return nil
}

// ID implements sharding.RingStore.
func (n *Node) ID() counting.NodeID { return n.id }

// Addr implements sharding.RingStore.
func (n *Node) Addr() string { return n.client.Load().Options().Addr }

// Identify asks the servers who they are, before any other call. A node whose server
// has the other name of its address (names) takes that name: the list of a configuration
// may be shorter or longer than that by which the server was named. Identify returns an
// error if two of the nodes that answer are one server under two addresses.
func Identify(ctx context.Context, nodes []*Node) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	runs := make([]string, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			info, _ := n.client.Load().InfoMap(ctx, "server").Result() // a node that is away is not compared
			runs[i] = fmt.Sprint(info["Server"]["run_id"], "/", n.db)
			stored, _ := n.client.Load().HGet(ctx, "ff:T", "node").Result() // and keeps its name
			if short, long := names(n.Addr()); stored == string(short) || stored == string(long) {
				n.id = counting.NodeID(stored)
			}
		})
	}
	all.Wait()
	for i, run := range runs {
		if j := slices.Index(runs, run); j < i && !strings.HasPrefix(run, "/") {
			return fmt.Errorf("%s and %s are the same server", nodes[j].Addr(), nodes[i].Addr())
		}
	}
	return nil
}
