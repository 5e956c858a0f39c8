package redisnode

import (
	"context"
	"fmt"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Standing implements sharding.Keeper.
func (n *Node) Standing(ctx context.Context) (sharding.Standing, error) {
	_, answer, err := n.run(ctx, n.scripts.standing)
	if err != nil {
		return sharding.Standing{}, fmt.Errorf("standing of %s: %w", n.id, err)
	}
	var s sharding.Standing
	for i, ring := range []**sharding.Ring{&s.Opened, &s.Fenced, &s.Approved} {
		document, ok := answer[i].(string)
		if !ok {
			continue
		}
		if *ring, err = sharding.Decode([]byte(document)); err != nil {
			return sharding.Standing{}, fmt.Errorf("standing of %s: %w", n.id, err)
		}
	}
	s.Coming = int(toInt(answer[3]))
	return s, nil
}

// Pulse implements sharding.Keeper.
func (n *Node) Pulse(ctx context.Context) (sharding.Pulse, error) {
	_, answer, err := n.run(ctx, n.scripts.pulse)
	if err != nil {
		return sharding.Pulse{}, fmt.Errorf("pulse of %s: %w", n.id, err)
	}
	return sharding.Pulse{
		Fence:  counting.Epoch(toInt(answer[0])),
		Opened: counting.Epoch(toInt(answer[1])),
		Coming: int(toInt(answer[2])),
		Keys:   int(toInt(answer[3])),
	}, nil
}

// Fence implements sharding.Keeper.
func (n *Node) Fence(ctx context.Context, r *sharding.Ring) (counting.Window, error) {
	var tables strings.Builder
	for _, t := range r.IDTables() {
		fmt.Fprintf(&tables, "%d %d;", t.From, t.Epoch)
	}
	answer, err := n.lasting(ctx, n.scripts.fence, r.Deployment(), int64(r.Epoch()), r.ChangeID(), r.Encode(),
		time.Duration(r.Length()).Milliseconds(), tables.String(),
		int64(r.Follows()), r.Enters(n.id), r.Newcomer(n.id), packArcs(r.Coming(n.id)), packArcList(r.Ends(n.id)))
	if err != nil {
		return 0, fmt.Errorf("fence %s: %w", n.id, err)
	}
	return counting.Window(toInt(answer[0])), nil
}

// Approve implements sharding.Keeper.
func (n *Node) Approve(ctx context.Context, r *sharding.Ring) error {
	if _, err := n.lasting(ctx, n.scripts.approve, r.Deployment(), int64(r.Epoch()), r.ChangeID()); err != nil {
		return fmt.Errorf("approve on %s: %w", n.id, err)
	}
	return nil
}

// Open implements sharding.Keeper.
func (n *Node) Open(ctx context.Context, r *sharding.Ring) error {
	_, err := n.lasting(ctx, n.scripts.open, r.Deployment(), int64(r.Epoch()), r.ChangeID(), packArcList(r.Gains(n.id)), packArcList(r.Retains(n.id)))
	if err != nil {
		return fmt.Errorf("open %s: %w", n.id, err)
	}
	return nil
}
