package counting

// Keep says what a sweep of a node leaves alone. What a move was given up in
// the middle of, and what a store brought back that was set back, lies where
// nobody asks for it: most of it is a copy, but a sweep takes only that for
// one of which these fields prove it.
type SweepPolicy struct {
	// Arcs that the node owns by the open table, or that are leaving it by
	// moves that may be under way, in ascending order. Keys of all others are
	// forgotten, as nobody looks for them there.
	Arcs []Arc
	// Ended: all moves of the tables up to this one have ended at all nodes,
	// so that what they left behind has come to its destination.
	Ended Epoch
	// Since: the destination of a move of an earlier table may have been given
	// up, so that its residue may be all that is left of the arc.
	Since Epoch
}

// SweepResult is what a sweep has done.
type SweepResult struct {
	// Forgotten is the number of residues, sets of marks, and sets of keys
	// that are no more.
	Forgotten int
	// Strays were left alone: what may be counted nowhere else.
	Orphans []Orphan
}

// Orphan is what a node has of an arc that is in no count, and that no move is
// to take away.
type Orphan struct {
	Arc Arc
	// Table of the move of which this is the residue; 0: it is live.
	Table Epoch
	// Aside: it is no residue, but was set aside when that table gave the arc
	// to the node (sharding.RingStore.Open).
	Quarantined bool
	// Pages that it has; -1 where it isn't pages.
	Pages int
}
