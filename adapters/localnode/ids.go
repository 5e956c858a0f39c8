package localnode

import (
	"encoding/binary"

	"footfall/domain/counting"
)

// seen is the set of the ids of one window. The store has it as a log, to
// which a batch adds one value: ids as keys would cost a page of the file
// each, more than ten times as much. It belongs to the writer.
type seen struct {
	w   counting.Window
	ids map[counting.ID]struct{}
	// unsure: the running transaction, which may still fail, has added ids to it.
	unsure bool
}

// resolve ends a transaction. A set with ids that were not committed is
// dropped, to be read again from the store: nothing else would tell them from
// the others.
func (s *seen) resolve(committed bool) {
	if s.unsure && !committed {
		*s = seen{}
	}
	s.unsure = false
}

// load makes it the set of w, of some size, unless it is.
func (s *seen) load(w counting.Window, log bucket, size int64) error {
	if s.ids != nil && s.w == w {
		return nil
	}
	*s = seen{}
	ids := make(map[counting.ID]struct{}, min(max(size, 0), 1<<20))
	for _, value := range log.Scan(nil) {
		if len(value) == 0 || len(value)%8 != 0 {
			return counting.Corrupt
		}
		for ; len(value) > 0; value = value[8:] {
			ids[counting.ID(binary.BigEndian.Uint64(value))] = struct{}{}
		}
	}
	s.w, s.ids = w, ids
	return nil
}

// arriving adds the ids of one batch to the window that is current.
type arriving struct {
	*tx
	w     counting.Window
	table counting.Epoch
	limit int64

	// open sets these fields at the first id that has the right table. err is its
	// error, which then refuses all such ids of the batch.
	opened             bool
	err                error
	kept, log, ends    bucket
	added              []byte
	idCount, endpoints int64
}

func (t *tx) addIDs(b *counting.Batch) (refused []counting.Refusal, err error) {
	if len(b.IDEvents) == 0 {
		return nil, nil
	}
	w, err := t.current(t.state)
	if err != nil {
		return nil, err
	}
	a := arriving{tx: t, w: w, table: t.state.Opened.IDTable(w), limit: int64(b.EndpointLimit)}
	for i, e := range b.IDEvents {
		if refused, err = refuse(refused, len(b.Visits)+i, a.add(e)); err != nil {
			return nil, err
		}
	}
	return refused, a.finish()
}

// add keeps an id and its endpoint. An error that is a counting.Reason is
// that of this id alone.
func (a *arriving) add(e counting.IDEvent) error {
	if e.Table != a.table {
		return counting.WrongTable
	}
	if !a.opened {
		a.opened, a.err = true, a.open()
	}
	if a.err != nil {
		return a.err
	}
	if endpoint := []byte(e.Endpoint); len(endpoint) > 0 && a.ends.Get(endpoint) == nil {
		if a.endpoints >= a.limit {
			return counting.EndpointLimit
		}
		if err := a.ends.Put(endpoint, present()); err != nil {
			return err
		}
		a.endpoints++
	}
	if _, known := a.seen.ids[e.ID]; !known {
		a.seen.unsure = true
		a.seen.ids[e.ID] = struct{}{}
		a.added = binary.BigEndian.AppendUint64(a.added, uint64(e.ID))
		a.idCount++
	}
	return nil
}

// open finds the window or makes it. Whatever is there and is no window is
// counting.Corrupt.
func (a *arriving) open() (err error) {
	key := ordered(a.w)
	if a.kept, err = a.tx.table(inWindows).Create(key); err != nil {
		return err
	}
	if a.log, err = a.kept.Create([]byte("ids")); err != nil {
		return err
	}
	if a.ends, err = a.kept.Create([]byte("endpoints")); err != nil {
		return err
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
	waiting := a.tx.table(inWaiting)
	if waiting.Get(key) != nil {
		return nil
	}
	return waiting.Put(key, present())
}

// finish writes what has been added, and how many there are now.
func (a *arriving) finish() error {
	if !a.opened || a.err != nil {
		return nil //nolint:nilerr // the ids were refused for it, one by one
	}
	if len(a.added) > 0 {
		if err := a.log.Append(a.added); err != nil {
			return err
		}
	}
	if err := a.kept.Put([]byte("n"), number(a.idCount)); err != nil {
		return err
	}
	return a.kept.Put([]byte("e"), number(a.endpoints))
}
