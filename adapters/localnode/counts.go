package localnode

import (
	"context"
	"encoding/binary"

	"footfall/domain/counting"
)

// Apply implements counting.Counts. It is one transaction whatever the size
// of the batch, so that a batch of many costs little more than one of one.
func (n *core) Apply(ctx context.Context, b *counting.Batch) (receipt counting.Receipt, err error) {
	err = n.update(ctx, "apply", func(t *tx) error {
		fence, opened, err := t.state.Epochs()
		if err != nil {
			return err
		}
		last, _, err := decodeSession(t.table(inSessions).Get([]byte(b.Session)))
		if err != nil {
			return err
		}
		answer, err := last.Admit(b, fence, opened)
		if err != nil {
			return err
		}
		if answer != nil {
			receipt = *answer
			return nil
		}
		if receipt.Refused, err = t.applyItems(b); err != nil {
			return err
		}
		t.saveSession(b, counting.Applied{Seq: b.Seq, Refused: receipt.Refused})
		return nil
	})
	if err != nil {
		return counting.Receipt{}, err
	}
	return receipt, nil
}

func (t *tx) applyItems(b *counting.Batch) (refused []counting.Refusal, err error) {
	item := 0
	note := func(refusal counting.Reason) {
		if refusal != 0 {
			refused = append(refused, counting.Refusal{Item: item, Reason: refusal})
		}
		item++
	}
	pages := t.adding(len(b.Visits))
	for _, v := range b.Visits {
		note(pages.add(v))
	}
	if len(b.IDEvents) > 0 {
		ids, err := t.arriving(b.EndpointLimit)
		if err != nil {
			return nil, err
		}
		for _, e := range b.IDEvents {
			note(ids.add(e))
		}
		ids.finish()
	}
	if len(b.Keyed) > 0 {
		keys := t.keeping(pages, b.KeyLimit)
		for _, k := range b.Keyed {
			note(keys.add(k))
		}
	}
	for _, s := range b.SetCounts {
		note(t.setCount(s))
	}
	return refused, nil
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

func (t *tx) adding(visits int) *adding {
	return &adding{core: t.core, pages: t.table(inPages), values: make([]byte, 0, 8*visits)}
}

// add adds to one page, or says why it can't; 0 is no reason.
func (a *adding) add(v counting.Visit) counting.Reason {
	a.key = a.appendPage(a.key[:0], v.Arc, v.Page)
	count, err := readCount(a.pages.Get(a.key))
	if err != nil {
		return counting.Corrupt
	}
	sum, ok := counting.AddChecked(count, v.Count)
	if !ok {
		return counting.Overflow
	}
	a.values = binary.BigEndian.AppendUint64(a.values, uint64(sum))
	a.pages.Put(a.key, a.values[len(a.values)-8:])
	return 0
}

// setCount sets the count of one page, or says why it can't; 0 is no reason.
func (t *tx) setCount(s counting.SetCount) counting.Reason {
	key := t.appendPage(nil, s.Arc, s.Page)
	switch {
	case t.isIncoming(s.Arc):
		return counting.Moving
	case s.Delete:
		t.table(inPages).Delete(key)
	default:
		t.table(inPages).Put(key, number(s.Count))
	}
	return 0
}

func (t *tx) saveSession(b *counting.Batch, applied counting.Applied) {
	key := []byte(b.Session)
	if b.Seq == 1 {
		t.plan(t.at.Add(counting.SessionLife), aSession, key)
	}
	t.table(inSessions).Put(key, encodeSession(applied, t.at))
}

// serving reads for callers that route by the ring of an epoch.
func (n *core) serving(ctx context.Context, what string, epoch counting.Epoch, read func(*tx) error) error {
	return n.view(ctx, what, func(t *tx) error {
		if err := t.state.Serves(epoch); err != nil {
			return err
		}
		return read(t)
	})
}

// Read implements counting.Counts.
func (n *core) Read(ctx context.Context, epoch counting.Epoch, pages []counting.Located) (tallies []counting.Tally, err error) {
	err = n.serving(ctx, "read", epoch, func(t *tx) error {
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
	err = n.serving(ctx, "list pages", epoch, func(t *tx) error {
		if t.state.Incoming > 0 {
			return counting.Moving
		}
		pages, next = t.listPages(inPages, nil, cursor)
		return nil
	})
	return pages, next, err
}

// listPages returns the first pages of a table whose keys begin with prefix and
// lie after a cursor. Where others follow, next is the cursor of the last.
func (t *tx) listPages(in string, prefix []byte, cursor string) (pages []counting.Visit, next string) {
	var last []byte
	for key, value := range scanPrefix(t.table(in), prefix, cursor) {
		if len(pages) == t.listed {
			return pages, string(last)
		}
		last = key
		pages = append(pages, t.readPage(key, value))
	}
	return pages, ""
}

// readPage reads a page with its count, -1 where that is none.
func (t *tx) readPage(key, value []byte) counting.Visit {
	count, err := readCount(value)
	if err != nil || value == nil {
		count = -1
	}
	if t.byArc {
		return counting.Visit{Arc: arcOf(key), Page: counting.Page(key[2:]), Count: count}
	}
	page := counting.Page(key)
	return counting.Visit{Arc: t.state.Opened.Arc(page), Page: page, Count: count}
}
