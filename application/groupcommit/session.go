package groupcommit

import (
	crand "crypto/rand"
	"errors"
	"slices"
	"time"

	"footfall/domain/counting"
)

const (
	// keepFor and keepBytes bound the applied batches that are kept to be
	// repeated to a node that lost them: the last one, and those that were
	// applied less than keepFor before it. They are kept while no batch
	// follows, for then nothing has shown yet that the node has them still.
	keepFor   = 10 * time.Second
	keepBytes = 16 << 20
)

// session is the flusher's state at the node.
type session struct {
	name counting.Session
	seq  int64 // of the last batch that is applied
	// kept are the last applied batches, oldest first, without a gap.
	kept  []keptBatch
	bytes int // of kept, about
	// failures in a row of calls to the node.
	failures int
}

type keptBatch struct {
	*counting.Batch
	applied time.Time // last
	refused []counting.Refusal
}

// keep remembers a batch that is applied.
func (c *Committer) keep(b *counting.Batch, refused []counting.Refusal) {
	s := &c.session
	now := time.Now()
	s.seq = b.Seq
	s.kept = append(s.kept, keptBatch{b, now, refused})
	s.bytes += size(b)
	drop := 0
	for drop < len(s.kept)-1 && (s.bytes > keepBytes || now.Sub(s.kept[drop].applied) > keepFor) {
		s.bytes -= size(s.kept[drop].Batch)
		s.kept[drop] = keptBatch{}
		drop++
	}
	s.kept = s.kept[drop:]
}

// size is about what a batch takes in memory.
func size(b *counting.Batch) int {
	bytes := 200
	for i := range b.Visits {
		bytes += 32 + len(b.Visits[i].Page)
	}
	for i := range b.Arrivals {
		bytes += 40 + len(b.Arrivals[i].Endpoint)
	}
	for i := range b.Settings {
		bytes += 40 + len(b.Settings[i].Page)
	}
	for i := range b.Keyed {
		bytes += 56 + len(b.Keyed[i].Page)
	}
	return bytes
}

// repair brings a node that remembers only last of the session up to date by
// repeating the kept batches. When one is of an epoch that is over, the node
// will never take it, nor any behind it: they are handed on to be routed anew.
// Where the kept ones don't reach back so far counts may be lost: that is told,
// and a new session goes on. A node that fails meanwhile, or forgets more, is
// asked again.
func (c *Committer) repair(last int64) {
	s := &c.session
	for i, k := range s.kept {
		if k.Seq <= last {
			continue
		}
		if k.Seq != last+1 {
			break
		}
		err := c.repeat(k)
		if errors.Is(err, counting.ErrStale) && c.opts.Orphaned != nil {
			for _, k := range s.kept[i:] {
				c.opts.Orphaned(k.Batch, k.refused, true)
			}
			*s = session{name: counting.Session(crand.Text())}
			return
		}
		if errors.Is(err, counting.ErrStale) {
			break
		}
		if err != nil {
			return
		}
		s.kept[i].applied = time.Now()
		last++
	}
	if last == s.seq {
		return
	}
	c.lost(s.seq - last)
	*s = session{name: counting.Session(crand.Text())}
}

// repeat sends a batch that was applied before. An item that is refused now
// and wasn't then, since others came first this time, is lost.
func (c *Committer) repeat(k keptBatch) error {
	receipt, err := c.apply(&batch{Batch: *k.Batch})
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

func (c *Committer) lost(batches int64) {
	if c.opts.Lost != nil {
		c.opts.Lost(batches)
	}
}
