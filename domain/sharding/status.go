package sharding

import (
	"fmt"
	"time"

	"footfall/domain/counting"
)

// Plan is what a change moves.
type Plan struct {
	Epoch counting.Epoch `json:"epoch"`
	// Arcs is the number of arcs that move.
	Arcs int `json:"arcs"`
	// Nodes is the number of arcs that each node gets; negative if it gives arcs.
	Nodes map[counting.NodeID]int `json:"nodes"`
	// Loss is what is lost with members that are abandoned; nil without any.
	Loss *PlannedLoss `json:"loss,omitempty"`
	// Members describes the members of the ring after the change (Ring.Describe).
	Members []string `json:"-"`
}

// PlannedLoss is what is lost by a change that abandons members.
type PlannedLoss struct {
	Nodes []AbandonedNode `json:"nodes"`
	// WindowsUntil is the end of the last window that is lost. Earlier ones are lost
	// unless they are published.
	WindowsUntil time.Time `json:"windows_until"`
}

// AbandonedNode is a member that is abandoned.
type AbandonedNode struct {
	ID counting.NodeID `json:"id"`
	// Share is the part of all pages, 0 to 1, that begins at 0 on other nodes, except
	// for pages that had not left for the node.
	Share float64 `json:"share"`
	// Away is why it can't be reached.
	Away string `json:"away"`
}

// Describe describes each member for a line of a log: its id, its weight unless that is 1,
// and its state unless it is active.
func (r *Ring) Describe() []string {
	var all []string
	for _, m := range r.members {
		text := string(m.ID)
		if m.Weight != 1 {
			text += fmt.Sprintf(" (weight %d)", m.Weight)
		}
		if m.State != Active {
			text += " (" + string(m.State) + ")"
		}
		all = append(all, text)
	}
	return all
}

// Plan returns what the change to this ring moves.
func (r *Ring) Plan() Plan {
	p := Plan{Epoch: r.epoch, Nodes: make(map[counting.NodeID]int), Members: r.Describe()}
	if r.Table() < r.epoch { // the change moves nothing
		return p
	}
	for _, m := range r.Moves() {
		p.Arcs++
		p.Nodes[r.members[m.From].ID]--
		p.Nodes[r.members[m.To].ID]++
	}
	return p
}

// Status is the ring with the progress of its moves. Its JSON is that of
// GET /ring: lists that are always there, such as Nodes, are never nil.
type Status struct {
	Epoch counting.Epoch `json:"epoch"`
	// Fence is above Epoch while a change is being made.
	Fence  counting.Epoch `json:"fence"`
	Nodes  []MemberStatus `json:"nodes"`
	Moves  Progress       `json:"moves"`
	Losses []Loss         `json:"losses"`
	// Sweep is the result of the last repair by this instance; nil before the
	// first one.
	Sweep *Sweep `json:"sweep,omitempty"`
}

// Sweep is what a repair found where no move needs it.
type Sweep struct {
	// At is in UTC, in whole seconds.
	At time.Time `json:"at"`
	// Forgotten is the number of copies and marks that were deleted.
	Forgotten int `json:"forgotten"`
	// Orphans may be counted nowhere else, so the repair kept them. They are
	// at most MaxOrphans; More is the number of those beyond.
	Orphans []Orphan `json:"strays"`
	More    int      `json:"more_strays,omitempty"`
	// Unswept has each node that was not swept, with the reason.
	Unswept map[counting.NodeID]string `json:"unswept,omitempty"`
}

// MaxOrphans is how many orphans a Sweep names.
const MaxOrphans = 100

// Orphan is what a node has of an arc that no longer concerns it.
type Orphan struct {
	Node counting.NodeID `json:"node"`
	counting.Orphan
}

// MemberStatus is a member of the ring with its present state.
type MemberStatus struct {
	Member
	// Host is the server that had it last, if it is Hosted; empty if none is known.
	Host counting.NodeID `json:"host,omitempty"`
	// Share is the part of the pages that it owns, 0 to 1.
	Share float64 `json:"share"`
	// Incoming is the number of arcs that are on their way to it.
	Incoming int `json:"coming"`
	// ClockSkew is how many seconds its clock was ahead of the instance's at the last
	// heartbeat, negative if it was behind.
	ClockSkew float64 `json:"clock_skew_seconds"`
	// Away is why the node can't be reached; empty if it can.
	Away string `json:"away,omitempty"`
	// Refused is why it refuses every call, one of counting.Refusals; empty if it does
	// not.
	Refused string `json:"-"`
	// Keys are as in RingSummary; zero when the node could not be reached.
	Keys Keys `json:"-"`
	// DeadLetters and DroppedDeadLetters are as in RingSummary.
	DeadLetters        int   `json:"-"`
	DroppedDeadLetters int64 `json:"-"`
	// Pages and DiskFree are as in RingSummary, and Full are the bounds that it has reached, of
	// counting.Bounds.
	Pages    int      `json:"-"`
	DiskFree int64    `json:"-"`
	Full     []string `json:"-"`
}

// PageOwner is the node that has a page. Its JSON is that of GET /ring/owner.
type PageOwner struct {
	Page counting.Page   `json:"page_id"`
	Node counting.NodeID `json:"node"`
	// Host is as in MemberStatus.
	Host counting.NodeID `json:"host,omitempty"`
	Arc  counting.Arc    `json:"arc"`
}

// Progress is the progress of the moves of the last change.
type Progress struct {
	// Left of Total arcs are still on their way. Arcs to a node that is away
	// count as left.
	Left  int `json:"left"`
	Total int `json:"total"`
	// Arcs and Pages were moved by this instance since its start, for all
	// changes.
	Arcs  int64 `json:"moved_by_this_instance"`
	Pages int64 `json:"pages_moved_by_this_instance"`
	// Excess is the number of those pages whose sum passed 2^63-1, since its start.
	Excess int64 `json:"pages_with_excess,omitempty"`
	// Rate is in arcs per second, over all instances, and Estimate is the
	// time in seconds for those that are left; 0 where they are unknown.
	Rate     float64 `json:"arcs_per_second"`
	Estimate float64 `json:"estimate_s"`
	// Stuck are the arcs that this instance repeatedly failed to move.
	Stuck []StuckArc `json:"stuck,omitempty"`
}

// StuckArc is an arc that can't be moved.
type StuckArc struct {
	Arc  counting.Arc    `json:"arc"`
	From counting.NodeID `json:"from"`
	To   counting.NodeID `json:"to"`
	// At is the node where the move failed.
	At counting.NodeID `json:"at"`
	// Reason is one word. refused: the pages can't be added. unfinished: an
	// earlier step of the move is missing. corrupt: the stored bytes are not
	// Footfall's. failed: the node answered with an error, or not at all.
	Reason string `json:"reason"`
	// Why is the error.
	Why string `json:"why"`
}
