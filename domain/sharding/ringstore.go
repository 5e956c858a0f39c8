package sharding

import (
	"context"
	"errors"

	"footfall/domain/counting"
)

var (
	// ErrConflict says that another change reached the node first.
	ErrConflict = errors.New("another change of the ring was first")
	// ErrMoving says that arcs of the last change are still moving to the node.
	ErrMoving = errors.New("arcs are still coming in")
)

// Errors of a change of the ring.
var (
	// ErrBusy: another change is under way, or arcs are still moving.
	ErrBusy = errors.New("the ring is changing")
	// ErrNotEmpty: a node that has been in use can't be added.
	ErrNotEmpty = errors.New("the node is not empty")
	// ErrAnswers: a node that answers is not abandoned.
	ErrAnswers = errors.New("the node answers, so nothing of it is lost")
	// ErrWrongServer: the server at the new address of a node is not that node, or has
	// an older copy of its data.
	ErrWrongServer = errors.New("the server at the new address can't be that node")
	// ErrTwoServers: the server at the old address of a node answers as that node, too.
	ErrTwoServers = errors.New("two servers answer as one node")
	// ErrMinority: without the nodes to be abandoned, the others have no majority
	// of the votes.
	ErrMinority = errors.New("the nodes that are left have no majority of the votes")
)

// RingState is what a node stores of the ring.
type RingState struct {
	// Opened is the ring of the epoch that the node has opened, nil if there is
	// none. Writes of later epochs are ErrAhead.
	Opened *Ring
	// Fenced is the ring of the epoch below which the node serves nothing. It is
	// never nil, and has Opened's epoch when no change is under way.
	Fenced *Ring
	// Accepted is the newest ring after Opened that the node has accepted
	// (RingStore.Accept), nil if there is none.
	Accepted *Ring
	// Incoming is the number of arcs that Opened's newest table moves to the node
	// and that are not closed (counting.Movable).
	Incoming int
}

// RingSummary is a RingState without its rings. Opened is 0 if there is none.
type RingSummary struct {
	Fence, Opened counting.Epoch
	Incoming      int
	Keys
	// Pages is the number of pages that counts for counting.Batch.PageLimit.
	Pages int
	// DeadLetters is how many letters the node keeps (counting.DeadLetters), -1 if that is
	// not known, and DroppedDeadLetters how many it has deleted because of the bound.
	DeadLetters        int
	DroppedDeadLetters int64
	// DiskFree is the number of bytes that are free on the disk of a node that has one in
	// this process, 1 at least; 0 for other nodes.
	DiskFree int64
}

// Keys are the idempotency keys of a node.
type Keys struct {
	// Requests and Records are the numbers that count for counting.Batch.KeyLimit and
	// RecordLimit; -1 if the stored values are corrupt.
	Requests, Records int
	// Oldest is the oldest day that has some of the Records; 0 if there are none.
	Oldest counting.Day
}

// RingStore is the part of a node that stores the ring (design: ring). Fence, Accept
// and Open are prepare, accept and learn of single-decree Paxos; the ballot is the
// epoch.
//
// All methods may be repeated, are safe for concurrent use, and end when their context
// does. After an error that wraps none of those below, it is unknown whether the call
// took effect. When Fence, Accept or Open returns nil, its effect is as durable as the
// store is configured to be, and it survives failover.
type RingStore interface {
	// ID and Addr are the node's id and address as a member of the ring.
	ID() counting.NodeID
	Addr() string

	// Bind makes every later call of the node, of all of its ports, mean one
	// deployment: a store of another deployment refuses it with
	// counting.ErrOtherDeployment. Before Bind, calls mean any deployment. A store of a
	// newer format refuses every call with counting.ErrNewerFormat.
	Bind(deployment string)

	// RingState returns what the node stores. Errors: counting.ErrUninitialized,
	// it stores no ring; counting.ErrWrongNode, the store is another node's;
	// counting.ErrOtherDeployment. RingSummary returns the same without rings, and is cheap.
	RingState(ctx context.Context) (RingState, error)
	RingSummary(ctx context.Context) (RingSummary, error)

	// Fence makes the node refuse reads and writes of epochs below r's, and stores
	// r. It returns the node's current window, or the latest waiting one if that is
	// later; an empty node returns the window of its clock. Errors change nothing.
	// Unless the node is fenced for r already, they are, in this order:
	//   - counting.ErrOtherDeployment: r is of another deployment than the store or Bind;
	//   - counting.ErrStale: it is fenced at a later epoch;
	//   - ErrConflict: it is fenced at r's epoch by another change, or has opened,
	//     by another change, a later ring than r's parent;
	//   - counting.ErrUninitialized: it has opened no ring, and r does not admit
	//     it (Ring.Admits, or Ring.IsJoining if it was admitted before);
	//   - counting.ErrAhead: r can't follow its open table (Ring.CanFollow);
	//   - ErrMoving: r has another table, and arcs are still incoming, not counting
	//     r.CancelledMoves and r.ContinuedMoves.
	Fence(ctx context.Context, r *Ring) (counting.Window, error)

	// Accept stores r as RingState.Accepted, until the node opens r or a later
	// ring, whatever it is fenced for later. It changes nothing if r is open.
	// Errors: counting.ErrStale and ErrConflict as for Fence, also if the node is
	// not fenced for r.
	Accept(ctx context.Context, r *Ring) error

	// Open admits r's epoch. If r has another table than the open ring, Open does
	// the following in the same step:
	//   - Moves of the old table end with what has arrived. But those of the arcs of
	//     r.ContinuedMoves go on as they are, under the new table.
	//   - Moves of the other arcs of r.Incoming begin.
	//   - Of the arcs of r.AddedArcs, the node quarantines what it has live, and
	//     deletes their keys: it can have nothing of them, unless it was rolled
	//     back past a move, or an operator put it there. Quarantined pages are in
	//     no count and no move until an operator deletes them (counting.Orphan).
	//   - Of the arcs of r.ReclaimedArcs, frozen pages (counting.Movable) are live
	//     again, with their keys, beside what is live. Pages that arrived since
	//     are quarantined.
	//   - The windows before r.LostUntil, after the newest one that is sealed and not
	//     waiting, become waiting ones, so that they are closed as lost: 100 at most.
	//     If there is none, this begins with the oldest waiting window.
	//
	// Errors: counting.ErrStale and ErrConflict as for Fence, also if the node is
	// not fenced for r.
	Open(ctx context.Context, r *Ring) error
}
