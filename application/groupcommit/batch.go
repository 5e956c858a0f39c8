package groupcommit

import (
	"time"

	"footfall/domain/counting"
)

// batch is a counting.Batch with those who wait for it. Once it is sent, the
// embedded Batch doesn't change.
type batch struct {
	counting.Batch
	requests int
	timer    *time.Timer
	sent     bool // by the committer's mutex

	done     chan struct{} // closed when err and refused are final
	answered bool          // by the committer's mutex
	err      error
	refused  []counting.Refusal
}

// answer releases the callers, with the first answer only: a batch in doubt
// is resolved later, but its callers have been told. The caller has the
// committer's mutex.
func (b *batch) answer(err error, refused []counting.Refusal) {
	if b.answered {
		return
	}
	b.answered = true
	b.err, b.refused = err, refused
	b.timer.Stop()
	close(b.done)
}

// Ticket is one caller's item of a batch.
type Ticket struct {
	batch *batch
	item  int
	kind  kind
}

// kind says which of its batch's items a ticket is for.
type kind uint8

const (
	visit kind = iota
	arrival
	keyed
	setting
)

// Wait returns when the fate of the item is known, Deadline after its batch
// began to fill at the latest: nil, the node has applied it; a
// counting.Reason, it alone was refused; counting.ErrUnavailable or ErrMoved,
// it was not applied and never will be; counting.ErrInDoubt.
func (t Ticket) Wait() error {
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
	if t.kind == setting {
		item += len(t.batch.Keyed)
	}
	for _, r := range t.batch.refused {
		if r.Item == item {
			return r.Reason
		}
	}
	return nil
}
