package sharding

import (
	"slices"

	"footfall/domain/counting"
)

// Move is an arc that a change moves from one member to another, by their indexes.
type Move struct {
	Arc      counting.Arc
	From, To int
}

// From is the index of the member that had the arc before the newest table. If that
// member is lost, or if its move goes on (Table.Continues), it is the source from which
// the arc was moving to it. It is the owner itself if the arc does not move, or if no
// member that had it is left.
func (r *Ring) From(arc counting.Arc) int {
	if from := r.holder(arc, 0); from >= 0 {
		return from
	}
	return r.Owner(arc)
}

// holder is From for a table, but -1 if no member that had the arc is left.
func (r *Ring) holder(arc counting.Arc, table int) int {
	if table+1 >= len(r.tables) {
		return -1
	}
	before := int(r.tables[table+1].owners[arc])
	goesOn := r.tables[table].Continues && int(r.tables[table].owners[arc]) == before
	if !goesOn && !r.isLost(before, table) {
		return before
	}
	switch source := r.holder(arc, table+1); {
	case source >= 0 && source != before && !r.isLost(source, table):
		return source
	case goesOn: // what has arrived
		return before
	}
	return -1 // it was lost with the pages that it had
}

// isLost tells whether a member was abandoned when a table was made, or earlier. A node of
// its id may have been abandoned before it joined.
func (r *Ring) isLost(member, table int) bool {
	m := r.members[member]
	if m.State != Lost {
		return false
	}
	for _, l := range slices.Backward(r.losses) {
		if l.Node == m.ID {
			return l.Epoch <= r.tables[table].Epoch
		}
	}
	return false
}

// Moves are the arcs whose owner is not the member that has them (From), in ascending
// order.
func (r *Ring) Moves() []Move {
	var moves []Move
	for arc := range counting.Arc(Arcs) {
		if from, to := r.From(arc), r.Owner(arc); from != to {
			moves = append(moves, Move{Arc: arc, From: from, To: to})
		}
	}
	return moves
}

// When a node opens a ring with another table, the next five sets of arcs say what it
// does (design: ring, "an arc"):
//
//	Incoming        their moves to the node begin
//	AddedArcs       what it has live of them is quarantined
//	ReclaimedArcs   what it has frozen of them is live again
//	CancelledMoves  their moves to the node end
//	ContinuedMoves  their moves go on as they are

// Incoming are the arcs that move to a node by the newest table, in ascending order.
func (r *Ring) Incoming(id counting.NodeID) []counting.Arc {
	to := r.Index(id)
	return arcsWhere(func(arc counting.Arc) bool { return r.Owner(arc) == to && r.From(arc) != to })
}

// CancelledMoves are the arcs that moved to a node, by the table before the newest, from
// members that the newest abandons; in ascending order. They can still move until r is
// open.
func (r *Ring) CancelledMoves(id counting.NodeID) []counting.Arc {
	node := r.Index(id)
	return arcsWhere(func(arc counting.Arc) bool {
		source := r.holder(arc, 1)
		return source >= 0 && source != node && r.ownerBefore(arc) == node && r.isLost(source, 0)
	})
}

// ContinuedMoves are the arcs that were moving to or from a node by the table before the
// newest, and still do, or have arrived; in ascending order. They are among Incoming,
// unless they move from the node.
func (r *Ring) ContinuedMoves(id counting.NodeID) []counting.Arc {
	node := r.Index(id)
	return arcsWhere(func(arc counting.Arc) bool {
		from, to := r.From(arc), r.Owner(arc)
		return from != to && r.ownerBefore(arc) == to && (from == node || to == node)
	})
}

// AddedArcs are the arcs that a node owns by the newest table and did not own by the
// one before, without ReclaimedArcs; in ascending order. They move to it, or a lost
// member had them.
func (r *Ring) AddedArcs(id counting.NodeID) []counting.Arc {
	node := r.Index(id)
	return arcsWhere(func(arc counting.Arc) bool {
		return r.Owner(arc) == node && r.ownerBefore(arc) != node && r.holder(arc, 0) != node
	})
}

// ReclaimedArcs are the arcs that were moving from a node to a lost member, in ascending
// order. What had not left the node is all that exists of them. The node owns them
// again, or they move to another member.
func (r *Ring) ReclaimedArcs(id counting.NodeID) []counting.Arc {
	node := r.Index(id)
	return arcsWhere(func(arc counting.Arc) bool {
		before := r.ownerBefore(arc)
		return node >= 0 && r.isLost(before, 0) && before != node && r.holder(arc, 0) == node
	})
}

// ownerBefore is the index of the member that owned an arc by the table before the
// newest, if there is one.
func (r *Ring) ownerBefore(arc counting.Arc) int {
	return int(r.tables[min(1, len(r.tables)-1)].owners[arc])
}

// arcsWhere are some of all arcs, in ascending order.
func arcsWhere(holds func(counting.Arc) bool) (arcs []counting.Arc) {
	for arc := range counting.Arc(Arcs) {
		if holds(arc) {
			arcs = append(arcs, arc)
		}
	}
	return arcs
}
