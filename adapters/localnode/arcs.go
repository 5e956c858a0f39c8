package localnode

import (
	"encoding/binary"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// startMoves begins the moves of the table of r, which is opened. What lies
// where arcs are to come, or was left by the moves before, is quarantined.
func (t *tx) startMoves(r *sharding.Ring) {
	for _, arc := range r.ReclaimedArcs(t.id) {
		t.reclaim(arc, r.Table())
	}
	for _, arc := range arcsIn(t.table(inFrozen), 0, sharding.Arcs) {
		frozen := counting.Orphan{Arc: arc, Table: t.state.Opened.Table()}
		movePrefix(t.table(inFrozen), arcKey(arc), t.table(inQuarantine), orphanKey(frozen))
	}
	occupied := t.occupied(0, sharding.Arcs)
	for _, arc := range r.AddedArcs(t.id) {
		if _, is := slices.BinarySearch(occupied, arc); is {
			t.quarantine(arc, r.Table())
			t.dropKeys(arc)
		}
	}
	for _, name := range []string{inMoves, inIncoming, inMarks} {
		clearPrefix(t.table(name), nil)
	}
	for _, arc := range r.Incoming(t.id) {
		t.setIncoming(arc, counting.ImportResult{})
	}
}

// quarantine moves what is live of an arc into quarantine.
func (t *tx) quarantine(arc counting.Arc, table counting.Epoch) {
	to := counting.Orphan{Arc: arc, Table: table, Quarantined: true}
	movePrefix(t.table(inPages), arcKey(arc), t.table(inQuarantine), orphanKey(to))
}

// reclaim makes what has not left of a claimed arc live again.
func (t *tx) reclaim(arc counting.Arc, table counting.Epoch) {
	stage, _ := t.stage(arc)
	if stage == counting.Live {
		return
	}
	t.quarantine(arc, table) // what came since it was claimed
	if stage == counting.Released {
		t.dropKeys(arc)
		return
	}
	movePrefix(t.table(inFrozen), arcKey(arc), t.table(inPages), arcKey(arc))
}

// stage is how far an arc has come that leaves, and how many pages it had.
func (t *tx) stage(arc counting.Arc) (counting.Stage, int) {
	v := t.table(inMoves).Get(arcKey(arc))
	if v == nil {
		return counting.Live, 0
	}
	return counting.Stage(v[0]), int(binary.BigEndian.Uint64(v[1:]))
}

func (t *tx) setStage(arc counting.Arc, stage counting.Stage, pages int) {
	t.table(inMoves).Put(arcKey(arc), append([]byte{byte(stage)}, number(int64(pages))...))
}

// incoming returns what was imported of an arc, false where it doesn't come.
func (t *tx) incoming(arc counting.Arc) (in counting.ImportResult, coming bool) {
	v := t.table(inIncoming).Get(arcKey(arc))
	if v == nil {
		return in, false
	}
	return counting.ImportResult{Keys: v[0] == 1, Pages: int(binary.BigEndian.Uint64(v[1:]))}, true
}

func (t *tx) setIncoming(arc counting.Arc, in counting.ImportResult) {
	keys := byte(0)
	if in.Keys {
		keys = 1
	}
	t.table(inIncoming).Put(arcKey(arc), append([]byte{keys}, number(int64(in.Pages))...))
}

func (t *tx) isIncoming(arc counting.Arc) bool {
	return t.state.Incoming > 0 && t.table(inIncoming).Get(arcKey(arc)) != nil
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

func nextArc(b bucket, from int) int {
	for key := range b.Scan(arcKey(counting.Arc(from))) {
		return int(arcOf(key))
	}
	return sharding.Arcs
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
