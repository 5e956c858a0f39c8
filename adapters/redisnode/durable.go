package redisnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
)

// syncTimeout bounds the wait for replicas, and that for the disk.
const syncTimeout = 5 * time.Second

// replicaTimeout bounds the wait for the replicas of a batch.
const replicaTimeout = callTimeout * 8 / 10

// scripter is a client, or one connection of it.
type scripter interface {
	redis.Scripter
	Wait(ctx context.Context, replicas int, timeout time.Duration) *redis.IntCmd
	ClusterNodes(ctx context.Context) *redis.StringCmd
	WaitAOF(ctx context.Context, local, replicas int, timeout time.Duration) *redis.IntSliceCmd
}

// awaitReplicas returns when as many replicas have all that the connection has written.
// The error has what is missing, in words for clients.
func awaitReplicas(ctx context.Context, on scripter, replicas int, timeout time.Duration) error {
	have, err := on.Wait(ctx, replicas, timeout).Result()
	if err == nil && have < int64(replicas) {
		return tooFew(int(have), replicas, func(err error) error { return err })
	}
	return err
}

// tooFew is the error of a server with too few replicas, as Redis words it.
func tooFew(have, want int, wrap func(error) error) error {
	says := fmt.Sprintf("NOREPLICAS %d of %d replicas have it", have, want)
	return &counting.ServerError{Says: says, Err: wrap(errors.New(says))}
}

// replicated runs a script whose effect has to survive a failover. It returns the
// rest of the script's answer once every replica has the effect that is online, or may be
// promoted without an operator. It does not wait for another one that is offline: its
// promotion by an operator loses counts in any case. After an error that the script did not
// answer the outcome is unknown.
func (n *store) replicated(ctx context.Context, function string, args ...any) (answer, error) {
	return n.runDurable(ctx, false, function, args)
}

// synced is replicated, and also waits for the append-only file of the server
// where that is synced once a second.
func (n *store) synced(ctx context.Context, function string, args ...any) (answer, error) {
	return n.runDurable(ctx, true, function, args)
}

func (n *store) runDurable(ctx context.Context, synced bool, function string, args []any) (answer, error) {
	// WAIT covers what its own connection has written. So the script runs on
	// the same connection, and runs again if it had an effect before. The
	// answer then says of one server that the effect exists and is durable.
	on, _, answer, err := n.call(ctx, n.servers.connection, function, args)
	if err != nil {
		return nil, err
	}
	defer on.close()
	replicas, err := n.servers.replicas(ctx, on)
	if err != nil {
		return nil, fmt.Errorf("%s: replicas of %s: %w", n.scripts[function].act, n.id, err)
	}
	if replicas = max(replicas, answer.int(0)); replicas > 0 {
		if err := awaitReplicas(ctx, on, replicas, syncTimeout); err != nil {
			return nil, fmt.Errorf("%s: replicas of %s: %w", n.scripts[function].act, n.id, err)
		}
	}
	if synced && n.servers.checks().syncing.Load() {
		have, err := on.WaitAOF(ctx, 1, 0, syncTimeout).Result()
		if err == nil && (len(have) == 0 || have[0] < 1) {
			err = fmt.Errorf("no answer within %v", syncTimeout)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: append-only file of %s: %w", n.scripts[function].act, n.id, err)
		}
	}
	return answer[1:], nil
}
