package counting

// SweepPolicy says what a sweep of a node must not delete. Cancelled moves, and stores
// that were rolled back, leave data that no reader looks for. Most of it is a copy. A
// sweep deletes only what these fields prove to be one.
type SweepPolicy struct {
	// Arcs are those that the node owns by the open table, or that may still be
	// moving from it, in ascending order. The sweep deletes the keys of all
	// others: they are not looked up there.
	Arcs []Arc
	// Ended: all moves of the tables up to this one have ended on all nodes. The
	// frozen pages that they left are copies.
	Ended Epoch
	// Since: the destination of a move of an earlier table may have been
	// abandoned. The frozen pages of such a move may be all that is left.
	Since Epoch
}

// SweepResult is what a sweep has done.
type SweepResult struct {
	// Forgotten is the number of deleted things: the frozen pages, the marks, and
	// the keys of an arc count as one each.
	Forgotten int
	// Orphans were not deleted: they may be counted nowhere else.
	Orphans []Orphan
}

// Orphan is data of an arc on a node that is in no count, and that no move
// will take away.
type Orphan struct {
	Arc Arc `json:"arc"`
	// Table is that of the move which left these frozen pages; 0: they are live.
	Table Epoch `json:"table,omitempty"`
	// Quarantined: the node quarantined the data when that table gave it the arc
	// (sharding.RingStore.Open).
	Quarantined bool `json:"aside,omitempty"`
	// Excess: the sums of the pages passed 2^63-1 when the move of that table added them
	// (Movable.Import). These are the rests.
	Excess bool `json:"excess,omitempty"`
	// Pages is the number of pages; -1 if the data is not pages.
	Pages int `json:"pages"`
}
