package localnode

import (
	"context"
	"slices"

	"footfall/domain/counting"
)

// dropKeys deletes the keys of an arc and tells whether there were any.
func (t *tx) dropKeys(arc counting.Arc) (dropped bool) {
	for _, of := range t.keyDays(true) {
		if n := clearPrefix(of, arcKey(arc)); n > 0 {
			of.SetSequence(of.Sequence() - uint64(n))
			dropped = true
		}
	}
	return dropped
}

// arcKeys returns the keys of an arc.
func (t *tx) arcKeys(arc counting.Arc) (keys []counting.StoredKey) {
	for _, of := range t.keyDays(true) {
		for name, value := range scanPrefix(of, arcKey(arc), "") {
			k := counting.StoredKey{Day: of.day}
			copy(k.Key[:], name[2:])
			copy(k.Print[:], value)
			keys = append(keys, k)
		}
	}
	return keys
}

// importKeys stores keys of an arc that the node has neither on their day nor on
// one that counts.
func (t *tx) importKeys(arc counting.Arc, keys []counting.StoredKey) error {
	all, today := t.keyDays(true), counting.DayOf(t.at)
	for _, k := range keys {
		name := keyName(arc, k.Key)
		if slices.ContainsFunc(all, func(of dayKeys) bool {
			return (of.day == k.Day || today.Keeps(of.day)) && of.Get(name) != nil
		}) {
			continue
		}
		of, err := t.keyDay(&all, k.Day)
		if err != nil {
			return err
		}
		of.keep(name, k.Print)
	}
	return nil
}

// FindKeys implements counting.Movable.
func (m movable) FindKeys(ctx context.Context, epoch counting.Epoch, keys []counting.LocatedKey) (found []counting.KeyLookup, err error) {
	err = m.view(ctx, "find keys", serves(epoch), func(t *tx) error {
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
