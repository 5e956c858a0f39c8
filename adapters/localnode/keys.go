package localnode

import (
	"bytes"

	"footfall/domain/counting"
)

// maxForgottenKeys bounds how many keys one transaction forgets.
const maxForgottenKeys = 4096

// dayKeys are the keys of one day, in a bucket of their own, whose sequence is
// their number.
type dayKeys struct {
	bucket
	day counting.Day
}

// keyDays are the days of which the store has keys, in ascending order: those
// that count today, or all.
func (t *tx) keyDays(all bool) (days []dayKeys) {
	keys := t.table(inKeys)
	if keys == nil {
		return nil
	}
	today := counting.DayOf(t.at)
	for name := range keys.Scan(nil) {
		day, ok := readOrdered[counting.Day](name)
		if !ok || !all && !today.Keeps(day) {
			continue
		}
		if of, _ := keys.Bucket(name); of != nil {
			days = append(days, dayKeys{of, day})
		}
	}
	return days
}

// keysKept is the number of keys that count today.
func keysKept(days []dayKeys) (kept uint64) {
	for _, of := range days {
		kept += of.Sequence()
	}
	return kept
}

// findKey returns the fingerprint of a key, nil where none of the days has it.
func findKey(days []dayKeys, name []byte) []byte {
	for _, of := range days {
		if kept := of.Get(name); kept != nil {
			return kept
		}
	}
	return nil
}

// keeping adds the keyed visits of one batch.
type keeping struct {
	*tx
	adding
	days  []dayKeys
	kept  uint64
	limit uint64
}

func (t *tx) addKeyed(b *counting.Batch) (refused []counting.Refusal, err error) {
	if len(b.Keyed) == 0 {
		return nil, nil
	}
	days := t.keyDays(false)
	k := keeping{
		tx: t, adding: adding{core: t.core, pages: t.table(inPages)},
		days: days, kept: keysKept(days), limit: uint64(max(b.KeyLimit, 0)),
	}
	for i, item := range b.Keyed {
		if refused, err = refuse(refused, len(b.Visits)+len(b.IDEvents)+i, k.add(item)); err != nil {
			return nil, err
		}
	}
	return refused, nil
}

// add adds one item unless its key is known. An error that is a
// counting.Reason is that of this item alone.
func (k *keeping) add(item counting.KeyedVisit) error {
	name := keyName(item.Arc, item.Key)
	if kept := findKey(k.days, name); kept != nil {
		if string(kept) != string(item.Print[:]) {
			return counting.KeyReused
		}
		return nil
	}
	if k.kept >= k.limit {
		return counting.KeyLimit
	}
	if item.Count > 0 {
		if err := k.adding.add(item.Visit); err != nil {
			return err
		}
	}
	k.kept++
	return k.keepKey(&k.days, counting.DayOf(k.at), name, item.Print)
}

// keepKey stores a key that no day has. Where it is the first of its day, days
// has that from then on.
func (t *tx) keepKey(days *[]dayKeys, day counting.Day, name []byte, fingerprint counting.Fingerprint) error {
	of, err := t.keyDay(days, day)
	if err != nil {
		return err
	}
	if err := of.SetSequence(of.Sequence() + 1); err != nil {
		return err
	}
	return of.Put(name, fingerprint[:])
}

// keyDay finds the bucket of a day or makes it. A file that was made before
// there were keys has none at all.
func (t *tx) keyDay(days *[]dayKeys, day counting.Day) (bucket, error) {
	for _, of := range *days {
		if of.day == day {
			return of, nil
		}
	}
	all, err := t.root.Create([]byte(inKeys))
	if err != nil {
		return nil, err
	}
	name := ordered(day)
	of, err := all.Create(name)
	if err != nil {
		return nil, err
	}
	*days = append(*days, dayKeys{of, day})
	return of, t.plan((day + 2).Start(), theKeys, name)
}

func keyName(arc counting.Arc, key counting.Key) []byte { return append(arcKey(arc), key[:]...) }

// forgetKeys deletes some of the keys of a day, and tells whether it was all.
func (t *tx) forgetKeys(day []byte) (all bool, err error) {
	days := t.table(inKeys)
	if days == nil {
		return true, nil
	}
	of, err := days.Bucket(day)
	if of == nil || err != nil {
		return true, nil //nolint:nilerr // what is no bucket has no keys
	}
	var names [][]byte
	for name := range of.Scan(nil) {
		if len(names) == maxForgottenKeys {
			break
		}
		names = append(names, bytes.Clone(name))
	}
	if len(names) < maxForgottenKeys {
		return true, days.Delete(day)
	}
	for _, name := range names {
		if err := of.Delete(name); err != nil {
			return false, err
		}
	}
	return false, nil
}
