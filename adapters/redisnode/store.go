package redisnode

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// store is a node in the keys that begin with a prefix. It has the ports that a server and
// a partition of a Redis Cluster share: all but counting.Movable. Every call is one script.
type store struct {
	id      counting.NodeID
	keys    []string // KEYS of every script: the state and the canary (node.lua)
	sets    int      // of the ids of a window, a power of two
	servers servers
	// scripts are loaded into the server when it doesn't know them.
	scripts  map[string]script
	refusals map[string]error
	replicas int // that have to have a batch
	log      *slog.Logger

	bound  atomic.Pointer[string] // the deployment that calls mean, nil for any
	warned atomic.Int64           // Unix time of the last warning that an arc is missing
}

var (
	_ counting.Counts      = (*store)(nil)
	_ counting.Histories   = (*store)(nil)
	_ counting.Windows     = (*store)(nil)
	_ counting.Ledger      = (*store)(nil)
	_ counting.DeadLetters = (*store)(nil)
	_ sharding.RingStore   = (*store)(nil)
)

// servers find the server that has the keys of a store now. They are safe for concurrent
// use.
type servers interface {
	// pool returns its connections, and connection one of them, for a call and the wait for
	// its replicas. Errors wrap counting.ErrNotApplied.
	pool(ctx context.Context) (connection, error)
	connection(ctx context.Context) (connection, error)
	// mayRepeat notes that a call has failed. It tells, after a pause, whether the call had
	// no effect and may succeed if it is sent again before ctx ends.
	mayRepeat(ctx context.Context, on connection, err error) bool
	// replicas is how many replicas of the server may be promoted without an operator, also
	// if they are not connected to it. on is a connection of the server.
	replicas(ctx context.Context, on connection) (int, error)
	// addr is the address as a member of the ring.
	addr() string
	// checks are those of every connection.
	checks() *checks
}

// connection is a client, or one connection of it, which close returns.
type connection struct {
	scripter
	of    *redis.Client
	close func()
}

func newStore(id counting.NodeID, prefix string, sets int, at servers, scripts map[string]script, replicas int, log *slog.Logger) store {
	return store{
		id: id, keys: []string{prefix + "T", prefix + "~"}, sets: sets, servers: at,
		scripts: scripts, refusals: refusals(), replicas: replicas, log: log,
	}
}

// Prefix begins each of the node's keys.
func (n *store) Prefix() string { return strings.TrimSuffix(n.keys[0], "T") }

// isPartition tells whether the keys have a hash tag.
func (n *store) isPartition() bool { return strings.Contains(n.Prefix(), "{") }

// ID implements sharding.RingStore.
func (n *store) ID() counting.NodeID { return n.id }

// Addr implements sharding.RingStore.
func (n *store) Addr() string { return n.servers.addr() }

// run runs the script of a function with the node's id, its deployment and args. It returns the answer
// after its first word. The error is that of the client (failed), or one of refusals.
func (n *store) run(ctx context.Context, function string, args ...any) (answer, error) {
	_, _, answer, err := n.call(ctx, n.servers.pool, function, args)
	return answer, err
}

// refusal is the error for the first word of an answer; nil if the script did not refuse.
func (n *store) refusal(word string, a answer) error {
	switch word {
	case "SKEW":
		return &counting.SkewError{Ahead: time.Duration(a.int64(1)) * time.Millisecond}
	case "GAP":
		return &counting.GapError{Last: a.int64(1)}
	case "WRONGNODE":
		return fmt.Errorf("%w: it is %s", counting.ErrWrongNode, a.text(1))
	case "OTHER":
		return &counting.DeploymentError{Of: a.text(1), Meant: a.text(2)}
	case "FORMAT":
		return &counting.FormatError{Format: a.text(1), Newest: a.text(2)}
	}
	return n.refusals[word]
}

// call is run on a connection that get returns. It also returns that connection, which the
// caller closes if there is no error, and the word: OK or another one of the script.
func (n *store) call(
	ctx context.Context, get func(context.Context) (connection, error), function string, args []any,
) (on connection, word string, rest answer, err error) {
	s := n.scripts[function]
	args = append([]any{string(n.id), n.deployment()}, args...)
	var v []any
	for end := time.Now().Add(callTimeout); ; {
		if on, err = get(ctx); err == nil {
			if v, err = s.run(ctx, on, n.keys, args); err == nil {
				break
			}
			on.close()
		}
		if !n.servers.mayRepeat(ctx, on, err) || time.Now().After(end) {
			return on, "", nil, fmt.Errorf("%s on %s: %w", s.act, n.id, n.failed(err))
		}
	}
	if word = answer(v).text(0); word == "" {
		err = fmt.Errorf("it answered %v", v)
	} else {
		err = n.refusal(word, answer(v))
	}
	if err != nil {
		on.close()
		return on, "", nil, fmt.Errorf("%s on %s: %w", s.act, n.id, err)
	}
	return on, word, v[1:], nil
}
