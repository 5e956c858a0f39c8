package redisnode

import (
	"context"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Heartbeat implements counting.Windows.
func (n *store) Heartbeat(ctx context.Context, c counting.Clock) (counting.HeartbeatResult, error) {
	answer, err := n.run(ctx, "heartbeat", seconds(counting.SessionLife), counting.MaxWaiting,
		c.Now.UnixMilli(), c.MaxSkew.Milliseconds(), sharding.Arcs, counting.DeadLetterLife.Milliseconds())
	a := counting.HeartbeatResult{Now: time.UnixMilli(answer.int64(0)), Current: counting.Window(answer.int64(1))}
	for i := 2; i < len(answer); i++ {
		a.Waiting = append(a.Waiting, counting.Window(answer.int64(i)))
	}
	return a, err
}

// Waiting implements counting.Windows.
func (n *store) Waiting(ctx context.Context, before counting.Window, limit int) ([]counting.Window, error) {
	answer, err := n.run(ctx, "waiting", int64(before), limit)
	all := make([]counting.Window, len(answer))
	for i := range answer {
		all[i] = counting.Window(answer.int64(i))
	}
	return all, err
}

// Seal implements counting.Windows.
func (n *store) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (int64, error) {
	answer, err := n.replicated(ctx, "seal", int64(w), grace.Milliseconds(), counting.EntryLife.Milliseconds(),
		c.Now.UnixMilli(), c.MaxSkew.Milliseconds(), n.sets)
	return answer.int64(0), err
}

// Distinct implements counting.Windows.
func (n *store) Distinct(ctx context.Context, w counting.Window) (int64, error) {
	answer, err := n.run(ctx, "distinct", int64(w))
	return answer.int64(0), err
}

// Endpoints implements counting.Windows.
func (n *store) Endpoints(ctx context.Context, w counting.Window) ([]string, error) {
	answer, err := n.run(ctx, "endpoints", int64(w))
	endpoints := make([]string, len(answer))
	for i := range answer {
		endpoints[i] = answer.text(i)
	}
	return endpoints, err
}

// Retire implements counting.Windows.
func (n *store) Retire(ctx context.Context, w counting.Window) error {
	_, err := n.run(ctx, "retire", int64(w), seconds(counting.WindowLife), n.sets)
	return err
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
