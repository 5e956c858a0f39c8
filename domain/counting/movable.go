package counting

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Stage is the state of an arc at the source of its move.
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
	// Histories are those of Pages, in their order (design: history). It may be empty: none has one. One that can't be
	// read is no packed history.
	Histories []Packed
	// Since is when the histories of the source began; zero if it keeps none. Floor is that of its HistoryState.
	Since, Floor time.Time
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
	for at := 0; at < len(c.Pages); at += MaxImport {
		part := Chunk{Pages: c.Pages[at:min(at+MaxImport, len(c.Pages))], Since: c.Since, Floor: c.Floor}
		if len(c.Histories) > 0 {
			part.Histories = c.Histories[at : at+len(part.Pages)]
		}
		parts = append(parts, part)
	}
	return parts
}

// ErrUnfinished says that a step of a move needs an earlier one.
var ErrUnfinished = errors.New("move has not come so far")

// MaxTogether bounds the arcs of one call of ClaimArcs or Confirm. These calls may wait
// for a disk that is synced once a second, so many arcs share one call.
const MaxTogether = 128

// FrozenPages is the result of ClaimArcs for one arc.
type FrozenPages struct {
	Stage Stage // Frozen or Released
	// Pages is the number of frozen pages; of a Released arc, of those it had.
	Pages int
	// Err, when set, says why this arc can't be claimed: Corrupt.
	Err error
}

// ImportResult is what Import has done.
type ImportResult struct {
	// Pages is the number of marked pages of the arc, over all calls; -1 if the
	// marks are corrupt.
	Pages int
	// Keys: all keys of the arc were imported (Chunk.LastKeys).
	Keys bool
	// Refused are the pages of this call that could not be added; they are
	// not marked. The items are in ascending order.
	Refused []Refusal
	// Excess are the pages of this call whose sum passed 2^63-1, each with the
	// count that was put in quarantine.
	Excess []Visit
	// Closed: the arc was closed before, so nothing was done.
	Closed bool
}

// Part is what one of the two nodes of a moving arc has of a page.
type Part struct {
	// Visits are what is live there.
	Visits int64
	// Stage is that of the arc, Frozen the frozen count, as the source has them.
	Stage  Stage
	Frozen int64
	// Marked: the destination has added the frozen count. Closed: it has closed
	// the arc, or the arc is not incoming.
	Marked, Closed bool
	// Err, when set, says why this page alone can't be read.
	Err error
}

// Movable is the capability of a node whose arcs go to another node, and come from
// others, when the ring changes (design: ring). A node that is a deployment of its own
// does not have it. A table is named by its epoch. The steps of a move are: ClaimArcs
// at the source, for many arcs in one call; Fetch there until there is no more, and after
// each the same chunk to Import at the destination; Confirm there, for many arcs
// in one call; RetireArc at the source; CloseArc at the destination. Nothing is done at the
// destination before ClaimArcs has answered. Any number of movers may work concurrently,
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

	// ClaimArcs freezes what the node has of each arc. Writes of the pages go to
	// another node by now, and find none of it. A repeated claim is answered as the
	// arc is now. An arc of which the node has no page, no key and no history is Released
	// immediately, with 0 pages. The call may take as long as the store needs to
	// sync.
	ClaimArcs(ctx context.Context, table Epoch, arcs []Arc) ([]FrozenPages, error)

	// Fetch returns some of what a claimed arc has, from cursor on, which is
	// empty at first; next is empty after the last. Following it returns every
	// key and every page at least once. ErrUnfinished: the arc is not Frozen.
	Fetch(ctx context.Context, table Epoch, arc Arc, cursor string) (c Chunk, next string, err error)

	// Import stores at most MaxImport keys, whatever the limit, and adds at most
	// MaxImport pages of an incoming arc with their histories. It marks each page in the same step.
	// If the source's history began later than the node's, the node's Since is the later one from then on, and so with
	// its Floor. If the source keeps none, and there are pages, that is the node's time.
	// Keys that the node has and pages that are marked stay as they are. A page is
	// refused alone (Corrupt) if its count, or the one that the node has of it, can't be
	// read. If the sum would pass 2^63-1, the page gets 2^63-1 and is marked. The rest is
	// put in quarantine in the same step: it is in no count, and Sweep reports it
	// (Orphan.Excess).
	Import(ctx context.Context, table Epoch, arc Arc, c Chunk) (ImportResult, error)

	// Confirm returns for each arc what was imported, without refused pages, or
	// that it is closed. The call may take as long as the store needs to sync.
	Confirm(ctx context.Context, table Epoch, arcs []Arc) ([]ImportResult, error)

	// FindKeys looks for keys, in their order, also in arcs that leave the node. It
	// has their keys until RetireArc. No batch adds to them once the node has
	// opened the table by which they leave. ErrStale and ErrAhead are about the
	// epoch, as with Counts.Read.
	FindKeys(ctx context.Context, epoch Epoch, keys []LocatedKey) ([]KeyLookup, error)

	// RetireArc deletes the frozen pages and the keys of a Frozen arc, if it has
	// exactly that many pages. Then it is Released, and stays so. ErrUnfinished:
	// it has another number of pages.
	RetireArc(ctx context.Context, table Epoch, arc Arc, pages int) error

	// CloseArc ends the move and deletes the marks, if at least that many pages are
	// marked. A closed arc stays so. ErrUnfinished: fewer are marked.
	CloseArc(ctx context.Context, table Epoch, arc Arc, pages int) error

	// ImportEntries stores entries of another node's Ledger, each with its
	// deliveries in one step. One that the node has is replaced if it is Open, or is a
	// copy with the same count that is not as far (Entry.Supersedes): Sealed or
	// Published. It counts as a change of the entry; the deliveries are kept for 10
	// minutes. Open and Damaged entries are skipped. The effect is as durable as
	// that of Confirm. Corrupt: the stored value is no entry; other entries may
	// have been stored.
	ImportEntries(ctx context.Context, table Epoch, entries []FullEntry) error

	// Sweep deletes what no move needs, in a part of the store, from cursor on,
	// which is empty at first. next is empty after the last part. Following it
	// covers everything that is stored all the time.
	Sweep(ctx context.Context, table Epoch, k SweepPolicy, cursor string) (s SweepResult, next string, err error)

	// ReadParts returns a part for each page, in their order, with every batch and
	// every step in it that was answered before the call. Stages and marks are
	// those of the open table. ErrStale, ErrAhead and *GapError are about what is
	// expected, as with Counts.Read.
	ReadParts(ctx context.Context, e Expected, pages []Located) ([]Part, error)
}

// Join adds the parts of a page whose arc is moving, up to 2^63-1, as Import does. The
// source must have been read before the destination. What was not imported by then is
// what the source had, since nothing changes it. If the page was imported, the
// destination has all of it, whatever the source returned: it was read before, or was
// rolled back since.
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
	sum, _ := AddSaturated(destination.Visits, more)
	return Tally{Visits: sum}
}
