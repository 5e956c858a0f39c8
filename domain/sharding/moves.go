package sharding

import (
	"slices"

	"footfall/domain/counting"
)

// Move is an arc that a change gives to another member.
type Move struct {
	Arc      counting.Arc
	From, To int
}

// From is the index of the member that had the arc before the newest table; if
// that is lost, of the one from which the arc was on its way to it, which has
// what had not left it yet. It is the owner itself where the arc did not move, or
// nobody is left who had it.
func (r *Ring) From(arc counting.Arc) int {
	if from := r.holder(arc); from >= 0 {
		return from
	}
	return r.Owner(arc)
}

// holder is From, but -1 where nobody is left who had the arc.
func (r *Ring) holder(arc counting.Arc) int {
	for i := 1; i < len(r.tables); i++ {
		from := int(r.tables[i].owners[arc])
		if r.members[from].State != Lost {
			return from
		}
		if r.lostAt(from) > r.tables[i-1].epoch { // it was lost with what it had not sent yet
			return -1
		}
	}
	return -1
}

// lostAt is the epoch in which a lost member was given up.
func (r *Ring) lostAt(member int) counting.Epoch {
	for _, l := range slices.Backward(r.losses) {
		if l.Node == r.members[member].ID {
			return l.Epoch
		}
	}
	return 0
}

// Moves are the arcs that the newest table gave to another member than the one
// that has them (From), in ascending order.
func (r *Ring) Moves() []Move {
	var moves []Move
	for arc := range counting.Arc(Arcs) {
		if from, to := r.From(arc), r.Owner(arc); from != to {
			moves = append(moves, Move{Arc: arc, From: from, To: to})
		}
	}
	return moves
}

// Coming are the arcs that the newest table brings to a node, in ascending
// order.
func (r *Ring) Incoming(id counting.NodeID) []counting.Arc {
	to := r.Index(id)
	var arcs []counting.Arc
	for arc := range counting.Arc(Arcs) {
		if r.Owner(arc) == to && r.From(arc) != to {
			arcs = append(arcs, arc)
		}
	}
	return arcs
}

// Ends are the arcs that the table before the newest brought to a node from members
// that are given up by the newest, in ascending order: nothing of them will come, and
// nothing is lost of them before r is open.
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

// AddedArcs are the arcs that the newest table gives to a node and the one before
// did not, but those of ReclaimedArcs: what comes to it, and what a lost member had; in
// ascending order.
func (r *Ring) AddedArcs(id counting.NodeID) []counting.Arc {
	return r.changed(id, func(arc counting.Arc, node int) bool { return r.Owner(arc) == node && r.holder(arc) != node })
}

// ReclaimedArcs are the arcs that were on their way from a node to a member that is
// lost, in ascending order: what had not left the node is what there is of them,
// and it keeps them or they go to another.
func (r *Ring) ReclaimedArcs(id counting.NodeID) []counting.Arc {
	return r.changed(id, func(arc counting.Arc, node int) bool { return r.holder(arc) == node })
}

// changed are some of the arcs that a member did not own by the table before the
// newest.
func (r *Ring) changed(id counting.NodeID, which func(arc counting.Arc, node int) bool) []counting.Arc {
	node := r.Index(id)
	if len(r.tables) < 2 || node < 0 {
		return nil
	}
	var arcs []counting.Arc
	for arc, before := range r.tables[1].owners {
		if int(before) != node && which(counting.Arc(arc), node) {
			arcs = append(arcs, counting.Arc(arc))
		}
	}
	return arcs
}
