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
// member is lost, it is the source from which the arc was moving to it. It is the owner
// itself if the arc does not move, or if no member that had it is left.
func (r *Ring) From(arc counting.Arc) int {
	if from := r.holder(arc); from >= 0 {
		return from
	}
	return r.Owner(arc)
}

// holder is From, but -1 if no member that had the arc is left.
func (r *Ring) holder(arc counting.Arc) int {
	for i := 1; i < len(r.tables); i++ {
		from := int(r.tables[i].owners[arc])
		if r.members[from].State != Lost {
			return from
		}
		if r.lostAt(from) > r.tables[i-1].Epoch { // it was lost with the pages that it had
			return -1
		}
	}
	return -1
}

// lostAt is the epoch in which a lost member was abandoned.
func (r *Ring) lostAt(member int) counting.Epoch {
	for _, l := range slices.Backward(r.losses) {
		if l.Node == r.members[member].ID {
			return l.Epoch
		}
	}
	return 0
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

// When a node opens a ring with another table, the next four sets of arcs say what it
// does (design: ring, "an arc"):
//
//	Incoming        their moves to the node begin
//	AddedArcs       what it has live of them is quarantined
//	ReclaimedArcs   what it has frozen of them is live again
//	CancelledMoves  their moves to the node end

// Incoming are the arcs that move to a node by the newest table, in ascending order.
func (r *Ring) Incoming(id counting.NodeID) []counting.Arc {
	to := r.Index(id)
	return arcsWhere(func(arc counting.Arc) bool { return r.Owner(arc) == to && r.From(arc) != to })
}

// CancelledMoves are the arcs that moved to a node, by the table before the newest, from
// members that the newest abandons; in ascending order. They can still move until r is
// open.
func (r *Ring) CancelledMoves(id counting.NodeID) []counting.Arc {
	if len(r.tables) < 2 {
		return nil
	}
	before := Ring{members: slices.Clone(r.members), tables: r.tables[1:], losses: r.losses}
	for i, m := range before.members {
		if m.State == Lost && r.lostAt(i) == r.Table() {
			before.members[i].State = Active
		}
	}
	return slices.DeleteFunc(before.Incoming(id), func(arc counting.Arc) bool {
		return r.members[before.From(arc)].State != Lost
	})
}

// AddedArcs are the arcs that a node owns by the newest table and did not own by the
// one before, without ReclaimedArcs; in ascending order. They move to it, or a lost
// member had them.
func (r *Ring) AddedArcs(id counting.NodeID) []counting.Arc {
	node := r.Index(id)
	return arcsWhere(func(arc counting.Arc) bool {
		return r.Owner(arc) == node && r.ownerBefore(arc) != node && r.holder(arc) != node
	})
}

// ReclaimedArcs are the arcs that were moving from a node to a lost member, in ascending
// order. What had not left the node is all that exists of them. The node owns them
// again, or they move to another member.
func (r *Ring) ReclaimedArcs(id counting.NodeID) []counting.Arc {
	node := r.Index(id)
	return arcsWhere(func(arc counting.Arc) bool {
		return node >= 0 && r.ownerBefore(arc) != node && r.holder(arc) == node
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
