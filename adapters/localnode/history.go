package localnode

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"footfall/domain/counting"
)

var _ counting.Histories = (*core)(nil)

// unitBytes is the length of a unit at the beginning of a key.
const unitBytes = 3

func unitKey(u counting.Unit) []byte { return []byte{byte(u >> 16), byte(u >> 8), byte(u)} }

func unitOf(key []byte) counting.Unit {
	return counting.Unit(key[0])<<16 | counting.Unit(key[1])<<8 | counting.Unit(key[2])
}

// history is what a node keeps: the buckets of pages, by the keys of the pages. The tables are nil
// if it keeps none.
type history struct {
	counting.HistoryState
	open, packed bucket
}

// keeps tells whether there is a history.
func (h *history) keeps() bool { return h.open != nil }

// historyTables are the tables alone.
func (t *tx) historyTables() history {
	return history{open: t.table(inOpen), packed: t.table(inPacked)}
}

// turnedOff is what is stored of a history that was turned off.
const turnedOff = "off"

func (t *tx) history() (h history, err error) {
	stored := string(t.table(inMeta).Get([]byte("history")))
	switch stored {
	case "":
		return h, nil
	case turnedOff:
		h.Off = true
		return h, nil
	}
	setting, times, _ := strings.Cut(stored, " ")
	since, floor, restored := strings.Cut(times, " ")
	h.Since, err = parseSeconds(since)
	if err == nil && restored {
		h.Floor, err = parseSeconds(floor)
	}
	if err == nil {
		h.Setting, err = counting.ParseHistory(setting)
	}
	h.open, h.packed = t.table(inOpen), t.table(inPacked)
	if err != nil || h.open == nil || h.packed == nil {
		return h, fmt.Errorf("%w: the history %q", errBroken, stored)
	}
	return h, nil
}

func parseSeconds(s string) (time.Time, error) {
	seconds, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

// saveHistory stores what the node keeps. With the first history the store gets a format
// that programs without histories refuse: they would count without placing.
func (t *tx) saveHistory(s counting.HistoryState) error {
	for _, name := range []string{inOpen, inPacked} {
		if _, err := t.root.Create([]byte(name)); err != nil {
			return err
		}
	}
	meta := t.table(inMeta)
	meta.Put([]byte("format"), []byte(newestFormat))
	stored := fmt.Appendf(nil, "%s %d", s.Setting, s.Since.Unix())
	if !s.Floor.IsZero() {
		stored = fmt.Appendf(stored, " %d", s.Floor.Unix())
	}
	meta.Put([]byte("history"), stored)
	return nil
}

// endHistory forgets all buckets. To programs without histories the store is as one that never had a history.
func (t *tx) endHistory() error {
	sessions := t.table(inSessions)
	for _, name := range firstKeys(sessions, nil, unlimited) {
		last, at, err := decodeSession(sessions.Get(name))
		if err != nil {
			return err
		}
		last.At = time.Time{}
		sessions.Put(name, encodeSession(last, at))
	}
	t.root.Delete([]byte(inOpen))
	t.root.Delete([]byte(inPacked))
	meta := t.table(inMeta)
	meta.Put([]byte("history"), []byte(turnedOff))
	meta.Put([]byte("format"), []byte(format))
	return nil
}

// KeepHistory implements counting.Histories. One process has the store, so no instance of a version
// without history sends batches.
func (n *core) KeepHistory(ctx context.Context, s counting.HistorySetting, since time.Time, change bool, c counting.Clock) (kept counting.HistoryState, err error) {
	err = n.update(ctx, "keep history", isMember, func(t *tx) error {
		h, err := t.history()
		if err != nil {
			return err
		}
		kept = h.HistoryState
		agree := c.Check(t.at) == nil
		switch off := s.Unit == 0; {
		case off && change && !h.Off:
			kept = counting.HistoryState{Off: true}
			return t.endHistory()
		case off, h.IsSet() && !change, !agree && s.Days > h.Setting.Days:
			return nil
		case h.keeps():
			kept = h.Changed(s, t.at)
			return t.saveHistory(kept)
		case since.IsZero():
			since = t.at
		}
		kept = counting.HistoryState{Setting: s, Since: time.Unix(since.Unix(), 0).UTC()}
		return t.saveHistory(kept)
	})
	return kept, err
}

// placing is where the visits of a batch are placed.
type placing struct {
	open bucket // nil if they are not
	key  []byte // a unit, and the key of the last page
}

// startPlacing returns when the visits of a batch are placed; zero if they are not.
func (t *tx) startPlacing(b *counting.Batch) (time.Time, error) {
	h, err := t.history()
	if err != nil || !h.keeps() {
		return time.Time{}, err
	}
	at := b.At
	if at.IsZero() && b.Clock.Check(t.at) == nil {
		at = t.at
	}
	if at = time.Unix(at.Unix(), 0).UTC(); at.Before(h.Since) {
		return time.Time{}, nil
	}
	t.placing = placing{h.open, unitKey(h.Setting.UnitAt(at))}
	return at, nil
}

// place adds visits of the page of t.key to its open bucket. One that is no number stays as it is.
func (t *tx) place(visits int64) {
	p := &t.placing
	if p.open == nil {
		return
	}
	p.key = append(p.key[:unitBytes], t.key...)
	count, err := readCount(p.open.Get(p.key))
	if err != nil {
		return
	}
	sum, _ := counting.AddSaturated(count, visits)
	t.values = binary.BigEndian.AppendUint64(t.values, uint64(sum))
	p.open.Put(p.key, t.values[len(t.values)-8:])
}

// ReadHistory implements counting.Histories.
func (n *core) ReadHistory(ctx context.Context, e counting.Expected, page counting.Located) (read counting.PageHistory, err error) {
	err = n.read(ctx, "read history", e, func(t *tx) error {
		h, err := t.history()
		if err != nil {
			return err
		}
		key := t.appendPage(nil, page.Arc, page.Page)
		read.State = h.HistoryState
		if read.Closed = true; t.byArc {
			read.Part = t.part(page)
		} else {
			read.Visits, read.Err = readCount(t.pages.Get(key))
		}
		if read.Err == nil && h.keeps() {
			read.History = h.of(key, h.units())
		}
		return nil
	})
	return read, err
}

// ListHistories implements counting.Histories. It reads as many keys as List returns pages, more or less.
func (n *core) ListHistories(ctx context.Context, e counting.Expected, cursor string) (l counting.HistoryList, next string, err error) {
	err = n.read(ctx, "list histories", e, func(t *tx) error {
		if t.state.Incoming > 0 {
			return counting.Moving
		}
		h, err := t.history()
		if err != nil {
			return err
		}
		var units []counting.Unit
		if h.keeps() {
			units = h.units()
		}
		l.State = h.HistoryState
		l.Pages, next = t.listPages(t.pages, nil, cursor, max(10, 2*t.listed/(2+len(units))))
		l.Histories = make([]counting.Packed, len(l.Pages))
		for i, p := range l.Pages {
			if h.keeps() {
				t.key = t.appendPage(t.key[:0], p.Arc, p.Page)
				l.Histories[i] = h.of(t.key, units)
			}
		}
		return nil
	})
	return l, next, err
}

// units are those of the open buckets, in ascending order.
func (h *history) units() (units []counting.Unit) {
	for from := []byte(nil); ; {
		found := false
		for key := range h.open.Scan(from) {
			if found = len(key) > unitBytes; found {
				units = append(units, unitOf(key))
			}
			break
		}
		if !found {
			return units
		}
		from = unitKey(units[len(units)-1] + 1)
	}
}

// corruptBucket is a part of a packed history with an open bucket that is no number.
const corruptBucket = counting.Packed("\x40\x00\x00\x01?")

// of is the history of the page of a key: its packed buckets and the open ones of some units.
func (h *history) of(key []byte, units []counting.Unit) counting.Packed {
	p := counting.Packed(h.packed.Get(key))
	for _, u := range units {
		switch n, err := readCount(h.open.Get(slices.Concat(unitKey(u), key))); {
		case err != nil:
			p += corruptBucket
		case n > 0:
			p = p.Append(counting.Bucket{Unit: u, Visits: n})
		}
	}
	return p
}

// forget deletes the history of the page of a key.
func (h *history) forget(key []byte) {
	if !h.keeps() {
		return
	}
	h.packed.Delete(key)
	for _, u := range h.units() {
		h.open.Delete(slices.Concat(unitKey(u), key))
	}
}

// restart begins the history of the page of a key again.
func (h *history) restart(key []byte, at time.Time) {
	if !h.keeps() {
		return
	}
	h.forget(key)
	h.packed.Put(key, []byte(counting.Packed("").Append(counting.Bucket{Unit: counting.ResetAt(h.Setting.UnitAt(at))})))
}
