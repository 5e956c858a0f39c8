package localnode

import (
	"encoding/binary"
	"errors"
	"math"

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
	w       counting.Window
	idTable counting.Epoch
	limit   int64
	// skewed: the clocks disagree, so every id is refused.
	skewed bool

	// open sets these fields at the first id that has the right table. When it
	// fails, the window is broken, and all such ids of the batch are refused.
	opened, broken     bool
	kept, log, ends    bucket
	added              []byte
	idCount, endpoints int64
}

func (t *tx) arriving(b *counting.Batch) (*arriving, error) {
	w, err := t.current(t.state)
	if err != nil {
		return nil, err
	}
	limit := int64(b.EndpointLimit)
	if b.Repeated {
		limit = math.MaxInt64
	}
	return &arriving{
		tx: t, w: w, idTable: t.state.Opened.IDTable(w), limit: limit, skewed: b.Clock.Check(t.at) != nil,
	}, nil
}

// add keeps an id and its endpoint, or says why it can't; 0 is no reason.
func (a *arriving) add(e counting.IDEvent) counting.Reason {
	switch {
	case a.skewed:
		return counting.WrongClock
	case e.Table != a.idTable:
		return counting.WrongTable
	}
	if !a.opened {
		a.opened, a.broken = true, a.open() != nil
	}
	if a.broken {
		return counting.Corrupt
	}
	if endpoint := []byte(e.Endpoint); len(endpoint) > 0 && a.ends.Get(endpoint) == nil {
		if a.endpoints >= a.limit {
			return counting.EndpointLimit
		}
		a.ends.Put(endpoint, present())
		a.endpoints++
	}
	if _, known := a.seen.ids[e.ID]; !known {
		a.seen.unsure = true
		a.seen.ids[e.ID] = struct{}{}
		a.added = binary.BigEndian.AppendUint64(a.added, uint64(e.ID))
		a.idCount++
	}
	return 0
}

// open finds the window or makes it. Its error is counting.Corrupt where
// something else is there.
func (a *arriving) open() (err error) {
	if a.kept, err = a.table(inWindows).Create(ordered(a.w)); err != nil {
		return err
	}
	var inLog, inEnds, inIDCount, inEndpoints error
	a.log, inLog = a.kept.Create([]byte("ids"))
	a.ends, inEnds = a.kept.Create([]byte("endpoints"))
	a.idCount, inIDCount = readCount(a.kept.Get([]byte("n")))
	a.endpoints, inEndpoints = readCount(a.kept.Get([]byte("e")))
	if err := errors.Join(inLog, inEnds, inIDCount, inEndpoints); err != nil {
		return err
	}
	if err := a.seen.load(a.w, a.log, a.idCount); err != nil {
		return err
	}
	a.addWaiting(a.w)
	return nil
}

// finish writes what has been added, and how many there are now.
func (a *arriving) finish() {
	if !a.opened || a.broken {
		return
	}
	if len(a.added) > 0 {
		no := a.log.Sequence() + 1
		a.log.SetSequence(no)
		a.log.Put(number(int64(no)), a.added)
	}
	a.kept.Put([]byte("n"), number(a.idCount))
	a.kept.Put([]byte("e"), number(a.endpoints))
}
