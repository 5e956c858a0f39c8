package localnode

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// sweptArcs is how many arcs one call of Sweep looks at.
const sweptArcs = 4096

// quarantine is a set of pages that are in no count. Nothing changes them.
type quarantine struct{ counting.Orphan }

// key is what the keys of the pages begin with.
func (q quarantine) key() []byte {
	kind := byte('f') // frozen pages of a move that is over
	if q.Quarantined {
		kind = 'q'
	}
	return join(ordered(int64(q.Table)), []byte{kind}, arcKey(q.Arc))
}

// quarantined are all such sets, with the number of their pages.
func (t *tx) quarantined() (all []quarantine) {
	for key := range t.table(inQuarantine).Scan(nil) {
		table, _ := readOrdered[counting.Epoch](key[:8])
		q := quarantine{counting.Orphan{Arc: counting.Arc(binary.BigEndian.Uint16(key[9:])), Table: table, Quarantined: key[8] == 'q'}}
		if n := len(all); n == 0 || string(all[n-1].key()) != string(q.key()) {
			all = append(all, q)
		}
		all[len(all)-1].Pages++
	}
	return all
}

// Sweep implements counting.Movable. The cursor is the arc to go on with;
// quarantined pages come before the first.
func (m movable) Sweep(ctx context.Context, table counting.Epoch, k counting.SweepPolicy, cursor string) (swept counting.SweepResult, next string, err error) {
	err = m.update(ctx, "sweep", table, func(t *tx) (bool, error) {
		s := sweeping{t, table, k, &swept}
		first, _ := strconv.Atoi(cursor) // what is no cursor begins at the first
		if first == 0 {
			if err := s.quarantined(); err != nil {
				return false, err
			}
		}
		end := first + sweptArcs
		if err := s.arcs(first, end); err != nil {
			return false, err
		}
		if end < sharding.Arcs {
			next = strconv.Itoa(end)
		}
		return swept.Forgotten > 0, nil
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

func (s *sweeping) quarantined() error {
	for _, q := range s.tx.quarantined() {
		if q.Quarantined || q.Table > s.Ended || q.Table < s.Since {
			s.swept.Orphans = append(s.swept.Orphans, q.Orphan)
			continue
		}
		s.swept.Forgotten++
		if _, err := clearPrefix(s.tx.table(inQuarantine), q.key()); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweeping) arcs(first, end int) error {
	if s.table <= s.Ended {
		for _, arc := range arcsIn(s.tx.table(inMoves), first, end) {
			if err := s.frozen(arc); err != nil {
				return err
			}
		}
	}
	for _, arc := range s.occupied(first, end) {
		if _, owned := slices.BinarySearch(s.Arcs, arc); owned {
			continue
		}
		if err := s.foreign(arc); err != nil {
			return err
		}
	}
	return nil
}

// frozen sweeps the frozen pages of an arc whose move has ended.
func (s *sweeping) frozen(arc counting.Arc) error {
	stage, pages := s.stage(arc)
	switch {
	case stage != counting.Frozen:
		return nil
	case s.table < s.Since:
		s.swept.Orphans = append(s.swept.Orphans, counting.Orphan{Arc: arc, Table: s.table, Pages: pages})
		return nil
	}
	s.swept.Forgotten++
	return s.release(arc, pages)
}

// foreign sweeps an arc that isn't the node's.
func (s *sweeping) foreign(arc counting.Arc) error {
	dropped, err := s.dropKeys(arc)
	if err != nil {
		return err
	}
	if dropped > 0 {
		s.swept.Forgotten++
	}
	pages := 0
	for range prefixed(s.tx.table(inPages), arcKey(arc)) {
		pages++
	}
	if pages > 0 {
		s.swept.Orphans = append(s.swept.Orphans, counting.Orphan{Arc: arc, Pages: pages})
	}
	return nil
}
