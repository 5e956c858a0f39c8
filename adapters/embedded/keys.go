package embedded

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
)

// forgetKeysAtOnce bounds how many keys one call forgets.
const forgetKeysAtOnce = 4096

// keeping adds what is keyed of one batch. The keys of a day are in a bucket of
// their own, whose sequence is their number.
type keeping struct {
	tx    *bolt.Tx
	today counting.Day
	limit int
	// known and kept are those of keysKept, fresh the bucket of today once there
	// is one.
	known []*bolt.Bucket
	kept  uint64
	fresh *bolt.Bucket
}

func (n *Node) addKeyed(tx *bolt.Tx, b *counting.Batch) (refused []counting.Refusal, err error) {
	if len(b.Keyed) == 0 {
		return nil, nil
	}
	k := keeping{tx: tx, today: counting.DayOf(n.now()), limit: b.KeyLimit}
	k.known, k.kept = keysKept(tx, k.today)
	for i, item := range b.Keyed {
		reason, err := k.add(item)
		if err != nil {
			return nil, err
		}
		if reason != 0 {
			refused = append(refused, counting.Refusal{Item: len(b.Visits) + len(b.IDEvents) + i, Reason: reason})
		}
	}
	return refused, nil
}

// keysKept are the buckets of the days that count, and the number of keys in them.
func keysKept(tx *bolt.Tx, today counting.Day) (known []*bolt.Bucket, kept uint64) {
	all := tx.Bucket([]byte(inKeys))
	if all == nil {
		return nil, 0
	}
	for day := today - 1; today.Keeps(day); day++ {
		if of := all.Bucket(ordered(day)); of != nil {
			known = append(known, of)
			kept += of.Sequence()
		}
	}
	return known, kept
}

// add adds one item unless its key is known, or says why not; 0 is no reason.
func (k *keeping) add(item counting.KeyedVisit) (counting.Reason, error) {
	name := keyName(item.Arc, item.Key)
	for _, of := range k.known {
		kept := of.Get(name)
		if kept == nil {
			continue
		}
		if string(kept) != string(item.Print[:]) {
			return counting.KeyReused, nil
		}
		return 0, nil
	}
	if k.kept >= uint64(max(k.limit, 0)) {
		return counting.KeyLimit, nil
	}
	if item.Count > 0 {
		refused, err := addVisits(k.tx, []counting.Visit{item.Visit})
		if err != nil {
			return 0, err
		}
		if len(refused) > 0 {
			return refused[0].Reason, nil
		}
	}
	if err := k.open(); err != nil {
		return 0, err
	}
	if _, err := k.fresh.NextSequence(); err != nil {
		return 0, notApplied(err)
	}
	k.kept++
	return 0, put(k.fresh, name, item.Print[:])
}

// open finds the bucket of today or makes it. A file that was made before there
// were keys has none at all.
func (k *keeping) open() error {
	if k.fresh != nil {
		return nil
	}
	all, err := k.tx.CreateBucketIfNotExists([]byte(inKeys))
	if err != nil {
		return notApplied(err)
	}
	day := ordered(k.today)
	if k.fresh = all.Bucket(day); k.fresh != nil {
		return nil
	}
	if k.fresh, err = all.CreateBucket(day); err != nil {
		return notApplied(err)
	}
	k.known = append(k.known, k.fresh)
	return plan(k.tx, (k.today + 2).Start(), theKeys, day)
}

func keyName(arc counting.Arc, key counting.Key) []byte {
	return append([]byte{byte(arc >> 8), byte(arc)}, key[:]...)
}

// forgetKeys drops some of the keys of a day, and tells whether it was all.
func forgetKeys(tx *bolt.Tx, day []byte) (all bool, err error) {
	days := tx.Bucket([]byte(inKeys))
	if days == nil {
		return true, nil
	}
	of := days.Bucket(day)
	if of == nil {
		return true, nil
	}
	var names [][]byte
	c := of.Cursor()
	for name, _ := c.First(); name != nil && len(names) < forgetKeysAtOnce; name, _ = c.Next() {
		names = append(names, bytes.Clone(name))
	}
	if len(names) < forgetKeysAtOnce {
		return true, dropBucket(days, day)
	}
	for _, name := range names {
		if err := remove(of, name); err != nil {
			return false, err
		}
	}
	return false, nil
}
