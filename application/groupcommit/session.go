package groupcommit

import (
	crand "crypto/rand"
	"errors"
	"slices"
	"time"

	"footfall/domain/counting"
)

// session is the flusher's state at the node.
type session struct {
	name counting.Session
	seq  int64 // of the last batch that is applied
	// kept are the last applied batches, oldest first, without a gap.
	kept    []keptBatch
	bytes   int    // of kept, about
	packing []byte // where keep packs, again and again
	// failures in a row of calls to the node.
	failures int
}

// begin begins another session: nothing is kept of the one before.
func (s *session) begin() { *s = session{name: counting.Session(crand.Text())} }

// repair brings a node that remembers only last of the session up to date by
// repeating the kept batches. When one is of an epoch that is over, the node
// will never take it, nor any behind it: they are handed on to be routed anew.
// Where the kept ones don't reach back so far counts may be lost: that is told,
// and a new session goes on. A node that fails meanwhile, or forgets more, is
// asked again. One that came new into the ring has forgotten nothing.
func (c *Committer) repair(last int64) {
	s := &c.session
	if n := len(s.kept); n > 0 && c.isBefore(s.kept[n-1].rest.Epoch) {
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
		if errors.Is(err, counting.ErrStale) && c.opts.Orphaned != nil {
			for _, k := range s.kept[i:] {
				c.opts.Orphaned(k.batch(), k.refused, true)
			}
			s.begin()
			return
		}
		if errors.Is(err, counting.ErrStale) {
			break
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
	c.lost(s.seq - last)
	s.begin()
}

// repeat sends a batch that was applied before. An item that is refused now
// and wasn't then, since others came first this time, is lost.
func (c *Committer) repeat(k *keptBatch) error {
	receipt, err := c.apply(&batch{Batch: *k.batch()})
	if err != nil {
		return err
	}
	refusedBefore := func(r counting.Refusal) bool {
		return slices.ContainsFunc(k.refused, func(b counting.Refusal) bool { return b.Item == r.Item })
	}
	for _, r := range receipt.Refused {
		if !refusedBefore(r) {
			c.lost(1)
			break
		}
	}
	return nil
}

// isBefore tells whether an epoch is one in which the node was not in the ring
// yet, though one of its name may have been.
func (c *Committer) isBefore(epoch counting.Epoch) bool {
	return c.opts.Since != nil && epoch < c.opts.Since()
}

func (c *Committer) lost(batches int64) {
	if c.opts.Lost != nil {
		c.opts.Lost(batches)
	}
}
