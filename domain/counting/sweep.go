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

// Orphan is data of an arc on a node that is in no count, and that no move
// will take away.
type Orphan struct {
	Arc Arc `json:"arc"`
	// Table is that of the move which left these frozen pages; 0: they are live.
	Table Epoch `json:"table,omitempty"`
	// Quarantined: the node put the data aside when that table gave it the arc
	// (sharding.RingStore.Open).
	Quarantined bool `json:"aside,omitempty"`
	// Pages is the number of pages; -1 if the data is not pages.
	Pages int `json:"pages"`
}
