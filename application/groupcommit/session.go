package groupcommit

import (
	crand "crypto/rand"
	"errors"
	"slices"
	"time"

	"footfall/domain/counting"
)

// session is the flusher's session at the node.
type session struct {
	name counting.Session
	seq  int64 // of the last applied batch
	// kept are the last applied batches, oldest first, without a gap.
	kept    []keptBatch
	bytes   int    // of kept, about
	packing []byte // where keep packs, again and again
	// failures is the number of consecutive failed calls.
	failures int
}

// begin begins another session and forgets the one before.
func (s *session) begin() { *s = session{name: counting.Session(crand.Text())} }

// repair repeats the kept batches after last, the last one that the node remembers.
//
// If a batch is stale, the node will never apply it, nor any later one: they are
// orphaned. If a missing batch is not kept, it is reported as lost. In both cases a new
// session begins. If the node fails meanwhile, or loses more, the next batch meets the
// gap again. A node that was added to the ring after the last kept batch has lost nothing.
func (c *Committer) repair(last int64) {
	s := &c.session
	if n := len(s.kept); n > 0 && s.kept[n-1].rest.Epoch < c.opts.Since() {
		s.begin()
		return
	}
	for i := range s.kept {
		k := &s.kept[i]
		if k.rest.Seq <= last {
			continue
		}
		if k.rest.Seq != last+1 {
			break
		}
		err := c.repeat(k)
		if errors.Is(err, counting.ErrStale) {
			for _, k := range s.kept[i:] {
				c.opts.Orphaned(k.batch(), k.refused, true)
			}
			s.begin()
			return
		}
		if err != nil {
			return
		}
		k.applied = time.Now()
		last++
	}
	if last == s.seq {
		return
	}
	c.opts.Lost(s.seq - last)
	s.begin()
}

// repeat sends a batch that was applied before. An item that was not refused before and
// is refused now, because other items came first this time, is lost.
func (c *Committer) repeat(k *keptBatch) error {
	receipt, err := c.apply(&batch{Batch: *k.batch()})
	if err != nil {
		return err
	}
	isNew := func(r counting.Refusal) bool {
		return !slices.ContainsFunc(k.refused, func(b counting.Refusal) bool { return b.Item == r.Item })
	}
	if slices.ContainsFunc(receipt.Refused, isNew) {
		c.opts.Lost(1)
	}
	return nil
}
