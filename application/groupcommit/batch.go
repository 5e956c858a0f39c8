package groupcommit

import (
	"slices"
	"strings"

	"footfall/domain/counting"
)

const (
	// namesBytes is how much memory a batch takes at a time for names, if it has many.
	namesBytes = 4 << 10
	// fewVisits is how many a batch often has without a bulk.
	fewVisits = 64
)

// batch is a counting.Batch with its waiting callers. Once it is taken, the embedded
// Batch does not change. refused is valid when done is closed and err is nil.
type batch struct {
	counting.Batch
	call
	refused []counting.Refusal
	set     int // what its SetCounts count of MaxSetCounts
	// names are those of Visits, which live as long as the batch. A name that is
	// added may be a part of a body of megabytes, and the batch outlive its request.
	names strings.Builder
}

// own copies a page's name into names.
func (b *batch) own(page counting.Page) counting.Page {
	if size := b.names.Cap(); size-b.names.Len() < len(page) {
		b.names.Reset() // the names before keep what they have
		b.names.Grow(max(min(2*size, namesBytes), len(page)))
	}
	start := b.names.Len()
	b.names.WriteString(string(page))
	return counting.Page(b.names.String()[start:])
}

// room returns the visits, with room for one more. A batch is likely to have as many as the last one, and one that
// has more than a few callers add is of a bulk.
func (b *batch) room(last int) []counting.Visit {
	switch n := len(b.Visits); {
	case n < cap(b.Visits):
	case n == 0:
		b.Visits = make([]counting.Visit, 0, max(last, 1))
	case n >= fewVisits:
		b.Visits = slices.Grow(b.Visits, MaxBatch-n)
	}
	return b.Visits
}

func (b *batch) fits(epoch counting.Epoch) bool {
	return b.Epoch == epoch && b.Len() < MaxBatch && b.set < MaxSetCounts
}

// Ticket is one caller's item of a batch. The zero Ticket is an item that was not taken.
type Ticket struct {
	batch *batch
	item  int
	kind  kind
}

// kind is the slice of the batch that has a ticket's item. Kinds are in the order of
// counting.Refusal.Item.
type kind uint8

const (
	visit kind = iota
	idEvent
	keyed
	setCount
)

// Wait returns the result of the item, at most Deadline after its batch began to fill:
//   - nil: the node has applied it;
//   - a counting.Reason: the node refused this item;
//   - counting.ErrUnavailable, ErrMoved: it was not applied and never will be;
//   - counting.ErrInDoubt: it may be applied.
func (t Ticket) Wait() error {
	if t.batch == nil {
		return counting.ErrUnavailable
	}
	<-t.batch.done
	if t.batch.err != nil {
		return t.batch.err
	}
	if len(t.batch.refused) == 0 {
		return nil
	}
	item := t.item
	if t.kind != visit {
		item += len(t.batch.Visits)
	}
	if t.kind >= keyed {
		item += len(t.batch.IDEvents)
	}
	if t.kind == setCount {
		item += len(t.batch.Keyed)
	}
	for _, r := range t.batch.refused {
		if r.Item == item {
			return r.Reason
		}
	}
	return nil
}
