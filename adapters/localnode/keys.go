package localnode

import (
	"bytes"

	"footfall/domain/counting"
	"footfall/domain/sharding"
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

// keysKept are the numbers of keys of some days.
func (t *tx) keysKept(days []dayKeys) (kept sharding.Keys) {
	for _, of := range days {
		if kept.Records == 0 && of.Sequence() > 0 {
			kept.Oldest = of.day
		}
		kept.Records += int(of.Sequence())
		kept.Requests += int(t.requestsOf(of.day))
	}
	return kept
}

// requestsKey is where the number of a day's requests is, beside the day.
func requestsKey(day counting.Day) []byte { return append(ordered(day), 'r') }

// requestsOf is how many requests have brought keys on a day; 0 where that is broken.
func (t *tx) requestsOf(day counting.Day) int64 {
	n, _ := readCount(t.table(inKeys).Get(requestsKey(day)))
	return n
}

// findKey returns the fingerprint of a key, nil where none of the days has it.
func findKey(days []dayKeys, name []byte) []byte {
	for _, of := range days {
		if stored := of.Get(name); stored != nil {
			return stored
		}
	}
	return nil
}

func keyName(arc counting.Arc, key counting.Key) []byte { return append(arcKey(arc), key[:]...) }

// addKeyed adds one item unless some days know its key, or says why it can't; 0 is
// no reason. It may add today to the days.
func (t *tx) addKeyed(item counting.KeyedVisit, days *[]dayKeys, b *counting.Batch) counting.Reason {
	name := keyName(item.Arc, item.Key)
	if stored := findKey(*days, name); stored != nil {
		if string(stored) != string(item.Print[:]) {
			return counting.KeyReused
		}
		return 0
	}
	isRequest := item.Count == 0
	if isRequest && !b.Repeated {
		kept := t.keysKept(*days)
		switch {
		case t.diskFull:
			return counting.DiskFull
		case kept.Requests >= b.KeyLimit, b.RecordLimit > 0 && kept.Records >= b.RecordLimit:
			return counting.KeyLimit
		}
	}
	of, err := t.keyDay(days, counting.DayOf(t.at))
	if err != nil {
		return counting.Corrupt
	}
	if isRequest {
		t.table(inKeys).Put(requestsKey(of.day), number(t.requestsOf(of.day)+1))
	} else if reason := t.add(item.Visit); reason != 0 {
		return reason
	}
	of.keep(name, item.Print)
	return 0
}

// keyDay finds a day among some or makes it, and adds it to them. A file that was
// made before there were keys has none at all.
func (t *tx) keyDay(days *[]dayKeys, day counting.Day) (dayKeys, error) {
	for _, of := range *days {
		if of.day == day {
			return of, nil
		}
	}
	all, err := t.root.Create([]byte(inKeys))
	if err != nil {
		return dayKeys{}, err
	}
	keys, err := all.Create(ordered(day))
	if err != nil {
		return dayKeys{}, err
	}
	t.plan((day + 2).Start(), kindKeys, ordered(day))
	*days = append(*days, dayKeys{keys, day})
	return dayKeys{keys, day}, nil
}

// keep stores a key that no day has.
func (of dayKeys) keep(name []byte, fingerprint counting.Fingerprint) {
	of.SetSequence(of.Sequence() + 1)
	of.Put(name, fingerprint[:])
}

// forgetKeys deletes some of the keys of a day, and tells whether it was all.
func (t *tx) forgetKeys(day []byte) (all bool) {
	days := t.table(inKeys)
	if days == nil {
		return true
	}
	of, _ := days.Bucket(day)
	if of == nil { // what is no bucket has no keys
		return true
	}
	names := firstKeys(of, nil, maxForgottenKeys)
	if len(names) < maxForgottenKeys {
		days.Delete(append(bytes.Clone(day), 'r'))
		days.Delete(day)
		return true
	}
	for _, name := range names {
		of.Delete(name)
	}
	return false
}
