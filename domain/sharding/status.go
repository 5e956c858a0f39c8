package sharding

import (
	"time"

	"footfall/domain/counting"
)

// Plan is what a change moves.
type Plan struct {
	Epoch counting.Epoch
	// Arcs that move.
	Arcs int
	// Nodes says how many arcs each node gets; negative, how many it gives.
	Nodes map[counting.NodeID]int
}

// Plan is what the change to this ring moves.
func (r *Ring) Plan() Plan {
	p := Plan{Epoch: r.epoch, Nodes: make(map[counting.NodeID]int)}
	for _, m := range r.Moves() {
		p.Arcs++
		p.Nodes[r.members[m.From].ID]--
		p.Nodes[r.members[m.To].ID]++
	}
	return p
}

// Status is the ring with how far its moves have come.
type Status struct {
	Epoch counting.Epoch
	// Fence is above Epoch while a change is being made.
	Fence  counting.Epoch
	Nodes  []MemberStatus
	Losses []Loss
	Moves  Progress
	// Sweep is what the last repair by this instance found; nil before.
	Sweep *Sweep
}

// Sweep is what a repair found where no move needs it.
type Sweep struct {
	At time.Time
	// Forgotten is the number of things that were copies, or marks.
	Forgotten int
	// Strays may be counted nowhere else and were left alone: MaxOrphans of
	// them at most, and More beyond.
	Orphans []Orphan
	More    int
	// Unswept says of each node that was not looked through why that is so.
	Unswept map[counting.NodeID]string
}

// MaxOrphans is how many strays a Sweep names.
const MaxOrphans = 100

// Orphan is what a node has of an arc that no longer concerns it.
type Orphan struct {
	Node counting.NodeID
	counting.Orphan
}

// MemberStatus is a member of the ring as it is now.
type MemberStatus struct {
	Member
	// Share is the part of the pages that it owns, 0 to 1.
	Share float64
	// Coming are the arcs that are on their way to it. Away says why it
	// can't be asked; empty when it could be.
	Incoming int
	Away     string
	// Keys is as in RingSummary; 0 when the node could not be asked.
	Keys int
}

// Progress of the moves of the last change.
type Progress struct {
	// Left of Total arcs are still on their way; those to a node that is
	// away are taken for that.
	Left, Total int
	// Arcs and Pages were moved by this instance since its start, for all
	// changes.
	Arcs, Pages int64
	// Rate is in arcs a second, over all instances, and Estimate the time
	// for those that are left; 0 where they aren't known.
	Rate     float64
	Estimate time.Duration
	// Stuck are the arcs that this instance tried to move again and again.
	Stuck []StuckArc
}

// StuckArc is an arc that can't be moved.
type StuckArc struct {
	Arc  counting.Arc    `json:"arc"`
	From counting.NodeID `json:"from"`
	To   counting.NodeID `json:"to"`
	// At is the node where it failed.
	At counting.NodeID `json:"at"`
	// Reason is a word: refused, pages can't be added; unfinished, the steps
	// before it are gone; corrupt, what is stored is none of ours; failed, the
	// node has an error or no answer. Why says more.
	Reason string `json:"reason"`
	Why    string `json:"why"`
}
