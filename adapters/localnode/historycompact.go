package localnode

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"footfall/domain/counting"
)

const (
	// maxCompacted bounds the keys that one transaction of a compaction reads and deletes.
	maxCompacted = 1000
	// closedAfter is how long after its end a unit is closed.
	closedAfter = time.Hour
)

// Compact implements counting.Histories. The cursor is the key of the last page.
func (n *core) Compact(ctx context.Context, c counting.Clock, cursor string) (next string, err error) {
	err = n.update(ctx, "compact history", isMember, func(t *tx) error {
		h, err := t.history()
		if err != nil || !h.keeps() || c.Check(t.at) != nil {
			return err
		}
		next = h.compact(cursor, t.at, h.unitsUntil(t.at.Add(-closedAfter)), maxCompacted)
		return nil
	})
	return next, err
}

// DropHistory implements counting.Histories. A file that is full has little room for a transaction, so
// the first one moves Since alone, and one that can't be committed is tried again with fewer pages.
func (n *core) DropHistory(ctx context.Context, c counting.Clock, cursor string) (next string, err error) {
	for pages := maxCompacted; pages > 0; pages /= 4 {
		next, err = n.dropPages(ctx, c, cursor, pages)
		if err == nil || errors.Is(err, counting.ErrNotApplied) {
			break
		}
	}
	return next, err
}

func (n *core) dropPages(ctx context.Context, c counting.Clock, cursor string, pages int) (next string, err error) {
	err = n.update(ctx, "drop history", isMember, func(t *tx) error {
		h, err := t.history()
		switch {
		case err != nil || !h.keeps() || c.Check(t.at) != nil:
			return err
		case cursor == "":
			next = beforePages
			return t.moveSince(h.HistoryState)
		}
		next = h.compact(cursor, t.at, h.unitsUntil(h.Since), pages)
		return nil
	})
	return next, err
}

// beforePages is a cursor before the keys of all pages.
const beforePages = "\x00"

// moveSince moves the beginning of history on to the middle of the time that the node keeps, or its Floor: to the
// start of its day or, if that is earlier, of its small unit.
func (t *tx) moveSince(s counting.HistoryState) error {
	oldest := s.Oldest()
	if first := s.FirstFloor(t.at); first.After(oldest) {
		oldest = first
	}
	middle := oldest.Add(t.at.Sub(oldest) / 2)
	for _, u := range []counting.Unit{counting.DayUnit(middle), s.Setting.UnitAt(middle), s.Setting.UnitAt(t.at)} {
		if !u.Start().After(oldest) {
			continue
		}
		if !s.Floor.IsZero() {
			s.Floor = u.Start()
		}
		if u.Start().After(s.Since) {
			s.Since = u.Start()
		}
		return t.saveHistory(s)
	}
	return nil
}

// unitsUntil are the first units of open buckets that end by some time.
func (h *history) unitsUntil(end time.Time) []counting.Unit {
	units := slices.DeleteFunc(h.units(), func(u counting.Unit) bool { return u.End().After(end) })
	return units[:min(len(units), maxCompacted/2)]
}

// compact packs the open buckets of some units of the pages that follow a cursor, and compacts what is packed. They
// are at most as many pages as is said.
func (h *history) compact(cursor string, now time.Time, units []counting.Unit, pages int) (next string) {
	for range min(pages, maxCompacted/(len(units)+1)) {
		key := h.pageAfter(cursor, units)
		if key == nil {
			return ""
		}
		h.compactPage(key, now, units)
		cursor = string(key)
	}
	return cursor
}

// pageAfter is the key of the first page after a cursor that has packed buckets, or open ones of some units.
func (h *history) pageAfter(cursor string, units []counting.Unit) (first []byte) {
	look := func(in bucket, prefix []byte) {
		for key := range scanPrefix(in, prefix, string(prefix)+cursor) {
			if key = key[len(prefix):]; first == nil || bytes.Compare(key, first) < 0 {
				first = bytes.Clone(key)
			}
			break
		}
	}
	look(h.packed, nil)
	for _, u := range units {
		look(h.open, unitKey(u))
	}
	return first
}

// compactPage leaves a page with a corrupt bucket as it is.
func (h *history) compactPage(key []byte, now time.Time, units []counting.Unit) {
	compacted, err := h.of(key, units).Compact(h.HistoryState, now)
	if err != nil {
		return
	}
	for _, u := range units {
		if open := slices.Concat(unitKey(u), key); h.open.Get(open) != nil {
			h.open.Delete(open)
		}
	}
	switch packed := h.packed.Get(key); {
	case compacted == "" && packed != nil:
		h.packed.Delete(key)
	case string(packed) != string(compacted):
		h.packed.Put(key, []byte(compacted))
	}
}
