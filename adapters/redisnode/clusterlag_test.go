package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/chaos"
)

// killMasterWithALag cuts the replica of a master off, and kills the master later. From then
// on callers only read, until all that was acknowledged is repeated.
func killMasterWithALag(w *clusterWorld, d *chaos.Dice) {
	_, _, old, _ := w.pick(d)
	replica := w.cutOff(old, d)
	w.requests.Lock() // none is under way
	w.onlyReads.Store(true)
	w.requests.Unlock()
	w.killOnly(old, replica)
	w.until("what was acknowledged is repeated without a visit", func() bool {
		return w.isComplete() || len(w.Violations()) > 0
	})
	w.onlyReads.Store(false)
	w.repair()
	w.revive(old)
}

// isComplete tells whether every instance reads every page, with all that was acknowledged.
func (w *clusterWorld) isComplete() bool {
	for _, i := range w.Instances() {
		for page, a := range w.Accounts() {
			least, _ := a.Bounds()
			if r := i.Visits.Read(context.Background(), []counting.Page{page})[0]; r.Err != nil || r.Visits < least {
				return false
			}
		}
	}
	return true
}

// trusting is a partition that is read without what the reader expects.
type trusting struct{ *redisnode.Partition }

// Read implements counting.Counts, wrongly.
func (p trusting) Read(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Tally, error) {
	return p.Partition.Read(ctx, counting.Expected{Epoch: e.Epoch}, pages)
}

// keepless is a partition whose sender keeps nothing: what is missing is not repeated.
type keepless struct {
	trusting
	from int64  // number of the last batch before the session
	name string // of the session; empty for that of the sender
}

// Apply implements counting.Counts, wrongly. Batches come one by one.
func (k *keepless) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	var gap *counting.GapError
	for {
		sent := *b
		sent.Session, sent.Seq = b.Session+counting.Session(k.name), b.Seq-k.from
		r, err := k.Partition.Apply(ctx, &sent)
		if !errors.As(err, &gap) {
			return r, err
		}
		k.from, k.name = b.Seq-1, fmt.Sprint("-", b.Seq, "-", time.Now().UnixNano())
	}
}
