package localnode

import (
	"context"
	"encoding/binary"
	"errors"

	"footfall/domain/counting"
)

// Apply implements counting.Counts. It is one transaction whatever the size
// of the batch, so that a batch of many costs little more than one of one.
func (n *core) Apply(ctx context.Context, b *counting.Batch) (receipt counting.Receipt, err error) {
	err = n.update(ctx, "apply", func(t *tx) (bool, error) {
		fence, opened, err := t.state.Epochs()
		if err != nil {
			return false, err
		}
		last, _, err := decodeSession(t.table(inSessions).Get([]byte(b.Session)))
		if err != nil {
			return false, err
		}
		answer, err := last.Admit(b, fence, opened)
		if answer != nil {
			receipt = *answer
		}
		if answer != nil || err != nil {
			return false, err
		}
		for _, add := range []func(*counting.Batch) ([]counting.Refusal, error){t.addVisits, t.addIDs, t.addKeyed, t.setCounts} {
			refused, err := add(b)
			if err != nil {
				return false, err
			}
			receipt.Refused = append(receipt.Refused, refused...)
		}
		return true, t.saveSession(b, counting.Applied{Seq: b.Seq, Refused: receipt.Refused})
	})
	if err != nil {
		return counting.Receipt{}, err
	}
	return receipt, nil
}

func (t *tx) addVisits(b *counting.Batch) (refused []counting.Refusal, err error) {
	if len(b.Visits) == 0 {
		return nil, nil
	}
	a := adding{core: t.core, pages: t.table(inPages), values: make([]byte, 0, 8*len(b.Visits))}
	for i, v := range b.Visits {
		if refused, err = refuse(refused, i, a.add(v)); err != nil {
			return nil, err
		}
	}
	return refused, nil
}

// refuse appends the refusal of an item where err is a counting.Reason. It
// returns any other error.
func refuse(refused []counting.Refusal, item int, err error) ([]counting.Refusal, error) {
	if err == nil {
		return refused, nil
	}
	var reason counting.Reason
	if errors.As(err, &reason) {
		return append(refused, counting.Refusal{Item: item, Reason: reason}), nil
	}
	return nil, err
}

// adding adds visits to pages in one transaction.
type adding struct {
	*core
	pages bucket
	key   []byte
	// values are those that the transaction has stored. They belong to it
	// until it ends; one slice for all.
	values []byte
}

// add returns a counting.Reason where this page alone can't be added to.
func (a *adding) add(v counting.Visit) error {
	a.key = a.appendPage(a.key[:0], v.Arc, v.Page)
	count, err := readCount(a.pages.Get(a.key))
	if err != nil {
		return err
	}
	sum, ok := counting.AddChecked(count, v.Count)
	if !ok {
		return counting.Overflow
	}
	a.values = binary.BigEndian.AppendUint64(a.values, uint64(sum))
	return a.pages.Put(a.key, a.values[len(a.values)-8:])
}

func (t *tx) setCounts(b *counting.Batch) (refused []counting.Refusal, err error) {
	if len(b.SetCounts) == 0 {
		return nil, nil
	}
	pages := t.table(inPages)
	for i, s := range b.SetCounts {
		key := t.appendPage(nil, s.Arc, s.Page)
		switch {
		case t.isIncoming(s.Arc):
			refused = append(refused, counting.Refusal{Item: b.Len() - len(b.SetCounts) + i, Reason: counting.Moving})
		case s.Delete:
			err = pages.Delete(key)
		default:
			err = pages.Put(key, number(s.Count))
		}
		if err != nil {
			return nil, err
		}
	}
	return refused, nil
}

func (t *tx) saveSession(b *counting.Batch, applied counting.Applied) error {
	key := []byte(b.Session)
	if b.Seq == 1 {
		if err := t.plan(t.at.Add(counting.SessionLife), aSession, key); err != nil {
			return err
		}
	}
	return t.table(inSessions).Put(key, encodeSession(applied, t.at))
}

// Read implements counting.Counts.
func (n *core) Read(ctx context.Context, epoch counting.Epoch, pages []counting.Located) (tallies []counting.Tally, err error) {
	err = n.view(ctx, "read", func(t *tx) error {
		if err := t.state.Serves(epoch); err != nil {
			return err
		}
		tallies = make([]counting.Tally, len(pages))
		b, key := t.table(inPages), []byte(nil)
		for i, p := range pages {
			key = t.appendPage(key[:0], p.Arc, p.Page)
			tallies[i].Visits, tallies[i].Err = readCount(b.Get(key))
		}
		return nil
	})
	return tallies, err
}

// List implements counting.Counts. The cursor is the key of the last page that
// was returned.
func (n *core) List(ctx context.Context, epoch counting.Epoch, cursor string) (pages []counting.Visit, next string, err error) {
	err = n.view(ctx, "list pages", func(t *tx) error {
		if err := t.state.Serves(epoch); err != nil {
			return err
		}
		if t.state.Incoming > 0 {
			return counting.Moving
		}
		var last []byte
		for key, value := range t.table(inPages).Scan([]byte(cursor)) {
			if string(key) == cursor {
				continue
			}
			if len(pages) == n.listed {
				next = string(last)
				return nil
			}
			last = key
			pages = append(pages, t.readPage(key, value))
		}
		return nil
	})
	return pages, next, err
}

// readPage reads a page with its count, -1 where that is none.
func (t *tx) readPage(key, value []byte) counting.Visit {
	count, err := readCount(value)
	if err != nil || value == nil {
		count = -1
	}
	if t.byArc {
		return counting.Visit{Arc: counting.Arc(binary.BigEndian.Uint16(key)), Page: counting.Page(key[2:]), Count: count}
	}
	page := counting.Page(key)
	return counting.Visit{Arc: t.state.Opened.Arc(page), Page: page, Count: count}
}
