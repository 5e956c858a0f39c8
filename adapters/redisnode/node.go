// Package redisnode is a node on one Redis server (or a primary with its
// replicas), version 7.0 or later, or Valkey.
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
	"log/slog"
	"time"

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
	store
	server *server
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
	at := newServer(o)
	return &Node{store: newStore(o.ID, "ff:", 1<<setBits, at, newScripts(), o.Wait, o.Log), server: at}
}

// Close ends all connections. It may be called twice.
func (n *Node) Close() error { return n.server.close() }

// Move connects to another address from now on, where the node's server is. Calls that
// are under way end as they do at the old one.
func (n *Node) Move(addr string) { n.server.move(addr) }
