package groupcommit

import "footfall/domain/counting"

// batch is a counting.Batch with its waiting callers. Once it is taken, the embedded
// Batch does not change. refused is valid when done is closed and err is nil.
type batch struct {
	counting.Batch
	call
	refused []counting.Refusal
}

func (b *batch) fits(epoch counting.Epoch) bool {
	return b.Epoch == epoch && b.Len() < MaxBatch
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
