package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"footfall/domain/counting"
)

// residueKeys is the most that one FetchKeys returns.
const residueKeys = 64

// once adds what is keyed unless its key is known, or says why not; 0 is no
// reason.
func (n *Node) once(k counting.KeyedVisit, limit int) counting.Reason {
	s, today := &n.state, counting.DayOf(n.now())
	if kept, ok := s.keys[k.Arc][k.Key]; ok && today.Keeps(kept.Day) {
		if kept.Print != k.Print {
			return counting.KeyReused
		}
		return 0
	}
	if s.keysKept(today) >= limit {
		return counting.KeyLimit
	}
	if k.Count > 0 {
		if reason := s.visit(k.Visit); reason != 0 {
			return reason
		}
	}
	s.keep(k.Arc, counting.StoredKey{RequestKey: k.RequestKey, Day: today})
	return 0
}

// keysKept is how many keys count.
func (s *state) keysKept(today counting.Day) int {
	total := 0
	for day, n := range s.keyCounts {
		if today.Keeps(day) {
			total += n
		}
	}
	return total
}

// keep keeps a key, in place of one that is forgotten by now.
func (s *state) keep(arc counting.Arc, k counting.StoredKey) {
	if old, ok := s.keys[arc][k.Key]; ok {
		s.keyCounts[old.Day]--
	}
	if s.keys[arc] == nil {
		s.keys[arc] = make(map[counting.Key]counting.StoredKey)
	}
	s.keys[arc][k.Key] = k
	s.keyCounts[k.Day]++
}

func (s *state) dropKeys(arc counting.Arc) {
	for _, k := range s.keys[arc] {
		s.keyCounts[k.Day]--
	}
	delete(s.keys, arc)
}

// forgetKeys drops those of days that are over; there is something to look
// for once a day.
func (s *state) forgetKeys(today counting.Day) {
	over := func(day counting.Day) bool { return day < today && !today.Keeps(day) }
	dropped := false
	for day := range s.keyCounts {
		if over(day) {
			delete(s.keyCounts, day)
			dropped = true
		}
	}
	if !dropped {
		return
	}
	for arc, keys := range s.keys {
		maps.DeleteFunc(keys, func(_ counting.Key, k counting.StoredKey) bool { return over(k.Day) })
		if len(keys) == 0 {
			delete(s.keys, arc)
		}
	}
}

// FetchKeys implements counting.Movable. The cursor is the last key that was
// returned.
func (n *Node) FetchKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (keys []counting.StoredKey, next string, err error) {
	err = n.move(ctx, "fetch keys", table, func(s *state) error {
		if s.going[arc].stage() != counting.Frozen {
			return counting.ErrUnfinished
		}
		compare := func(a, b counting.Key) int { return slices.Compare(a[:], b[:]) }
		for _, key := range slices.SortedFunc(maps.Keys(s.keys[arc]), compare) {
			switch {
			case string(key[:]) <= cursor:
			case len(keys) == residueKeys:
				last := keys[len(keys)-1].Key
				next = string(last[:])
				return nil
			default:
				keys = append(keys, s.keys[arc][key])
			}
		}
		return nil
	})
	return keys, next, err
}

// ImportKeys implements counting.Movable.
func (n *Node) ImportKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, keys []counting.StoredKey) (closed bool, err error) {
	err = n.move(ctx, "take keys", table, func(s *state) error {
		if _, coming := s.coming[arc]; !coming {
			closed = true
			return nil
		}
		if len(keys) == 0 {
			s.marks(arc)[allKeys] = struct{}{}
		}
		today := counting.DayOf(n.now())
		for _, k := range keys {
			if old, ok := s.keys[arc][k.Key]; !ok || !today.Keeps(old.Day) {
				s.keep(arc, k)
			}
		}
		return nil
	})
	return closed, err
}

// FindKeys implements counting.Movable.
func (n *Node) FindKeys(ctx context.Context, epoch counting.Epoch, keys []counting.LocatedKey) ([]counting.KeyLookup, error) {
	if err := n.lockMember(ctx); err != nil {
		return nil, fmt.Errorf("find keys on %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	if err := n.state.standing.Serves(epoch); err != nil {
		return nil, fmt.Errorf("find keys on %s: %w", n.id, err)
	}
	found, today := make([]counting.KeyLookup, len(keys)), counting.DayOf(n.now())
	for i, k := range keys {
		kept, ok := n.state.keys[k.Arc][k.Key]
		if ok && today.Keeps(kept.Day) {
			found[i] = counting.KeyLookup{Stored: true, Print: kept.Print}
		}
	}
	return found, nil
}
