package localnode

import (
	"context"
	"strings"

	"footfall/domain/counting"
)

// movable adds counting.Movable to a node that stores pages by arc.
type movable struct{ *core }

var _ counting.Movable = movable{}

// IncomingArcs implements counting.Movable.
func (m movable) IncomingArcs(ctx context.Context, table counting.Epoch) (arcs []counting.Arc, err error) {
	err = m.view(ctx, "list incoming arcs", movesOf(table), func(t *tx) error {
		arcs = arcsIn(t.table(inIncoming))
		return nil
	})
	return arcs, err
}

// ClaimArcs implements counting.Movable.
func (m movable) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) (all []counting.FrozenPages, err error) {
	err = m.update(ctx, "claim arcs", movesOf(table), func(t *tx) error {
		for _, arc := range arcs {
			at := t.frozenPages(arc)
			if at.Stage == counting.Live {
				at = t.claim(arc)
			}
			all = append(all, at)
		}
		return nil
	})
	return all, err
}

func (t *tx) claim(arc counting.Arc) counting.FrozenPages {
	t.count.again()
	pages := movePrefix(t.pages, arcKey(arc), t.table(inFrozen), arcKey(arc))
	at := counting.FrozenPages{Stage: counting.Released, Pages: pages}
	if pages > 0 || len(t.arcKeys(arc)) > 0 {
		at.Stage = counting.Frozen
	} else {
		t.dropBeside(arc)
	}
	t.setFrozenPages(arc, at)
	return at
}

// Fetch implements counting.Movable. All keys come first. The cursor is p with the
// key of the last page that was returned.
func (m movable) Fetch(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (c counting.Chunk, next string, err error) {
	err = m.view(ctx, "fetch what is frozen", movesOf(table), func(t *tx) error {
		if t.frozenPages(arc).Stage != counting.Frozen {
			return counting.ErrUnfinished
		}
		if cursor == "" {
			c.Keys = t.arcKeys(arc)
			c.LastKeys = len(c.Keys) > 0
		}
		if c.Pages, next = t.listPages(t.table(inFrozen), arcKey(arc), strings.TrimPrefix(cursor, "p"), t.listed); next != "" {
			next = "p" + next // so that it is never empty, which means the beginning
		}
		return t.fetchHistories(&c)
	})
	return c, next, err
}

// Import implements counting.Movable.
func (m movable) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (result counting.ImportResult, err error) {
	err = m.update(ctx, "import", movesOf(table), func(t *tx) error {
		if !t.isIncoming(arc) {
			result.Closed = true
			return nil
		}
		if err := t.importKeys(arc, c.Keys); err != nil {
			return err
		}
		if c.LastKeys {
			t.setIncoming(arc, true)
		}
		h, err := t.historySince(c)
		if err != nil {
			return err
		}
		var refused []counting.Refusal
		var excess []counting.Visit
		for i, v := range c.Pages {
			rest, refusal := t.importPage(table, v, func(key []byte) {
				if len(c.Histories) > 0 {
					h.add(key, c.Histories[i])
				}
			})
			if refusal != 0 {
				refused = append(refused, counting.Refusal{Item: i, Reason: refusal})
			}
			if rest > 0 {
				excess = append(excess, counting.Visit{Arc: arc, Page: v.Page, Count: rest})
			}
		}
		result = t.incoming(arc)
		result.Refused, result.Excess = refused, excess
		return nil
	})
	return result, err
}

// importPage adds a page and marks it, unless it is marked, or says why it can't;
// 0 is no reason. excess is what did not fit, and was put in quarantine. added is called if the page is added.
func (t *tx) importPage(table counting.Epoch, v counting.Visit, added func(key []byte)) (excess int64, reason counting.Reason) {
	key := t.appendPage(nil, v.Arc, v.Page)
	if t.table(inMarks).Get(key) != nil {
		return 0, 0
	}
	count, err := readCount(t.pages.Get(key))
	if err != nil || v.Count < 0 {
		return 0, counting.Corrupt
	}
	sum, excess := counting.AddSaturated(count, v.Count)
	if excess > 0 {
		to := orphanKey(counting.Orphan{Arc: v.Arc, Table: table, Excess: true})
		t.table(inQuarantine).Put(append(to, key[len(arcKey(v.Arc)):]...), number(excess))
	}
	t.count.again()
	t.pages.Put(key, number(sum))
	t.table(inMarks).Put(key, present())
	added(key)
	return excess, 0
}

// Confirm implements counting.Movable. It is an update, so that what an earlier
// commit may not have synced is synced.
func (m movable) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) (all []counting.ImportResult, err error) {
	err = m.update(ctx, "confirm arcs", movesOf(table), func(t *tx) error {
		for _, arc := range arcs {
			all = append(all, t.incoming(arc))
		}
		return nil
	})
	return all, err
}

// RetireArc implements counting.Movable.
func (m movable) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return m.update(ctx, "retire an arc", movesOf(table), func(t *tx) error {
		switch at := t.frozenPages(arc); {
		case at.Stage == counting.Released:
			return nil
		case at.Stage != counting.Frozen || at.Pages != pages:
			return counting.ErrUnfinished
		}
		t.dropBeside(arc)
		t.release(arc, pages)
		return nil
	})
}

// release forgets the pages of a frozen arc.
func (t *tx) release(arc counting.Arc, pages int) {
	clearPrefix(t.table(inFrozen), arcKey(arc))
	t.setFrozenPages(arc, counting.FrozenPages{Stage: counting.Released, Pages: pages})
}

// CloseArc implements counting.Movable.
func (m movable) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return m.update(ctx, "close an arc", movesOf(table), func(t *tx) error {
		switch in := t.incoming(arc); {
		case in.Closed:
			return nil
		case in.Pages < pages:
			return counting.ErrUnfinished
		}
		clearPrefix(t.table(inMarks), arcKey(arc))
		t.table(inIncoming).Delete(arcKey(arc))
		next := t.state
		next.Incoming--
		t.saveRing(next)
		return nil
	})
}

// ReadParts implements counting.Movable.
func (m movable) ReadParts(ctx context.Context, e counting.Expected, pages []counting.Located) (parts []counting.Part, err error) {
	err = m.read(ctx, "read", e, func(t *tx) error {
		parts = make([]counting.Part, len(pages))
		for i, p := range pages {
			parts[i] = t.part(p)
		}
		return nil
	})
	return parts, err
}

func (t *tx) part(p counting.Located) (part counting.Part) {
	key := t.appendPage(nil, p.Arc, p.Page)
	if part.Visits, part.Err = readCount(t.pages.Get(key)); part.Err == nil {
		part.Frozen, part.Err = readCount(t.table(inFrozen).Get(key))
	}
	if part.Err != nil {
		return counting.Part{Err: part.Err}
	}
	part.Stage = t.frozenPages(p.Arc).Stage
	part.Marked = t.table(inMarks).Get(key) != nil
	part.Closed = !t.isIncoming(p.Arc)
	return part
}

// ImportEntries implements counting.Movable.
func (m movable) ImportEntries(ctx context.Context, table counting.Epoch, entries []counting.FullEntry) error {
	return m.update(ctx, "import entries", movesOf(table), func(t *tx) error {
		for _, e := range entries {
			if err := t.importEntry(e); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) importEntry(e counting.FullEntry) error {
	return t.changeEntry(e.Window, func(kept *counting.LedgerEntry) error {
		if !kept.Import(e.Entry, t.at) {
			return nil
		}
		t.table(inCalls).Delete(ordered(e.Window))
		for endpoint, d := range e.ByEndpoint {
			if err := t.saveDelivery(e.Window, endpoint, d); err != nil {
				return err
			}
		}
		t.plan(t.at.Add(counting.WindowLife), kindCalls, ordered(e.Window))
		return nil
	})
}
