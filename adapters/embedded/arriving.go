package embedded

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
)

// seen is the set of the ids of one window. The file has it as a log, to
// which a batch adds one value: ids as keys would cost a page of the file
// each, more than ten times as much. It belongs to the one that writes.
type seen struct {
	w   counting.Window
	ids map[counting.ID]struct{}
	// unsure: the transaction that is under way has added ids to it.
	unsure bool
}

// settle ends a transaction. A set with ids that were not kept is dropped, to
// be read anew from the file: nothing else would tell them from the others.
func (s *seen) resolve(kept bool) {
	if s.unsure && !kept {
		*s = seen{}
	}
	s.unsure = false
}

// load makes it the set of w, of some size, unless it is.
func (s *seen) load(w counting.Window, log *bolt.Bucket, size int64) error {
	if s.ids != nil && s.w == w {
		return nil
	}
	*s = seen{}
	ids := make(map[counting.ID]struct{}, min(max(size, 0), 1<<20))
	err := log.ForEach(func(_, value []byte) error {
		if len(value) == 0 || len(value)%8 != 0 {
			return counting.Corrupt
		}
		for ; len(value) > 0; value = value[8:] {
			ids[counting.ID(binary.BigEndian.Uint64(value))] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.w, s.ids = w, ids
	return nil
}

// arriving adds the arrivals of one batch to the window that is current.
type arriving struct {
	tx    *bolt.Tx
	seen  *seen
	w     counting.Window
	table counting.Epoch
	limit int64

	// What follows is there from the first arrival on that came by the right
	// table; err says why it isn't.
	opened             bool
	err                error
	kept, log, ends    *bolt.Bucket
	added              []byte
	idCount, endpoints int64
}

// add keeps an id and its endpoint. An error that is a counting.Reason is
// that of this arrival alone.
func (a *arriving) add(arrival counting.IDEvent) error {
	if arrival.Table != a.table {
		return counting.WrongTable
	}
	if !a.opened {
		a.opened, a.err = true, a.open()
	}
	if a.err != nil {
		return a.err
	}
	if endpoint := []byte(arrival.Endpoint); len(endpoint) > 0 && a.ends.Get(endpoint) == nil {
		if a.endpoints >= a.limit {
			return counting.EndpointLimit
		}
		if err := put(a.ends, endpoint, present()); err != nil {
			return err
		}
		a.endpoints++
	}
	if _, known := a.seen.ids[arrival.ID]; !known {
		a.seen.unsure = true
		a.seen.ids[arrival.ID] = struct{}{}
		a.added = binary.BigEndian.AppendUint64(a.added, uint64(arrival.ID))
		a.idCount++
	}
	return nil
}

// open finds the window or makes it. Whatever is there and is no window is
// counting.Corrupt.
func (a *arriving) open() (err error) {
	key := ordered(a.w)
	if a.kept, err = a.tx.Bucket([]byte(inWindows)).CreateBucketIfNotExists(key); err != nil {
		return bucketError(err)
	}
	if a.log, err = a.kept.CreateBucketIfNotExists([]byte("ids")); err != nil {
		return bucketError(err)
	}
	if a.ends, err = a.kept.CreateBucketIfNotExists([]byte("endpoints")); err != nil {
		return bucketError(err)
	}
	if a.idCount, err = readCount(a.kept.Get([]byte("n"))); err != nil {
		return err
	}
	if a.endpoints, err = readCount(a.kept.Get([]byte("e"))); err != nil {
		return err
	}
	if err := a.seen.load(a.w, a.log, a.idCount); err != nil {
		return err
	}
	return put(a.tx.Bucket([]byte(inWaiting)), key, present())
}

// finish writes what has been added, and how many there are now.
func (a *arriving) finish() error {
	if !a.opened || a.err != nil {
		return nil //nolint:nilerr // the arrivals were refused for it, one by one
	}
	if len(a.added) > 0 {
		no, err := a.log.NextSequence()
		if err != nil {
			return notApplied(err)
		}
		a.log.FillPercent = 1 // keys come in order
		if err := put(a.log, number(int64(no)), a.added); err != nil {
			return err
		}
	}
	if err := put(a.kept, []byte("n"), number(a.idCount)); err != nil {
		return err
	}
	return put(a.kept, []byte("e"), number(a.endpoints))
}
