package localnode

import (
	"context"
	"slices"
	"strconv"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// sweptArcs is how many arcs one call of Sweep looks at.
const sweptArcs = 4096

// orphanKey is what the keys of the pages of an orphan begin with. Orphans are in
// no count, and nothing changes them.
func orphanKey(o counting.Orphan) []byte {
	kind := byte('f') // frozen pages of a move that is over
	if o.Quarantined {
		kind = 'q'
	}
	return slices.Concat(ordered(int64(o.Table)), []byte{kind}, arcKey(o.Arc))
}

// orphans are all that is in quarantine, with the number of the pages.
func (t *tx) orphans() (all []counting.Orphan) {
	last := ""
	for key := range t.table(inQuarantine).Scan(nil) {
		if prefix := string(key[:11]); prefix != last {
			table, _ := readOrdered[counting.Epoch](key[:8])
			all = append(all, counting.Orphan{Arc: arcOf(key[9:]), Table: table, Quarantined: key[8] == 'q'})
			last = prefix
		}
		all[len(all)-1].Pages++
	}
	return all
}

// Sweep implements counting.Movable. The cursor is the arc to go on with;
// what is in quarantine comes before the first.
func (m movable) Sweep(ctx context.Context, table counting.Epoch, k counting.SweepPolicy, cursor string) (swept counting.SweepResult, next string, err error) {
	err = m.update(ctx, "sweep", table, func(t *tx) error {
		s := sweeping{t, table, k, &swept}
		first, _ := strconv.Atoi(cursor) // what is no cursor begins at the first
		if first == 0 {
			s.orphans()
		}
		end := first + sweptArcs
		s.arcs(first, end)
		if end < sharding.Arcs {
			next = strconv.Itoa(end)
		}
		return nil
	})
	return swept, next, err
}

// sweeping is one call of Sweep.
type sweeping struct {
	*tx
	table counting.Epoch
	counting.SweepPolicy
	swept *counting.SweepResult
}

func (s *sweeping) orphans() {
	for _, o := range s.tx.orphans() {
		if o.Quarantined || o.Table > s.Ended || o.Table < s.Since {
			s.swept.Orphans = append(s.swept.Orphans, o)
			continue
		}
		s.swept.Forgotten++
		clearPrefix(s.tx.table(inQuarantine), orphanKey(o))
	}
}

func (s *sweeping) arcs(first, end int) {
	if s.table <= s.Ended {
		for _, arc := range arcsIn(s.tx.table(inMoves), first, end) {
			s.frozen(arc)
		}
	}
	for _, arc := range s.occupied(first, end) {
		if _, owned := slices.BinarySearch(s.Arcs, arc); !owned {
			s.foreign(arc)
		}
	}
}

// frozen sweeps the frozen pages of an arc whose move has ended.
func (s *sweeping) frozen(arc counting.Arc) {
	stage, pages := s.stage(arc)
	switch {
	case stage != counting.Frozen:
	case s.table < s.Since:
		s.swept.Orphans = append(s.swept.Orphans, counting.Orphan{Arc: arc, Table: s.table, Pages: pages})
	default:
		s.swept.Forgotten++
		s.release(arc, pages)
	}
}

// foreign sweeps an arc that isn't the node's.
func (s *sweeping) foreign(arc counting.Arc) {
	if s.dropKeys(arc) {
		s.swept.Forgotten++
	}
	if pages := len(firstKeys(s.tx.table(inPages), arcKey(arc), unlimited)); pages > 0 {
		s.swept.Orphans = append(s.swept.Orphans, counting.Orphan{Arc: arc, Pages: pages})
	}
}
