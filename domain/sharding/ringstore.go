package sharding

import (
	"context"
	"errors"

	"footfall/domain/counting"
)

var (
	// ErrConflict says that another change reached the node first.
	ErrConflict = errors.New("another change of the ring was first")
	// ErrMoving says that arcs of the last change are still on their way to
	// the node.
	ErrMoving = errors.New("arcs are still coming in")
)

// Errors of whoever changes the ring.
var (
	// ErrBusy: another change is under way, or arcs of the last one are.
	ErrBusy = errors.New("the ring is changing")
	// ErrNotEmpty: a node that has been in use can't be added.
	ErrNotEmpty = errors.New("the node is not empty")
	// ErrAnswers: a node that answers isn't given up.
	ErrAnswers = errors.New("the node answers, so nothing of it is lost")
	// ErrMinority: so many nodes aren't given up that the others have no
	// majority of the votes; those might go on without them.
	ErrMinority = errors.New("the nodes that are left have no majority of the votes")
)

// RingState is what a node knows of the ring.
type RingState struct {
	// Opened is the ring of the epoch that the node has opened, nil when
	// there is none yet. Writes of later epochs are ErrAhead.
	Opened *Ring
	// Fenced is the ring of the epoch below which the node takes no writes
	// any more; never nil, and of Opened's epoch when no change is under way.
	Fenced *Ring
	// Approved is the newest ring that the node has approved (RingStore.Accept)
	// after the one that it has opened; nil when there is none.
	Accepted *Ring
	// Coming is the number of arcs that Opened's newest table brings to the
	// node and that are not closed (counting.Movable).
	Incoming int
}

// RingSummary is a RingState in short. Opened is 0 when there is none.
type RingSummary struct {
	Fence, Opened counting.Epoch
	Incoming      int
	// Keys is how many idempotency keys the node has of those that count for
	// its limit (counting.Batch.KeyLimit); -1 where what it has isn't theirs.
	Keys int
}

// RingStore is the part of a node that keeps the ring (design: ring).
// Its methods are safe for concurrent use, may be repeated, and end when
// their context does. An error that wraps none of those below leaves it
// unknown whether the call took effect. What Fence, Accept and Open have
// answered to survives what the node's store is set to survive: a node that is taken back
// to an older state is not taken back behind it.
type RingStore interface {
	// ID is the id under which the node is a member, Addr its address there.
	ID() counting.NodeID
	Addr() string

	// RingState returns what the node knows; counting.ErrUninitialized when
	// it knows nothing, counting.ErrWrongNode when it is another's. RingSummary is
	// the same in short, and cheap.
	RingState(ctx context.Context) (RingState, error)
	RingSummary(ctx context.Context) (RingSummary, error)

	// Fence makes the node refuse writes and reads of epochs below r's, and
	// keeps r. It returns the node's current window (counting.CurrentWindow); for
	// a node that was empty that is the window of its clock. Errors, which
	// change nothing, in this order where the node is not fenced for r yet:
	//
	// counting.ErrStale: it is fenced at a later epoch; ErrConflict: it is
	// fenced at r's by another change, or has opened, by another change, a
	// later ring than the one that r follows; counting.ErrUninitialized: it
	// has opened no ring, and r doesn't let it in (Ring.Admits, or
	// Ring.IsJoining where it was let in before); counting.ErrAhead: r doesn't
	// succeed the table that it has opened (Ring.CanFollow); ErrMoving: arcs
	// but those of r.Ends are still coming, and r has another table.
	Fence(ctx context.Context, r *Ring) (counting.Window, error)

	// Accept makes the node say from then on that r may be opened
	// (RingState.Approved), whatever it is fenced for later, until it opens r
	// or a later ring. It changes nothing when r is open there.
	// counting.ErrStale and ErrConflict as for Fence, also when the node was
	// not fenced for r.
	Accept(ctx context.Context, r *Ring) error

	// Open lets writes of r's epoch in. Where its table isn't the one that
	// was open, what was coming has ended with what the node has of it, the
	// arcs of r.Coming begin to come, and what the node has live
	// of those of r.AddedArcs is set aside in the same step: it had none of them,
	// so it was set back behind a move, or people put it there. Pages that are
	// set aside are in no count and no move, and stay until people delete them
	// (counting.Orphan); their idempotency keys are forgotten. Of the arcs of
	// r.ReclaimedArcs, what was claimed and not retired (counting.Movable) is live again
	// in that step, with its keys, beside what was not claimed; what came there
	// since is set aside. counting.ErrStale and ErrConflict as for Fence, also when
	// the node was not fenced for r.
	Open(ctx context.Context, r *Ring) error
}
