package localnode

import (
	"context"

	"footfall/domain/counting"
)

// hasKeys tells whether keys are kept beside an arc.
func (t *tx) hasKeys(arc counting.Arc) bool {
	for _, of := range t.keyDays(true) {
		for range prefixed(of, arcKey(arc)) {
			return true
		}
	}
	return false
}

// dropKeys deletes the keys of an arc and returns their number.
func (t *tx) dropKeys(arc counting.Arc) (dropped int, err error) {
	for _, of := range t.keyDays(true) {
		n, err := clearPrefix(of, arcKey(arc))
		if err != nil {
			return 0, err
		}
		if n == 0 {
			continue
		}
		if err := of.SetSequence(of.Sequence() - uint64(n)); err != nil {
			return 0, err
		}
		dropped += n
	}
	return dropped, nil
}

// FetchKeys implements counting.Movable. The cursor is the day and the key of
// the last one that was returned.
func (m movable) FetchKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (keys []counting.StoredKey, next string, err error) {
	err = m.view(ctx, "fetch keys", table, func(t *tx) error {
		if stage, _ := t.stage(arc); stage != counting.Frozen {
			return counting.ErrUnfinished
		}
		last := ""
		for _, of := range t.keyDays(true) {
			for name, value := range prefixed(of, arcKey(arc)) {
				at := string(ordered(of.day)) + string(name)
				if at <= cursor {
					continue
				}
				if len(keys) == maxFetched {
					next = last
					return nil
				}
				last = at
				k := counting.StoredKey{Day: of.day}
				copy(k.Key[:], name)
				copy(k.Print[:], value)
				keys = append(keys, k)
			}
		}
		return nil
	})
	return keys, next, err
}

// ImportKeys implements counting.Movable.
func (m movable) ImportKeys(ctx context.Context, table counting.Epoch, arc counting.Arc, keys []counting.StoredKey) (closed bool, err error) {
	err = m.update(ctx, "import keys", table, func(t *tx) (bool, error) {
		in, coming := t.incoming(arc)
		if !coming {
			closed = true
			return false, nil
		}
		if len(keys) == 0 {
			in.keys = true
			return true, t.setIncoming(arc, in)
		}
		all, today := t.keyDays(true), counting.DayOf(t.at)
		for _, k := range keys {
			name := keyName(arc, k.Key)
			if keyKnown(all, today, k.Day, name) {
				continue
			}
			if err := t.keepKey(&all, k.Day, name, k.Print); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	return closed, err
}

// keyKnown tells whether a key of some day is there, on that day or on one that
// counts.
func keyKnown(days []dayKeys, today, day counting.Day, name []byte) bool {
	for _, of := range days {
		if (of.day == day || today.Keeps(of.day)) && of.Get(name) != nil {
			return true
		}
	}
	return false
}

// FindKeys implements counting.Movable.
func (m movable) FindKeys(ctx context.Context, epoch counting.Epoch, keys []counting.LocatedKey) (found []counting.KeyLookup, err error) {
	err = m.core.view(ctx, "find keys", func(t *tx) error {
		if err := t.state.Serves(epoch); err != nil {
			return err
		}
		found = make([]counting.KeyLookup, len(keys))
		days := t.keyDays(false)
		for i, k := range keys {
			kept := findKey(days, keyName(k.Arc, k.Key))
			found[i].Stored = kept != nil
			copy(found[i].Print[:], kept)
		}
		return nil
	})
	return found, err
}
