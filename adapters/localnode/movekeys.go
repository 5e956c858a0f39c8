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

// frozenKeys returns keys of an arc after one, named by its day and itself, and the
// name of the last of them where others follow.
func (t *tx) frozenKeys(arc counting.Arc, after string) (keys []counting.StoredKey, last string) {
	for _, of := range t.keyDays(true) {
		for name, value := range prefixed(of, arcKey(arc)) {
			at := string(ordered(of.day)) + string(name)
			if at <= after {
				continue
			}
			if len(keys) == maxFetched {
				return keys, last
			}
			last = at
			k := counting.StoredKey{Day: of.day}
			copy(k.Key[:], name)
			copy(k.Print[:], value)
			keys = append(keys, k)
		}
	}
	return keys, ""
}

// importKeys stores keys of an arc that the node does not have.
func (t *tx) importKeys(arc counting.Arc, keys []counting.StoredKey) error {
	all, today := t.keyDays(true), counting.DayOf(t.at)
	for _, k := range keys {
		name := keyName(arc, k.Key)
		if keyKnown(all, today, k.Day, name) {
			continue
		}
		if err := t.keepKey(&all, k.Day, name, k.Print); err != nil {
			return err
		}
	}
	return nil
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
