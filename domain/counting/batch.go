package counting

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Errors of the ports of this package. An error that wraps one of them guarantees
// that the call had no effect on the node. After any other error it is unknown
// whether the call took effect, or will.
var (
	// ErrNotApplied: the call had no effect and never will: the node was not
	// reached, or refused the whole call.
	ErrNotApplied = errors.New("not applied")
	// ErrNoRoom: the node's memory or its disk is full. Histories.DropHistory makes room.
	ErrNoRoom = errors.New("the node has no room")
	// ErrUninitialized: the node belongs to no ring. If it was in use, it came
	// back empty: its counts are lost, not zero.
	ErrUninitialized = errors.New("node has no ring: it is new, or was emptied")
	// ErrWrongNode: the store belongs to another node.
	ErrWrongNode = errors.New("the store belongs to another node")
	// ErrOtherDeployment: the store belongs to another deployment than the one that
	// the call means (sharding.RingStore.Bind). Its numbers are others. The error is a
	// *DeploymentError.
	ErrOtherDeployment = errors.New("node belongs to another deployment")
	// ErrStale: the call's epoch is below the node's fence. A repetition never
	// has an effect either.
	ErrStale = errors.New("epoch is over")
	// ErrAhead: the node has not opened the call's epoch yet.
	ErrAhead = errors.New("epoch is not open yet")
	// ErrUnusable: the node's server can't be used as it is set up. Nothing but a
	// change by an operator helps, so a start need not wait.
	ErrUnusable = Mark(errors.New("the server can't be used as it is set up"), ErrNotApplied)
	// ErrNewerFormat: a newer version of Footfall has written the store, in a format
	// that this one does not read. The error is a *FormatError.
	ErrNewerFormat = Mark(errors.New("the store has a newer format"), ErrUnusable)
	// ErrReplaced: the file of the store was removed or replaced while it was open.
	ErrReplaced = Mark(errors.New("the file of the store was removed or replaced"), ErrNotApplied)
	// ErrClosed: the Node was closed before the call.
	ErrClosed = Mark(errors.New("the node is closed"), ErrNotApplied)
)

// Errors that clients of Footfall receive.
var (
	// ErrUnavailable: nothing was counted, and nothing will be. After a read: the
	// number is not available now.
	ErrUnavailable = errors.New("unavailable")
	// ErrInDoubt: the request was sent to its node, and may be counted.
	ErrInDoubt = errors.New("in doubt")
)

// GapError answers a batch that is not the next one of its session, and a read that expects
// a later batch than the last: the node has lost batches that it had applied. The call had
// no effect.
type GapError struct {
	// Last is the sequence number of the session's last batch that the node
	// remembers; 0 if it remembers none.
	Last int64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("gap in the session: the node remembers batch %d as the last", e.Last)
}

// DeploymentError is ErrOtherDeployment with the deployment to which the store belongs,
// and the one that was meant.
type DeploymentError struct{ Of, Meant string }

func (e *DeploymentError) Error() string {
	return fmt.Sprintf("%v: %s, not %s", ErrOtherDeployment, e.Of, e.Meant)
}

// Unwrap returns ErrOtherDeployment.
func (e *DeploymentError) Unwrap() error { return ErrOtherDeployment }

// FormatError is ErrNewerFormat with the format of the store. Newest is the newest format
// that this version reads.
type FormatError struct{ Format, Newest string }

func (e *FormatError) Error() string {
	return fmt.Sprintf("the store has format %s, this version reads up to %s: run a newer version", e.Format, e.Newest)
}

// Unwrap returns ErrNewerFormat.
func (e *FormatError) Unwrap() error { return ErrNewerFormat }

// ServerError is why a store refuses calls, in its own words.
type ServerError struct {
	// Says has no address and no secret, so that clients may read it.
	Says string
	// Err is the whole error, for operators.
	Err error
}

func (e *ServerError) Error() string { return e.Err.Error() }
func (e *ServerError) Unwrap() error { return e.Err }

// ServerSays returns the words of the store that refused a call; empty if err has none.
func ServerSays(err error) string {
	var e *ServerError
	if errors.As(err, &e) {
		return e.Says
	}
	return ""
}

// SilenceError is why no answer came from a store.
type SilenceError struct {
	// Why has no address and no secret, so that clients may read it. It tells a store that
	// can't be reached (connection refused) from one that hangs (connected, but no answer in
	// time).
	Why string
	// Err is the whole error, for operators.
	Err error
}

func (e *SilenceError) Error() string { return e.Err.Error() }
func (e *SilenceError) Unwrap() error { return e.Err }

// WhySilent returns why no answer came; empty if err does not say so.
func WhySilent(err error) string {
	var e *SilenceError
	if errors.As(err, &e) {
		return e.Why
	}
	return ""
}

type (
	// NodeID names a node of the ring permanently: redis_7070, embedded.
	NodeID string
	// Epoch numbers the states of the ring, from 1.
	Epoch int64
	// Arc is one of the equal parts of the hash circle. The arc of a page
	// determines its node.
	Arc uint16
	// Session is one start of one instance of Footfall at one node: a random,
	// unique text.
	Session string
)

// Visit is a number of visits of one page; Count is at least 1.
type Visit struct {
	Arc   Arc
	Page  Page
	Count int64
}

// IDEvent is an id for the current window, and an endpoint to notify of the window's
// count. The node stores both or neither.
type IDEvent struct {
	ID ID
	// Endpoint is empty or an absolute URL. Nodes do not interpret it.
	Endpoint string
	// Table is the epoch of the ring by which the id was routed here.
	Table Epoch
}

// Batch is a sequence of items that a node applies in one step, exactly once (design:
// batches). A pair of Seq and Epoch has one content permanently: a batch is repeated
// unchanged or not at all. Neither the sender nor the node changes the slices of a
// batch that was passed to Apply.
type Batch struct {
	Epoch   Epoch
	Session Session
	// Seq numbers the session's batches at this node from 1.
	Seq      int64
	Visits   []Visit
	IDEvents []IDEvent
	// Clock is checked for the ids. It is that of the attempt, not of the batch.
	Clock Clock
	// EndpointLimit bounds the distinct endpoints that the node stores for the
	// window of the ids.
	EndpointLimit int
	Keyed         []KeyedVisit
	// KeyLimit bounds the keys of requests that batches have brought to the node: those of
	// Keyed items with a Count of 0. RecordLimit bounds all keys that the node stores,
	// imported ones too; 0 is no bound. Only keys of requests are refused: an item with a
	// Count belongs to a request that was admitted.
	KeyLimit, RecordLimit int
	// PageLimit bounds the pages that the node stores, but for those of moves: an item
	// that would make another one is refused. 0 is no bound. After a start, and after moves,
	// the node may know of some more or fewer until Heartbeats have counted its pages again:
	// that takes up to a minute, and several Heartbeats of a node that has many pages.
	PageLimit int
	// DiskReserve is how many bytes have to be free on the disk of a node that has one in
	// this process, for another page and for the key of a request.
	DiskReserve int64
	// Repeated: items of the batch were acknowledged before, and are lost. So EndpointLimit,
	// KeyLimit, RecordLimit, PageLimit and DiskReserve refuse no item.
	Repeated bool
	// At, unless it is zero, places the visits (design: history): it is the Receipt.At of the
	// batch that is repeated. Otherwise the node's clock does. Visits of a time before the
	// node's history began are not placed.
	At        time.Time
	SetCounts []SetCount
}

// Unplaced is the At of a batch that is repeated, and whose visits were not placed at first: every
// history began later.
func Unplaced() time.Time { return time.Unix(1, 0).UTC() }

// Len is the number of the batch's items.
func (b *Batch) Len() int {
	return len(b.Visits) + len(b.IDEvents) + len(b.Keyed) + len(b.SetCounts)
}

// Refusal is an item of a batch that was not applied, though the others were.
type Refusal struct {
	// Item indexes Visits, IDEvents, Keyed and SetCounts, as if they were one
	// slice in this order.
	Item   int
	Reason Reason
}

// Receipt is a node's answer to an applied batch.
type Receipt struct {
	// Duplicate: an earlier call has applied the batch.
	Duplicate bool
	// Refused is in ascending order of Item. A duplicate of a session's last
	// batch has the refusals and the At of the first answer; an older duplicate has none.
	Refused []Refusal
	// Says are the words of the store for one of the items that were Denied, as in
	// ServerError. A duplicate has none.
	Says string
	// At is when the visits were placed: the At of the batch or, if that is zero, the node's time, to the
	// second. It is zero if they were not placed: the node keeps no history, the clocks disagreed, or history
	// began later.
	At time.Time
}

// Expected is what the caller of a read knows of the node.
type Expected struct {
	// Epoch is that of the ring by which the pages are routed.
	Epoch Epoch
	// Seq numbers the last batch of Session that was answered as applied. The node has to
	// remember it, or a later one. Without a Session it need remember none.
	Session Session
	Seq     int64
}

// Applied is what a node stores of a session: its last batch.
type Applied struct {
	Seq     int64
	Refused []Refusal
	// At is that of the Receipt.
	At time.Time
}

// Covers returns a *GapError unless the node that remembers last has what a caller expects
// of the session.
func (last Applied) Covers(e Expected) error {
	if e.Session != "" && last.Seq < e.Seq {
		return &GapError{Last: last.Seq}
	}
	return nil
}

// Admit decides whether a node applies b after last. The node has opened epoch open,
// and is fenced below epoch fence. Admit returns (nil, nil) if the node has to apply
// b, and otherwise the answer. The order of the checks is part of the protocol: a
// duplicate is recognised in any epoch.
func (last Applied) Admit(b *Batch, fence, open Epoch) (*Receipt, error) {
	switch {
	case b.Seq == last.Seq:
		return &Receipt{Duplicate: true, Refused: last.Refused, At: last.At}, nil
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

// AddChecked adds n visits to a count. ok is false if the sum exceeds 2^63-1.
func AddChecked(count, n int64) (sum int64, ok bool) {
	if count > 0 && n > math.MaxInt64-count {
		return count, false
	}
	return count + n, true
}

// AddSaturated adds two counts up to 2^63-1. excess is what does not fit.
func AddSaturated(count, n int64) (sum, excess int64) {
	if sum, ok := AddChecked(count, n); ok {
		return sum, 0
	}
	return math.MaxInt64, n - (math.MaxInt64 - count)
}
