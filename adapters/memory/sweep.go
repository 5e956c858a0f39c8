package memory

import (
	"context"
	"slices"
	"strconv"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// sweptArcs is how many arcs one call of Sweep looks at.
const sweptArcs = 4096

// Sweep implements counting.Movable. The cursor is the arc to go on with; what
// was set aside comes before the first.
func (n *Node) Sweep(ctx context.Context, table counting.Epoch, k counting.SweepPolicy, cursor string) (swept counting.SweepResult, next string, err error) {
	err = n.move(ctx, "sweep", table, func(s *state) error {
		first, _ := strconv.Atoi(cursor) // what is no cursor begins anew
		if first == 0 {
			s.sweepQuarantine(k, &swept)
		}
		end := first + sweptArcs
		for arc := counting.Arc(first); arc < counting.Arc(end); arc++ {
			s.sweepArc(arc, table, k, &swept)
		}
		if end < sharding.Arcs {
			next = strconv.Itoa(end)
		}
		return nil
	})
	return swept, next, err
}

func (s *state) sweepQuarantine(k counting.SweepPolicy, swept *counting.SweepResult) {
	s.quarantine = slices.DeleteFunc(s.quarantine, func(a quarantined) bool {
		if !a.Quarantined && a.Table <= k.Ended && a.Table >= k.Since {
			swept.Forgotten++
			return true
		}
		a.Pages = len(a.pages)
		swept.Orphans = append(swept.Orphans, a.Orphan)
		return false
	})
}

func (s *state) sweepArc(arc counting.Arc, table counting.Epoch, k counting.SweepPolicy, swept *counting.SweepResult) {
	if g := s.going[arc]; g.stage() == counting.Frozen && table <= k.Ended {
		if table < k.Since {
			swept.Orphans = append(swept.Orphans, counting.Orphan{Arc: arc, Table: table, Pages: g.pages})
		} else {
			g.residue = nil
			swept.Forgotten++
		}
	}
	if _, kept := slices.BinarySearch(k.Arcs, arc); kept {
		return
	}
	if len(s.keys[arc]) > 0 {
		s.dropKeys(arc)
		swept.Forgotten++
	}
	if pages := len(s.counts[arc]); pages > 0 {
		swept.Orphans = append(swept.Orphans, counting.Orphan{Arc: arc, Pages: pages})
	}
}
