package localnode

import (
	"context"
	"slices"

	"footfall/domain/counting"
)

// orphanKey is what the keys of the pages of an orphan begin with. Orphans are in
// no count, and nothing changes them.
func orphanKey(o counting.Orphan) []byte {
	kind := byte('f') // frozen pages of a move that is over
	switch {
	case o.Quarantined:
		kind = 'q'
	case o.Excess:
		kind = 'e'
	}
	return slices.Concat(ordered(int64(o.Table)), []byte{kind}, arcKey(o.Arc))
}

// parseOrphanKey reads what orphanKey has made, at the beginning of a key.
func parseOrphanKey(key []byte) counting.Orphan {
	table, _ := readOrdered[counting.Epoch](key[:8])
	return counting.Orphan{Arc: arcOf(key[9:]), Table: table, Quarantined: key[8] == 'q', Excess: key[8] == 'e'}
}

// orphans are all that is in quarantine, with the number of the pages.
func (t *tx) orphans() (all []counting.Orphan) {
	last := ""
	for key := range t.table(inQuarantine).Scan(nil) {
		if prefix := string(key[:11]); prefix != last {
			all = append(all, parseOrphanKey(key))
			last = prefix
		}
		all[len(all)-1].Pages++
	}
	return all
}

// Sweep implements counting.Movable. One call looks at everything.
func (m movable) Sweep(ctx context.Context, table counting.Epoch, k counting.SweepPolicy, _ string) (swept counting.SweepResult, next string, err error) {
	err = m.update(ctx, "sweep", movesOf(table), func(t *tx) error {
		for _, o := range t.orphans() {
			if o.Quarantined || o.Excess || o.Table > k.Ended || o.Table < k.Since {
				swept.Orphans = append(swept.Orphans, o)
				continue
			}
			swept.Forgotten++
			clearPrefix(t.table(inQuarantine), orphanKey(o))
		}
		if table <= k.Ended {
			t.sweepFrozen(table, table < k.Since, &swept)
		}
		for _, arc := range t.occupied() {
			if _, owned := slices.BinarySearch(k.Arcs, arc); !owned {
				t.sweepForeign(arc, &swept)
			}
		}
		return nil
	})
	return swept, "", err
}

// sweepFrozen sweeps the frozen pages of a table whose moves have ended. Those that
// were abandoned are kept.
func (t *tx) sweepFrozen(table counting.Epoch, abandoned bool, swept *counting.SweepResult) {
	for _, arc := range arcsIn(t.table(inMoves)) {
		switch at := t.frozenPages(arc); {
		case at.Stage != counting.Frozen:
		case abandoned:
			swept.Orphans = append(swept.Orphans, counting.Orphan{Arc: arc, Table: table, Pages: at.Pages})
		default:
			swept.Forgotten++
			t.release(arc, at.Pages)
		}
	}
}

// sweepForeign sweeps an arc that isn't the node's.
func (t *tx) sweepForeign(arc counting.Arc, swept *counting.SweepResult) {
	if t.dropBeside(arc) {
		swept.Forgotten++
	}
	if pages := len(firstKeys(t.pages, arcKey(arc), unlimited)); pages > 0 {
		swept.Orphans = append(swept.Orphans, counting.Orphan{Arc: arc, Pages: pages})
	}
}
