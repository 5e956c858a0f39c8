package redisnode

import (
	"context"
	"fmt"
	"time"

	"footfall/domain/counting"
)

// Heartbeat implements counting.Windows.
func (n *Node) Heartbeat(ctx context.Context) (counting.HeartbeatResult, error) {
	_, answer, err := n.run(ctx, n.scripts.heartbeat, seconds(counting.SessionLife), counting.MaxWaiting)
	if err != nil {
		return counting.HeartbeatResult{}, fmt.Errorf("heartbeat on %s: %w", n.id, err)
	}
	a := counting.HeartbeatResult{Current: counting.Window(toInt(answer[0]))}
	for _, w := range answer[1:] {
		a.Waiting = append(a.Waiting, counting.Window(toInt(w)))
	}
	return a, nil
}

// Seal implements counting.Windows.
func (n *Node) Seal(ctx context.Context, w counting.Window, grace time.Duration) (int64, error) {
	_, answer, err := n.run(ctx, n.scripts.seal, int64(w), grace.Milliseconds(), counting.EntryLife.Milliseconds())
	if err != nil {
		return 0, fmt.Errorf("seal window %d on %s: %w", w, n.id, err)
	}
	return toInt(answer[0]), nil
}

// Distinct implements counting.Windows.
func (n *Node) Distinct(ctx context.Context, w counting.Window) (int64, error) {
	_, answer, err := n.run(ctx, n.scripts.distinct, int64(w))
	if err != nil {
		return 0, fmt.Errorf("count window %d on %s: %w", w, n.id, err)
	}
	return toInt(answer[0]), nil
}

// Endpoints implements counting.Windows.
func (n *Node) Endpoints(ctx context.Context, w counting.Window) ([]string, error) {
	_, answer, err := n.run(ctx, n.scripts.endpoints, int64(w))
	if err != nil {
		return nil, fmt.Errorf("endpoints of window %d on %s: %w", w, n.id, err)
	}
	endpoints := make([]string, 0, len(answer))
	for _, e := range answer {
		text, _ := e.(string)
		endpoints = append(endpoints, text)
	}
	return endpoints, nil
}

// Retire implements counting.Windows.
func (n *Node) Retire(ctx context.Context, w counting.Window) error {
	if _, _, err := n.run(ctx, n.scripts.retire, int64(w), seconds(counting.WindowLife), idSets); err != nil {
		return fmt.Errorf("retire window %d on %s: %w", w, n.id, err)
	}
	return nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
