package redisnode

import (
	"context"
	"fmt"
	"time"
)

// settleTime is how long replicas and the disk may take to follow.
const settleTime = 5 * time.Second

// lasting runs a script whose effect has to outlive a fail-over, and returns
// its answer when every replica that was in touch has it. A replica that is
// away is not waited for: it can't take over what it never heard of without
// losing counts of any kind. An error that is no answer of the script leaves
// the outcome unknown.
func (n *Node) lasting(ctx context.Context, s script, args ...any) ([]any, error) {
	return n.resolve(ctx, false, s, args...)
}

// settle is lasting; with synced it waits for the append-only file of the
// server, too, where that is synced once a second.
func (n *Node) resolve(ctx context.Context, synced bool, s script, args ...any) ([]any, error) {
	// WAIT is for what its own connection has written. So the script runs
	// on the same one, and again when it had an effect before: that the
	// effect was still there and that it lasts is then one answer, of one
	// server.
	conn := n.client.Conn()
	defer func() { _ = conn.Close() }() // it goes back to the others
	_, answer, err := n.runOn(ctx, conn, s, args...)
	if err != nil {
		return nil, err
	}
	if replicas := toInt(answer[0]); replicas > 0 {
		have, err := conn.Wait(ctx, int(replicas), settleTime).Result()
		if err == nil && have < replicas {
			err = fmt.Errorf("%d of %d have it", have, replicas)
		}
		if err != nil {
			return nil, fmt.Errorf("replicas of %s: %w", n.id, err)
		}
	}
	if synced && n.syncing.Load() {
		have, err := conn.WaitAOF(ctx, 1, 0, settleTime).Result()
		if err == nil && (len(have) == 0 || have[0] < 1) {
			err = fmt.Errorf("no answer within %v", settleTime)
		}
		if err != nil {
			return nil, fmt.Errorf("append-only file of %s: %w", n.id, err)
		}
	}
	return answer[1:], nil
}
