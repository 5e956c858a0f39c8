package localnode

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// maxFetched is the most pages and keys that one call of Fetch returns.
const maxFetched = 64

// movable adds counting.Movable to a node that stores pages by arc.
type movable struct{ *core }

var _ counting.Movable = movable{}

// update takes a step of the moves of a table.
func (m movable) update(ctx context.Context, what string, table counting.Epoch, step func(*tx) (changed bool, err error)) error {
	return m.core.update(ctx, what, func(t *tx) (bool, error) {
		if err := t.state.Moves(table); err != nil {
			return false, err
		}
		return step(t)
	})
}

// view reads for the moves of a table.
func (m movable) view(ctx context.Context, what string, table counting.Epoch, read func(*tx) error) error {
	return m.core.view(ctx, what, func(t *tx) error {
		if err := t.state.Moves(table); err != nil {
			return err
		}
		return read(t)
	})
}

// startMoves begins the moves of the table of r, which is opened. What lies
// where arcs are to come, or was left by the moves before, is quarantined.
func (t *tx) startMoves(r *sharding.Ring) error {
	for _, arc := range r.ReclaimedArcs(t.id) {
		if err := t.reclaim(arc, r.Table()); err != nil {
			return err
		}
	}
	for _, arc := range arcsIn(t.table(inFrozen), 0, sharding.Arcs) {
		residue := quarantine{counting.Orphan{Arc: arc, Table: t.state.Opened.Table()}}
		if _, err := movePrefix(t.table(inFrozen), arcKey(arc), t.table(inQuarantine), residue.key()); err != nil {
			return err
		}
	}
	occupied := t.occupied(0, sharding.Arcs)
	for _, arc := range r.AddedArcs(t.id) {
		if _, is := slices.BinarySearch(occupied, arc); !is {
			continue
		}
		if err := t.setAside(arc, r.Table()); err != nil {
			return err
		}
		if _, err := t.dropKeys(arc); err != nil {
			return err
		}
	}
	for _, name := range []string{inMoves, inIncoming, inMarks} {
		if err := t.root.Delete([]byte(name)); err != nil {
			return err
		}
		if _, err := t.root.Create([]byte(name)); err != nil {
			return err
		}
	}
	for _, arc := range r.Incoming(t.id) {
		if err := t.setIncoming(arc, incomingArc{}); err != nil {
			return err
		}
	}
	return nil
}

// setAside moves what is live of an arc into quarantine.
func (t *tx) setAside(arc counting.Arc, table counting.Epoch) error {
	to := quarantine{counting.Orphan{Arc: arc, Table: table, Quarantined: true}}
	_, err := movePrefix(t.table(inPages), arcKey(arc), t.table(inQuarantine), to.key())
	return err
}

// reclaim makes what has not left of a claimed arc live again.
func (t *tx) reclaim(arc counting.Arc, table counting.Epoch) error {
	stage, _ := t.stage(arc)
	if stage == counting.Live {
		return nil
	}
	if err := t.setAside(arc, table); err != nil { // since it was claimed
		return err
	}
	if stage == counting.Released {
		_, err := t.dropKeys(arc)
		return err
	}
	_, err := movePrefix(t.table(inFrozen), arcKey(arc), t.table(inPages), arcKey(arc))
	return err
}

// stage is how far an arc has come that leaves, and how many pages it had.
func (t *tx) stage(arc counting.Arc) (counting.Stage, int) {
	v := t.table(inMoves).Get(arcKey(arc))
	if v == nil {
		return counting.Live, 0
	}
	return counting.Stage(v[0]), int(binary.BigEndian.Uint64(v[1:]))
}

func (t *tx) setStage(arc counting.Arc, stage counting.Stage, pages int) error {
	return t.table(inMoves).Put(arcKey(arc), append([]byte{byte(stage)}, number(int64(pages))...))
}

// incomingArc is what is stored of an arc that comes to the node.
type incomingArc struct {
	keys  bool // all have come
	pages int  // are marked
}

func (in incomingArc) encode() []byte {
	keys := byte(0)
	if in.keys {
		keys = 1
	}
	return append([]byte{keys}, number(int64(in.pages))...)
}

// incoming returns what is stored of an arc, false where it doesn't come.
func (t *tx) incoming(arc counting.Arc) (incomingArc, bool) {
	v := t.table(inIncoming).Get(arcKey(arc))
	if v == nil {
		return incomingArc{}, false
	}
	return incomingArc{v[0] == 1, int(binary.BigEndian.Uint64(v[1:]))}, true
}

func (t *tx) setIncoming(arc counting.Arc, in incomingArc) error {
	return t.table(inIncoming).Put(arcKey(arc), in.encode())
}

func (t *tx) isIncoming(arc counting.Arc) bool {
	if t.state.Incoming == 0 {
		return false
	}
	_, is := t.incoming(arc)
	return is
}

// cancelled is how many arcs that come now are those of r.CancelledMoves.
func (t *tx) cancelled(r *sharding.Ring) (arcs int) {
	if t.state.Incoming == 0 {
		return 0
	}
	for _, arc := range r.CancelledMoves(t.id) {
		if t.isIncoming(arc) {
			arcs++
		}
	}
	return arcs
}

// arcsIn are the arcs from first on and below end by which keys of b begin.
func arcsIn(b bucket, first, end int) (arcs []counting.Arc) {
	for arc := first; arc < end; arc++ {
		arc = nextArc(b, arc)
		if arc < end {
			arcs = append(arcs, counting.Arc(arc))
		}
	}
	return arcs
}

// occupied are the arcs from first on and below end of which the node has live
// pages or keys, in ascending order.
func (t *tx) occupied(first, end int) []counting.Arc {
	arcs := arcsIn(t.table(inPages), first, end)
	for _, of := range t.keyDays(true) {
		arcs = append(arcs, arcsIn(of, first, end)...)
	}
	slices.Sort(arcs)
	return slices.Compact(arcs)
}

func nextArc(b bucket, from int) int {
	for key := range b.Scan(arcKey(counting.Arc(from))) {
		if len(key) >= 2 {
			return int(binary.BigEndian.Uint16(key))
		}
	}
	return sharding.Arcs
}

// IncomingArcs implements counting.Movable.
func (m movable) IncomingArcs(ctx context.Context, table counting.Epoch) (arcs []counting.Arc, err error) {
	err = m.view(ctx, "list incoming arcs", table, func(t *tx) error {
		for key := range t.table(inIncoming).Scan(nil) {
			arcs = append(arcs, counting.Arc(binary.BigEndian.Uint16(key)))
		}
		return nil
	})
	return arcs, err
}

// ClaimArcs implements counting.Movable.
func (m movable) ClaimArcs(ctx context.Context, table counting.Epoch, arcs []counting.Arc) (all []counting.FrozenPages, err error) {
	err = m.update(ctx, "claim arcs", table, func(t *tx) (changed bool, err error) {
		for _, arc := range arcs {
			stage, pages := t.stage(arc)
			if stage == counting.Live {
				changed = true
				if stage, pages, err = t.claim(arc); err != nil {
					return false, err
				}
			}
			all = append(all, counting.FrozenPages{Stage: stage, Pages: pages})
		}
		return changed, nil
	})
	return all, err
}

func (t *tx) claim(arc counting.Arc) (stage counting.Stage, pages int, err error) {
	if pages, err = movePrefix(t.table(inPages), arcKey(arc), t.table(inFrozen), arcKey(arc)); err != nil {
		return stage, 0, err
	}
	stage = counting.Released
	if pages > 0 || t.hasKeys(arc) {
		stage = counting.Frozen
	}
	return stage, pages, t.setStage(arc, stage, pages)
}

// Fetch implements counting.Movable. The cursor is k with the day and the key of the
// last key that was returned, or p with the last page.
func (m movable) Fetch(ctx context.Context, table counting.Epoch, arc counting.Arc, cursor string) (c counting.Chunk, next string, err error) {
	err = m.view(ctx, "fetch what is frozen", table, func(t *tx) error {
		if stage, _ := t.stage(arc); stage != counting.Frozen {
			return counting.ErrUnfinished
		}
		page, keysAreDone := strings.CutPrefix(cursor, "p")
		if !keysAreDone {
			last := strings.TrimPrefix(cursor, "k")
			if c.Keys, next = t.frozenKeys(arc, last); next != "" {
				next = "k" + next
				return nil
			}
			c.LastKeys, page = last != "" || len(c.Keys) > 0, ""
		}
		if c.Pages, next = t.frozenPages(arc, page); next != "" {
			next = "p" + next
		}
		return nil
	})
	return c, next, err
}

// frozenPages returns pages of a frozen arc after one, and the last of them where
// others follow.
func (t *tx) frozenPages(arc counting.Arc, after string) (pages []counting.Visit, last string) {
	from := string(arcKey(arc)) + after
	for key, value := range t.table(inFrozen).Scan([]byte(from)) {
		page := t.readPage(key, value)
		switch {
		case page.Arc != arc:
			return pages, ""
		case string(key) == from:
		case len(pages) == maxFetched:
			return pages, string(pages[len(pages)-1].Page)
		default:
			pages = append(pages, page)
		}
	}
	return pages, ""
}

// Import implements counting.Movable.
func (m movable) Import(ctx context.Context, table counting.Epoch, arc counting.Arc, c counting.Chunk) (result counting.ImportResult, err error) {
	err = m.update(ctx, "import", table, func(t *tx) (bool, error) {
		in, coming := t.incoming(arc)
		if !coming {
			result.Closed = true
			return false, nil
		}
		if err := t.importKeys(arc, c.Keys); err != nil {
			return false, err
		}
		in.keys = in.keys || c.LastKeys
		a, marks := adding{core: t.core, pages: t.table(inPages)}, t.table(inMarks)
		for i, v := range c.Pages {
			mark := t.appendPage(nil, arc, v.Page)
			if marks.Get(mark) != nil {
				continue
			}
			err := error(counting.Corrupt)
			if v.Count >= 0 {
				err = a.add(v)
			}
			if err == nil {
				err = marks.Put(mark, present())
				in.pages++
			}
			if result.Refused, err = refuse(result.Refused, i, err); err != nil {
				return false, err
			}
		}
		result.Pages, result.Keys = in.pages, in.keys
		return true, t.setIncoming(arc, in)
	})
	return result, err
}

// Confirm implements counting.Movable. It is an update, so that what an earlier
// commit may not have synced is synced.
func (m movable) Confirm(ctx context.Context, table counting.Epoch, arcs []counting.Arc) (all []counting.ImportResult, err error) {
	err = m.update(ctx, "confirm arcs", table, func(t *tx) (bool, error) {
		for _, arc := range arcs {
			in, coming := t.incoming(arc)
			all = append(all, counting.ImportResult{Pages: in.pages, Keys: in.keys, Closed: !coming})
		}
		return false, nil
	})
	return all, err
}

// RetireArc implements counting.Movable.
func (m movable) RetireArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return m.update(ctx, "retire an arc", table, func(t *tx) (bool, error) {
		stage, had := t.stage(arc)
		switch {
		case stage == counting.Released:
			return false, nil
		case stage != counting.Frozen || had != pages:
			return false, counting.ErrUnfinished
		}
		if _, err := t.dropKeys(arc); err != nil {
			return false, err
		}
		return true, t.release(arc, pages)
	})
}

// release forgets the pages of a frozen arc.
func (t *tx) release(arc counting.Arc, pages int) error {
	if _, err := clearPrefix(t.table(inFrozen), arcKey(arc)); err != nil {
		return err
	}
	return t.setStage(arc, counting.Released, pages)
}

// CloseArc implements counting.Movable.
func (m movable) CloseArc(ctx context.Context, table counting.Epoch, arc counting.Arc, pages int) error {
	return m.update(ctx, "close an arc", table, func(t *tx) (bool, error) {
		in, coming := t.incoming(arc)
		switch {
		case !coming:
			return false, nil
		case in.pages < pages:
			return false, counting.ErrUnfinished
		}
		if _, err := clearPrefix(t.table(inMarks), arcKey(arc)); err != nil {
			return false, err
		}
		if err := t.table(inIncoming).Delete(arcKey(arc)); err != nil {
			return false, err
		}
		next := t.state
		next.Incoming--
		return true, t.saveRing(next)
	})
}

// ReadParts implements counting.Movable.
func (m movable) ReadParts(ctx context.Context, epoch counting.Epoch, pages []counting.Located) (parts []counting.Part, err error) {
	err = m.core.view(ctx, "read", func(t *tx) error {
		if err := t.state.Serves(epoch); err != nil {
			return err
		}
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
	if part.Visits, part.Err = readCount(t.table(inPages).Get(key)); part.Err == nil {
		part.Frozen, part.Err = readCount(t.table(inFrozen).Get(key))
	}
	if part.Err != nil {
		return counting.Part{Err: part.Err}
	}
	part.Stage, _ = t.stage(p.Arc)
	part.Marked = t.table(inMarks).Get(key) != nil
	part.Closed = !t.isIncoming(p.Arc)
	return part
}

// ImportEntries implements counting.Movable.
func (m movable) ImportEntries(ctx context.Context, table counting.Epoch, entries []counting.FullEntry) error {
	return m.update(ctx, "import entries", table, func(t *tx) (changed bool, err error) {
		for _, e := range entries {
			kept, known, err := t.entry(e.Window)
			if err != nil {
				return false, err
			}
			if !kept.Import(e.Entry, t.at) {
				continue
			}
			changed = true
			if err := t.importEntry(&kept, known, e.ByEndpoint); err != nil {
				return false, err
			}
		}
		return changed, nil
	})
}

func (t *tx) importEntry(e *counting.LedgerEntry, known bool, deliveries map[string]counting.Delivery) error {
	key := ordered(e.Window)
	if err := t.table(inCalls).Delete(key); err != nil {
		return err
	}
	for endpoint, d := range deliveries {
		if err := t.saveDelivery(e.Window, endpoint, d); err != nil {
			return err
		}
	}
	if err := t.plan(t.at.Add(counting.WindowLife), theCalls, key); err != nil {
		return err
	}
	return t.saveEntry(e, known)
}
