package counting

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Errors of the ports of this package. What wraps one of the first six had
// no effect on the node; any error that wraps none of them leaves it unknown
// whether the call took effect, now or later.
var (
	// ErrNotApplied: the call surely had no effect and never will have one:
	// the node wasn't reached, or refused it whole.
	ErrNotApplied = errors.New("not applied")
	// ErrUninitialized: the node belongs to no ring. One that was in use
	// and says so came back empty: its counts are lost, not zero.
	ErrUninitialized = errors.New("node is not initialised")
	// ErrWrongNode: the store is that of another node.
	ErrWrongNode = errors.New("node is another one")
	// ErrStale: the call's epoch is below the node's fence. It had no
	// effect, and a repetition never will.
	ErrStale = errors.New("epoch is over")
	// ErrAhead: the node has not opened the call's epoch yet.
	ErrAhead = errors.New("epoch is not open yet")
	// ErrClosed: the Node was closed before the call.
	ErrClosed = fmt.Errorf("%w: node is closed", ErrNotApplied)
)

// What a caller of Footfall is told about a request that has no receipt.
var (
	// ErrUnavailable: nothing was counted, and never will be; or, of a read,
	// the number can't be had now.
	ErrUnavailable = errors.New("unavailable")
	// ErrInDoubt: the request was sent to its node and may be counted.
	ErrInDoubt = errors.New("in doubt")
)

// GapError answers a batch that is not the next one of its session: the node
// lost some that it had applied. It had no effect.
type GapError struct {
	// Last is the sequence number of the last batch of the session that the
	// node remembers; 0 is none.
	Last int64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("gap in the session: the node remembers batch %d as the last", e.Last)
}

type (
	// NodeID names a node of the ring, for ever: redis_7070, embedded.
	NodeID string
	// Epoch numbers the states of the ring, from 1.
	Epoch int64
	// Arc is one of the equal parts of the hash circle; a page's arc says
	// which node has it.
	Arc uint16
	// Session is one start of one instance of Footfall, at one node: a
	// random text that no other start has.
	Session string
)

// Visit is a number of visits of one page; Count is at least 1.
type Visit struct {
	Arc   Arc
	Page  Page
	Count int64
}

// Arrival is an id to add to the current window, with the endpoint that is
// to be told the window's count: both are kept, or neither.
type IDEvent struct {
	ID ID
	// Endpoint is empty or an absolute URL; a node doesn't interpret it.
	Endpoint string
	// Table is the epoch of the ring by which the id was routed here.
	Table Epoch
}

// Batch is a sequence of items that a node applies at once, and once
// (design: batches). A pair of Seq and Epoch is bound to one content
// for ever: a batch is repeated unchanged or not at all. Neither the sender
// nor the node changes the slices of a batch that has been handed to Apply.
type Batch struct {
	Epoch   Epoch
	Session Session
	// Seq is 1 for a session's first batch at this node, and then one more
	// for each.
	Seq      int64
	Visits   []Visit
	IDEvents []IDEvent
	// EndpointLimit is how many distinct endpoints the node may keep for
	// the window that the arrivals fall into.
	EndpointLimit int
	Keyed         []KeyedVisit
	// KeyLimit is how many keys the node may keep for batches.
	KeyLimit  int
	SetCounts []SetCount
}

// Setting gives a page a count, whatever it had before.
type SetCount struct {
	Arc  Arc
	Page Page
	// Count is at least 0; Delete: the page is forgotten instead, and reads
	// as one that was never visited.
	Count  int64
	Delete bool
}

// Len is the number of the batch's items.
func (b *Batch) Len() int {
	return len(b.Visits) + len(b.IDEvents) + len(b.Keyed) + len(b.SetCounts)
}

// Reason says why one item of a batch was refused; it is the error that the
// item's caller gets.
type Reason uint8

// The reasons.
const (
	// Overflow: the page's count would pass 2^63-1.
	Overflow Reason = iota + 1
	// Corrupt: what the node keeps under the item's key is no count or set.
	Corrupt
	// EndpointLimit: the window has as many endpoints as the batch allows.
	EndpointLimit
	// WrongTable: the id was routed by a table that isn't the one of the
	// window that the node picked.
	WrongTable
	// KeyReused: the node has the key, with another payload.
	KeyReused
	// KeyLimit: the node keeps as many keys as the batch allows.
	KeyLimit
	// Moving: the page's arc is on its way to the node, so that its count is
	// not all there yet.
	Moving
)

func (r Reason) Error() string {
	switch r {
	case Overflow:
		return "the count would pass 2^63-1"
	case Corrupt:
		return "what is stored is no count"
	case EndpointLimit:
		return "the window has too many endpoints"
	case WrongTable:
		return "the id was routed by the table of another window"
	case KeyReused:
		return "the idempotency key came with another payload"
	case KeyLimit:
		return "the node keeps too many idempotency keys"
	case Moving:
		return "the page is on its way from another node"
	}
	return "refused for the reason " + strconv.Itoa(int(r))
}

// Refusal is an item of a batch that was not applied, though the others were.
type Refusal struct {
	// Item indexes the batch's visits, after them its arrivals, what is
	// keyed, and its settings.
	Item   int
	Reason Reason
}

// Receipt is a node's answer to a batch that is applied.
type Receipt struct {
	// Duplicate: an earlier call had applied the batch already.
	Duplicate bool
	// Refused is in ascending order of Item. A duplicate of a session's
	// last batch is answered with the refusals of the first answer, that of
	// an older one with none.
	Refused []Refusal
}

// Applied is what a node remembers of a session: its last batch.
type Applied struct {
	Seq     int64
	Refused []Refusal
}

// Admit decides whether a node that has opened epoch open, and is fenced
// below epoch fence, applies b after last. It returns (nil, nil) when b is to
// be applied, and otherwise the answer. The order of the tests is part of the
// protocol: a duplicate is known as one in whatever epoch it returns.
func (last Applied) Admit(b *Batch, fence, open Epoch) (*Receipt, error) {
	switch {
	case b.Seq == last.Seq:
		return &Receipt{Duplicate: true, Refused: last.Refused}, nil
	case b.Seq < last.Seq:
		return &Receipt{Duplicate: true}, nil
	case b.Epoch < fence:
		return nil, ErrStale
	case b.Epoch > open:
		return nil, ErrAhead
	case b.Seq != last.Seq+1:
		return nil, &GapError{Last: last.Seq}
	}
	return nil, nil
}

// Sum adds a number of visits to a count; ok is false when the result would
// not fit.
func AddChecked(count, n int64) (sum int64, ok bool) {
	if count > 0 && n > math.MaxInt64-count {
		return count, false
	}
	return count + n, true
}
