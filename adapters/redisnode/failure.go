package redisnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
)

// harmless tells whether Redis gives an answer only before it executes anything.
func harmless(answer string) bool {
	return slices.ContainsFunc([]string{
		"NOSCRIPT", "LOADING", "READONLY", "OOM", "MISCONF", "BUSY", "MASTERDOWN", "NOREPLICAS",
		"NOAUTH", "WRONGPASS", "NOPERM", "ERR max number of clients", "ERR invalid password",
	}, func(beginning string) bool { return strings.HasPrefix(answer, beginning) })
}

// notApplied is an error of a call that had no effect.
func notApplied(err error) error { return fmt.Errorf("%w: %w", counting.ErrNotApplied, err) }

// failed translates an error of the client. It wraps counting.ErrNotApplied if the call
// had no effect.
func failed(err error) error {
	var refused redis.Error
	var op *net.OpError
	switch {
	case errors.Is(err, redis.ErrClosed):
		return counting.ErrClosed
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted),
		errors.As(err, &op) && op.Op == "dial",
		errors.As(err, &refused) && harmless(err.Error()):
		return notApplied(err)
	}
	return err
}

// preflight checks the server at the start of every connection. It refuses a server
// that could evict counts. It logs a warning for a server that could lose them in a
// crash.
func (n *Node) preflight(ctx context.Context, c *redis.Conn) error {
	info, err := c.InfoMap(ctx, "server", "memory", "persistence").Result()
	if err != nil {
		return notApplied(err)
	}
	version := info["Server"]["redis_version"]
	var major, minor int
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor) // what is no version is 0.0
	if major < 7 {
		return notApplied(fmt.Errorf("redis %s is too old, want 7.0 or later", version))
	}
	if policy := info["Memory"]["maxmemory_policy"]; policy != "" && policy != "noeviction" && info["Memory"]["maxmemory"] != "0" {
		return notApplied(fmt.Errorf("maxmemory-policy is %s, so redis may delete counts: want noeviction", policy))
	}
	if info["Persistence"]["aof_enabled"] == "0" && n.warned.CompareAndSwap(false, true) {
		n.log.Warn("redis keeps no append-only file, so a crash of it loses counts", "node", n.id)
	}
	hasWaitAOF := major > 7 || minor >= 2
	if info["Persistence"]["aof_enabled"] == "1" && hasWaitAOF {
		// A server that hides its configuration is assumed to have the default.
		how, err := c.ConfigGet(ctx, "appendfsync").Result()
		n.syncing.Store(err != nil || how["appendfsync"] == "everysec")
	}
	return nil
}
