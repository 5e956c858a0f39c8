package counting

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Stage is how far an arc has come on its way from the node that had it.
type Stage uint8

// The stages, in their order. The pages of an arc are Live until it is claimed. Then they
// are Frozen, and in the end Released.
const (
	Live Stage = iota
	Frozen
	Released
)

// MaxImport is the most pages and keys that one call of Import takes.
const MaxImport = 100

// Chunk is a part of what a frozen arc has: keys first, then pages.
type Chunk struct {
	Keys []StoredKey
	// LastKeys: the arc has keys, and no others follow.
	LastKeys bool
	// Pages with their counts; -1 is one that is no count.
	Pages []Visit
}

// Parts divides a chunk into those that Import takes, in their order.
func (c Chunk) Parts() (parts []Chunk) {
	for keys := range slices.Chunk(c.Keys, MaxImport) {
		parts = append(parts, Chunk{Keys: keys})
	}
	if c.LastKeys {
		if len(parts) == 0 {
			parts = append(parts, Chunk{})
		}
		parts[len(parts)-1].LastKeys = true
	}
	for pages := range slices.Chunk(c.Pages, MaxImport) {
		parts = append(parts, Chunk{Pages: pages})
	}
	return parts
}

// ErrUnfinished says that a step of a move comes before what it needs.
var ErrUnfinished = errors.New("move has not come so far")

// MaxTogether is the most arcs of which a mover asks at once in ClaimArcs and
// Confirm: where these wait for a disk that is synced once a second, as many go
// in one.
const MaxTogether = 128

// Residue is what ClaimArcs found of an arc.
type FrozenPages struct {
	Stage Stage // Frozen or Gone
	// Pages of the residue; of an arc that is Gone, the pages that it had.
	Pages int
	// Err, when set, says why this arc alone can't be claimed: Corrupt.
	Err error
}

// ImportResult is what Import has done.
type ImportResult struct {
	// Pages of the arc that are marked by now, over all calls; -1 where
	// Confirm finds something else than marks.
	Pages int
	// Keys: all keys of the arc were imported (Chunk.LastKeys).
	Keys bool
	// Refused are the pages of this call that could not be added; they are
	// not marked. The items are in ascending order.
	Refused []Refusal
	// Closed: the arc was closed before, so nothing was done.
	Closed bool
}

// Part is what one of the two nodes of a moving arc has of a page.
type Part struct {
	// Visits are what is live there.
	Visits int64
	// Stage of the arc and Residue of the page, as the source has them.
	Stage  Stage
	Frozen int64
	// Marked: the destination has taken the page's residue in; Closed: it
	// has closed the arc, or the arc isn't coming to it.
	Marked, Closed bool
	// Err, when set, says why this page alone can't be read.
	Err error
}

// Movable is the capability of a node whose arcs go to another node, and come from
// others, when the ring changes (design: ring). A node that is a deployment of its own
// does not have it. A table is named by its epoch. The steps of a move are: ClaimArcs
// at the source, for many arcs at once; Fetch there until there is no more, and after
// each the same chunk to Import at the destination; Confirm there, for many arcs at
// once; RetireArc at the source; CloseArc at the destination. Nothing is done at the
// destination before ClaimArcs has answered. Any number of movers may work at once,
// and any of them may be late by any time.
//
// All methods are safe for concurrent use, may be repeated, and end when their
// context does. Errors:
//
//   - ErrUninitialized and ErrWrongNode as for Counts
//   - ErrStale: the node's newest open table is a later one; ErrAhead: an earlier one
//   - ErrUnfinished: the step needs an earlier one
//   - after any other error it is unknown whether the call took effect
//
// When a step is answered, its effect survives a failover, if the node's store is set
// to; that of Import survives once Confirm has found it. What ClaimArcs and Confirm
// have answered also survives a power cut, with all that the node did before, even
// where the store syncs only now and then. All steps work on a node that is full.
type Movable interface {
	// IncomingArcs returns the arcs that the table brings to this node and that
	// are not closed, in ascending order.
	IncomingArcs(ctx context.Context, table Epoch) ([]Arc, error)

	// ClaimArcs freezes what the node has of each arc, so that writes of the
	// pages, which go elsewhere by now, find none of it. A claim that was
	// made before is answered again as it is now. An arc of which the node has
	// nothing, no key either, is Released immediately, with 0 pages. It may
	// take as long as the store needs to sync.
	ClaimArcs(ctx context.Context, table Epoch, arcs []Arc) ([]FrozenPages, error)

	// Fetch returns some of what a claimed arc has, from cursor on, which is
	// empty at first; next is empty after the last. Following it returns every
	// key and every page at least once. ErrUnfinished: the arc is not Frozen.
	Fetch(ctx context.Context, table Epoch, arc Arc, cursor string) (c Chunk, next string, err error)

	// Import stores at most MaxImport keys, whatever the limit, and adds at most
	// MaxImport pages of an incoming arc. It marks each page in the same step.
	// Keys that the node has and pages that are marked stay as they are. A page
	// that can't be added (Overflow, Corrupt) is refused alone.
	Import(ctx context.Context, table Epoch, arc Arc, c Chunk) (ImportResult, error)

	// Confirm returns for each arc what was taken in by now, but what was
	// refused, or that it is closed. It may take as long as the store needs to
	// sync.
	Confirm(ctx context.Context, table Epoch, arcs []Arc) ([]ImportResult, error)

	// FindKeys looks for keys, in their order, also in arcs that have left
	// the node or are about to: until RetireArc it has their keys, and no
	// batch adds to them once the node has opened the table by which they
	// leave. ErrStale and ErrAhead are about the epoch, as with Counts.Read.
	FindKeys(ctx context.Context, epoch Epoch, keys []LocatedKey) ([]KeyLookup, error)

	// RetireArc forgets the residue of a Frozen arc, with its keys, if it has
	// exactly that many pages, and the arc is Gone; ErrUnfinished otherwise.
	// One that is Gone stays so.
	RetireArc(ctx context.Context, table Epoch, arc Arc, pages int) error

	// CloseArc ends the move, if that many pages are marked, and forgets
	// the marks; ErrUnfinished otherwise. A closed one stays so.
	CloseArc(ctx context.Context, table Epoch, arc Arc, pages int) error

	// ImportEntries keeps entries of windows that another node's Ledger had,
	// each with its calls in one step, unless the window has one here that
	// isn't Open. It is a change of the entry; the calls are kept until 10
	// minutes after it. An entry that is Open or Damaged is passed over. This
	// survives when it is answered, as with Confirm. Corrupt: something else
	// stands in the place of an entry; others may have been kept.
	ImportEntries(ctx context.Context, table Epoch, entries []FullEntry) error

	// Sweep forgets what no move needs any more, in some of what the node
	// keeps: from cursor on, which is empty at first; next is empty after the
	// last, and following it shows everything that is there all the while.
	Sweep(ctx context.Context, table Epoch, k SweepPolicy, cursor string) (s SweepResult, next string, err error)

	// ReadParts returns a part for each page, in their order, with every
	// batch and every step in it that was answered before the call. ErrStale
	// and ErrAhead are about the epoch, as with Counts.Read; stages and
	// marks are those of the open table.
	ReadParts(ctx context.Context, epoch Epoch, pages []Located) ([]Part, error)
}

// ErrImmovable says that a node is no Movable.
var ErrImmovable = fmt.Errorf("%w: arcs don't move to and from this kind of node", ErrNotApplied)

// Join adds up the parts of a page whose arc is moving. The source must have been
// read before the destination: what was not taken in there by then is what the
// source had, since nothing changes it. What was taken in is at the destination
// whole, whatever the source has: it was read before that, or set back since.
func Join(source, destination Part) Tally {
	taken := destination.Marked || destination.Closed
	more := int64(0)
	switch {
	case destination.Err != nil:
		return Tally{Err: destination.Err}
	case taken:
	case source.Err != nil:
		return Tally{Err: source.Err}
	case source.Stage == Live:
		more = source.Visits
	case source.Stage == Frozen:
		more = source.Frozen
	}
	sum, fits := AddChecked(destination.Visits, more)
	if !fits {
		return Tally{Err: Overflow}
	}
	return Tally{Visits: sum}
}
