package redisnode

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Bind implements sharding.RingStore.
func (n *store) Bind(deployment string) { n.bound.Store(&deployment) }

// deployment is what calls mean, empty for any.
func (n *store) deployment() string {
	if bound := n.bound.Load(); bound != nil {
		return *bound
	}
	return ""
}

// RingState implements sharding.RingStore.
func (n *store) RingState(ctx context.Context) (sharding.RingState, error) {
	answer, err := n.run(ctx, "ring_state")
	if err != nil {
		return sharding.RingState{}, err
	}
	s := sharding.RingState{Incoming: answer.int(3)}
	for i, ring := range []**sharding.Ring{&s.Opened, &s.Fenced, &s.Accepted} {
		if document := answer.text(i); document != "" {
			if *ring, err = sharding.Decode([]byte(document)); err != nil {
				return sharding.RingState{}, fmt.Errorf("read the ring on %s: %w", n.id, err)
			}
		}
	}
	return s, nil
}

// RingSummary implements sharding.RingStore.
func (n *store) RingSummary(ctx context.Context) (sharding.RingSummary, error) {
	answer, err := n.run(ctx, "ring_summary")
	return sharding.RingSummary{
		Fence:    counting.Epoch(answer.int64(0)),
		Opened:   counting.Epoch(answer.int64(1)),
		Incoming: answer.int(2),
		Keys:     sharding.Keys{Requests: answer.int(3), Records: answer.int(4), Oldest: counting.Day(answer.int64(5))},
		Pages:    answer.int(6), DeadLetters: answer.int(7), DroppedDeadLetters: answer.int64(8),
	}, err
}

// Fence implements sharding.RingStore.
func (n *store) Fence(ctx context.Context, r *sharding.Ring) (counting.Window, error) {
	var tables strings.Builder
	for _, t := range r.IDTables() {
		fmt.Fprintf(&tables, "%d %d;", t.From, t.Epoch)
	}
	answer, err := n.replicated(ctx, "fence_ring", r.Deployment(), int64(r.Epoch()), r.ChangeID(), r.Encode(),
		time.Duration(r.Length()).Milliseconds(), tables.String(),
		int64(r.Parent()), r.Admits(n.id), r.IsJoining(n.id), packArcs(r.Incoming(n.id)), packArcList(append(r.CancelledMoves(n.id), r.ContinuedMoves(n.id)...)))
	return counting.Window(answer.int64(0)), err
}

// Accept implements sharding.RingStore.
func (n *store) Accept(ctx context.Context, r *sharding.Ring) error {
	_, err := n.replicated(ctx, "accept_ring", r.Deployment(), int64(r.Epoch()), r.ChangeID())
	return err
}

// arcsOfCall is how many arcs one call makes.
const arcsOfCall = 256

// Open implements sharding.RingStore.
func (n *store) Open(ctx context.Context, r *sharding.Ring) error {
	own := n.ownArcs(r)
	for some := range slices.Chunk(own, arcsOfCall) {
		if _, err := n.replicated(ctx, "make_arcs", r.Deployment(), int64(r.Epoch()), r.ChangeID(), packArcList(some)); err != nil {
			return err
		}
	}
	_, err := n.replicated(ctx, "open_ring", r.Deployment(), int64(r.Epoch()), r.ChangeID(), packArcList(r.AddedArcs(n.id)), packArcList(r.ReclaimedArcs(n.id)),
		packArcList(r.ContinuedMoves(n.id)), int64(r.LostUntil()), counting.MaxWaiting, packArcs(own))
	return err
}

// ownArcs are the arcs of a partition, whose hashes are made; none for a server.
func (n *store) ownArcs(r *sharding.Ring) []counting.Arc {
	if !n.isPartition() {
		return nil
	}
	var own []counting.Arc
	for arc := range counting.Arc(sharding.Arcs) {
		if r.Owner(arc) == r.Index(n.id) {
			own = append(own, arc)
		}
	}
	return own
}
