package localnode

import (
	"context"
	"encoding/binary"
	"time"

	"footfall/domain/counting"
)

// Apply implements counting.Counts. It is one transaction whatever the size
// of the batch, so that a batch of many costs little more than one of one.
func (n *core) Apply(ctx context.Context, b *counting.Batch) (receipt counting.Receipt, err error) {
	err = n.update(ctx, "apply", isMember, func(t *tx) error {
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
		if receipt.At, err = t.startPlacing(b); err != nil {
			return err
		}
		if receipt.Refused, err = t.applyItems(b, receipt.At); err != nil {
			return err
		}
		t.saveSession(b, counting.Applied{Seq: b.Seq, Refused: receipt.Refused, At: receipt.At})
		return nil
	})
	return receipt, err
}

// applyItems applies the items of a batch that is placed at a time, which is zero if it is not.
func (t *tx) applyItems(b *counting.Batch, at time.Time) (refused []counting.Refusal, err error) {
	if t.countOnce(); !b.Repeated {
		free := t.free()
		t.pageLimit, t.diskFull = b.PageLimit, free > 0 && free < b.DiskReserve
	}
	item := 0
	note := func(refusal counting.Reason) {
		if refusal != 0 {
			refused = append(refused, counting.Refusal{Item: item, Reason: refusal})
		}
		item++
	}
	t.values = make([]byte, 0, 16*len(b.Visits))
	for _, v := range b.Visits {
		note(t.add(v))
	}
	if len(b.IDEvents) > 0 {
		ids, err := t.arriving(b)
		if err != nil {
			return nil, err
		}
		for _, e := range b.IDEvents {
			note(ids.add(e))
		}
		ids.finish()
	}
	if len(b.Keyed) > 0 {
		days := t.keyDays(false)
		for _, k := range b.Keyed {
			note(t.addKeyed(k, &days, b))
		}
	}
	if len(b.SetCounts) > 0 {
		h, err := t.history()
		if err != nil {
			return nil, err
		}
		if at.IsZero() {
			at = t.at
		}
		before := h.Floor
		for _, s := range b.SetCounts {
			note(t.setCount(s, &h, at))
		}
		if h.Floor != before {
			return refused, t.saveHistory(h.HistoryState)
		}
	}
	return refused, nil
}

// add adds to one page, or says why it can't; 0 is no reason.
func (t *tx) add(v counting.Visit) counting.Reason {
	t.key = t.appendPage(t.key[:0], v.Arc, v.Page)
	stored := t.pages.Get(t.key)
	count, err := readCount(stored)
	if err != nil {
		return counting.Corrupt
	}
	if stored == nil {
		if reason := t.refusesPage(v.Arc); reason != 0 {
			return reason
		}
		t.count.note(t.key, 1)
	}
	sum, ok := counting.AddChecked(count, v.Count)
	if !ok {
		return counting.Overflow
	}
	t.values = binary.BigEndian.AppendUint64(t.values, uint64(sum))
	t.pages.Put(t.key, t.values[len(t.values)-8:])
	t.place(v.Count)
	return 0
}

// setCount sets the count of one page, whose history starts again at a time, or says why it can't; 0 is
// no reason.
func (t *tx) setCount(s counting.SetCount, h *history, at time.Time) counting.Reason {
	switch {
	case t.isIncoming(s.Arc):
		return counting.Moving
	case s.History != "" && !h.keeps():
		return counting.NoHistory
	}
	key := t.appendPage(nil, s.Arc, s.Page)
	isNew := t.pages.Get(key) == nil
	if s.Delete {
		if !isNew {
			t.count.note(key, -1)
		}
		t.pages.Delete(key)
		h.forget(key)
		return 0
	}
	if isNew {
		if reason := t.refusesPage(s.Arc); reason != 0 {
			return reason
		}
		t.count.note(key, 1)
	}
	t.pages.Put(key, number(s.Count))
	if s.History == "" {
		h.restart(key, at)
		return 0
	}
	h.forget(key)
	if h.add(key, s.History); h.Floor.IsZero() {
		h.Floor = h.FirstFloor(t.at)
	}
	return 0
}

func (t *tx) saveSession(b *counting.Batch, applied counting.Applied) {
	key := []byte(b.Session)
	if b.Seq == 1 {
		t.plan(t.at.Add(counting.SessionLife), kindSession, key)
	}
	t.table(inSessions).Put(key, encodeSession(applied, t.at))
}

// read is view for counts, from which nothing may be missing that the caller expects.
func (n *core) read(ctx context.Context, what string, e counting.Expected, read func(*tx) error) error {
	return n.view(ctx, what, serves(e.Epoch), func(t *tx) error {
		last, _, err := decodeSession(t.table(inSessions).Get([]byte(e.Session)))
		if err == nil {
			err = last.Covers(e)
		}
		if err != nil {
			return err
		}
		return read(t)
	})
}

// Read implements counting.Counts.
func (n *core) Read(ctx context.Context, e counting.Expected, pages []counting.Located) (tallies []counting.Tally, err error) {
	err = n.read(ctx, "read", e, func(t *tx) error {
		tallies = make([]counting.Tally, len(pages))
		for i, p := range pages {
			t.key = t.appendPage(t.key[:0], p.Arc, p.Page)
			tallies[i].Visits, tallies[i].Err = readCount(t.pages.Get(t.key))
		}
		return nil
	})
	return tallies, err
}

// List implements counting.Counts. The cursor is the key of the last page that
// was returned.
func (n *core) List(ctx context.Context, e counting.Expected, cursor string) (pages []counting.Visit, next string, err error) {
	err = n.read(ctx, "list pages", e, func(t *tx) error {
		if t.state.Incoming > 0 {
			return counting.Moving
		}
		pages, next = t.listPages(t.pages, nil, cursor, t.listed)
		return nil
	})
	return pages, next, err
}

// listPages returns the first pages of a table, at most so many, whose keys begin with prefix and
// lie after a cursor. Where others follow, next is the cursor of the last.
func (t *tx) listPages(in bucket, prefix []byte, cursor string, most int) (pages []counting.Visit, next string) {
	var last []byte
	for key, value := range scanPrefix(in, prefix, cursor) {
		if len(pages) == most {
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
