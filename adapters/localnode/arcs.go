package localnode

import (
	"encoding/binary"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// startMoves begins the moves of the table of r, which is opened, and goes on with those
// that it continues. What lies where arcs are to come, or was left by the moves before, is
// quarantined.
func (t *tx) startMoves(r *sharding.Ring) {
	t.count.again()
	continued := r.ContinuedMoves(t.id)
	ends := func(arc counting.Arc) bool {
		_, goesOn := slices.BinarySearch(continued, arc)
		return !goesOn
	}
	for _, arc := range r.ReclaimedArcs(t.id) {
		t.reclaim(arc, r.Table())
	}
	for _, arc := range arcsIn(t.table(inFrozen)) {
		if ends(arc) {
			frozen := counting.Orphan{Arc: arc, Table: t.state.Opened.Table()}
			movePrefix(t.table(inFrozen), arcKey(arc), t.table(inQuarantine), orphanKey(frozen))
		}
	}
	occupied := t.occupied()
	for _, arc := range r.AddedArcs(t.id) {
		if _, is := slices.BinarySearch(occupied, arc); is {
			t.quarantine(arc, r.Table())
			t.dropBeside(arc)
		}
	}
	for _, name := range []string{inMoves, inIncoming, inMarks} {
		for _, arc := range arcsIn(t.table(name)) {
			if ends(arc) {
				clearPrefix(t.table(name), arcKey(arc))
			}
		}
	}
	for _, arc := range r.Incoming(t.id) {
		if ends(arc) {
			t.setIncoming(arc, false)
		}
	}
}

// quarantine moves what is live of an arc into quarantine.
func (t *tx) quarantine(arc counting.Arc, table counting.Epoch) {
	to := counting.Orphan{Arc: arc, Table: table, Quarantined: true}
	movePrefix(t.pages, arcKey(arc), t.table(inQuarantine), orphanKey(to))
}

// reclaim makes what has not left of a claimed arc live again.
func (t *tx) reclaim(arc counting.Arc, table counting.Epoch) {
	stage := t.frozenPages(arc).Stage
	if stage == counting.Live {
		return
	}
	t.quarantine(arc, table) // what came since it was claimed
	if stage == counting.Released {
		t.dropBeside(arc)
		return
	}
	movePrefix(t.table(inFrozen), arcKey(arc), t.pages, arcKey(arc))
}

// frozenPages are how far an arc has come that leaves, and how many pages it had.
func (t *tx) frozenPages(arc counting.Arc) (at counting.FrozenPages) {
	if v := t.table(inMoves).Get(arcKey(arc)); v != nil {
		at.Stage, at.Pages = counting.Stage(v[0]), int(binary.BigEndian.Uint64(v[1:]))
	}
	return at
}

func (t *tx) setFrozenPages(arc counting.Arc, at counting.FrozenPages) {
	t.table(inMoves).Put(arcKey(arc), append([]byte{byte(at.Stage)}, number(int64(at.Pages))...))
}

// incoming returns what was imported of an arc, which is closed where it doesn't
// come.
func (t *tx) incoming(arc counting.Arc) counting.ImportResult {
	if !t.isIncoming(arc) {
		return counting.ImportResult{Closed: true}
	}
	keys := t.table(inIncoming).Get(arcKey(arc))[0] == 1
	return counting.ImportResult{Keys: keys, Pages: len(firstKeys(t.table(inMarks), arcKey(arc), unlimited))}
}

func (t *tx) setIncoming(arc counting.Arc, keys bool) {
	value := []byte{0}
	if keys {
		value = present()
	}
	t.table(inIncoming).Put(arcKey(arc), value)
}

func (t *tx) isIncoming(arc counting.Arc) bool {
	return t.state.Incoming > 0 && t.table(inIncoming).Get(arcKey(arc)) != nil
}

// incomingOf is how many of some arcs are incoming.
func (t *tx) incomingOf(arcs ...counting.Arc) (n int) {
	for _, arc := range arcs {
		if t.isIncoming(arc) {
			n++
		}
	}
	return n
}

// arrived is how many moves that r continues have ended at the node.
func (t *tx) arrived(r *sharding.Ring) (n int) {
	node := r.Index(t.id)
	for _, arc := range r.ContinuedMoves(t.id) {
		if r.Owner(arc) == node && !t.isIncoming(arc) {
			n++
		}
	}
	return n
}

// arcsIn are the arcs by which keys of b begin, in ascending order.
func arcsIn(b bucket) (arcs []counting.Arc) {
	for key := range b.Scan(nil) {
		if arc := arcOf(key); len(arcs) == 0 || arc != arcs[len(arcs)-1] {
			arcs = append(arcs, arc)
		}
	}
	return arcs
}

// occupied are the arcs of which the node has live pages, keys or histories, in ascending
// order.
func (t *tx) occupied() []counting.Arc {
	h := t.historyTables()
	arcs := append(arcsIn(t.pages), h.arcs()...)
	for _, of := range t.keyDays(true) {
		arcs = append(arcs, arcsIn(of)...)
	}
	slices.Sort(arcs)
	return slices.Compact(arcs)
}
