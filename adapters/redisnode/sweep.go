package redisnode

import (
	"context"

	"footfall/domain/counting"
)

// sweepKeys is about how many keys one call of Sweep looks at.
const sweepKeys = 1000

// Sweep implements counting.Movable. The cursor is that of SCAN, which returns every key
// that exists throughout. It reads the names of keys only.
func (n *Node) Sweep(ctx context.Context, table counting.Epoch, k counting.SweepPolicy, cursor string) (counting.SweepResult, string, error) {
	if cursor == "" {
		cursor = "0"
	}
	answer, err := n.run(ctx, n.scripts.sweep, int64(table), int64(k.Ended), int64(k.Since), packArcs(k.Arcs), cursor, sweepKeys)
	if err != nil {
		return counting.SweepResult{}, "", err
	}
	next := answer.text(0)
	if next == "0" {
		next = ""
	}
	s := counting.SweepResult{Forgotten: answer.int(1)}
	for i := 2; i < len(answer); i += 4 {
		s.Orphans = append(s.Orphans, counting.Orphan{
			Quarantined: answer[i] == "s", Arc: counting.Arc(answer.int(i + 1)), Table: counting.Epoch(answer.int64(i + 2)), Pages: answer.int(i + 3),
		})
	}
	return s, next, nil
}
