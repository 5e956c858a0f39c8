package redisnode

import (
	"context"
	"fmt"

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
	_, answer, err := n.run(ctx, n.scripts.sweep, int64(table), int64(k.Ended), int64(k.Since), packArcs(k.Arcs), cursor, sweepKeys)
	if err != nil {
		return counting.SweepResult{}, "", fmt.Errorf("sweep %s: %w", n.id, err)
	}
	next, _ := answer[0].(string)
	if next == "0" {
		next = ""
	}
	s := counting.SweepResult{Forgotten: int(toInt(answer[1]))}
	for i := 2; i+3 < len(answer); i += 4 {
		s.Orphans = append(s.Orphans, counting.Orphan{
			Quarantined: answer[i] == "s", Arc: counting.Arc(toInt(answer[i+1])), Table: counting.Epoch(toInt(answer[i+2])), Pages: int(toInt(answer[i+3])),
		})
	}
	return s, next, nil
}
