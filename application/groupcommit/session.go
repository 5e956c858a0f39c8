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

// begin begins another session and forgets the one before. Reads expect what was answered
// in that one until a batch of this one is.
func (c *Committer) begin() {
	c.session = session{name: counting.Session(crand.Text())}
	c.behind.Store(false)
}

// repair repeats the kept batches after last, the last one that the node remembers.
//
// If a batch is stale, the node will never apply it, nor any later one: they are
// orphaned, and a new session begins. If a missing batch is not kept, it is reported as
// lost, and those that are kept are repeated in a new session: the node remembers this
// one, so it has none of them. A node that remembers nothing may have lost its sessions
// and not its counts, so nothing is repeated there. If the node fails meanwhile, or loses
// more, the next batch meets the gap again. A node that was added to the ring after the
// last kept batch has lost nothing.
func (c *Committer) repair(last int64) {
	s := &c.session
	if n := len(s.kept); n > 0 && s.kept[n-1].rest.Epoch < c.opts.Since() {
		c.begin()
		return
	}
	for i := range s.kept {
		k := &s.kept[i]
		if k.rest.Seq <= last {
			continue
		}
		if k.rest.Seq != last+1 {
			if last == 0 {
				break
			}
			c.opts.Lost(k.rest.Seq - 1 - last)
			c.repeatKept(s.kept[i:])
			return
		}
		err := c.repeat(k)
		if errors.Is(err, counting.ErrStale) {
			c.orphan(s.kept[i:])
			return
		}
		if err != nil {
			return
		}
		k.applied = time.Now()
		last++
	}
	if last == s.seq {
		c.behind.Store(false)
		return
	}
	c.opts.Lost(s.seq - last)
	c.begin()
}

// orphan hands over batches that the node will never apply, and begins a new session.
func (c *Committer) orphan(kept []keptBatch) {
	for _, k := range kept {
		c.opts.Orphaned(k.batch(), nil, true)
	}
	c.begin()
}

// repeatKept applies kept batches in a new session, each until its result is known.
func (c *Committer) repeatKept(kept []keptBatch) {
	c.begin()
	c.behind.Store(true)
	for i, k := range kept {
		for {
			if c.ctx.Err() != nil {
				c.opts.Lost(int64(len(kept) - i))
				return
			}
			b := k.batch()
			b.Session, b.Seq = c.session.name, c.session.seq+1
			receipt, err := c.apply(&batch{Batch: *b})
			var gap *counting.GapError
			if err == nil {
				c.settle(b, receipt.Refused)
				c.keep(b, receipt)
				break
			}
			switch {
			case errors.Is(err, counting.ErrStale):
				c.orphan(kept[i:])
				return
			case errors.As(err, &gap):
				c.repair(gap.Last)
			default:
				c.backOff(true)
			}
		}
	}
	c.behind.Store(false)
}

// repeat sends a batch that was applied before.
func (c *Committer) repeat(k *keptBatch) error {
	b := k.batch()
	receipt, err := c.apply(&batch{Batch: *b})
	if receipt.Duplicate && slices.Equal(receipt.Refused, k.refused) {
		return err // the node has the batch as it was at first
	}
	if err == nil {
		c.settle(b, receipt.Refused)
	}
	return err
}

// settle looks at what is refused of a repeated batch, none of which was refused before. An
// id that is refused now goes to another window: it is orphaned. Another item is lost,
// because other items came first this time.
func (c *Committer) settle(b *counting.Batch, now []counting.Refusal) {
	again, lost := make(map[int]bool), false
	for _, r := range now {
		if r.Reason == counting.WrongTable || r.Reason == counting.WrongClock {
			again[r.Item] = true
		} else {
			lost = true
		}
	}
	if lost {
		c.opts.Lost(1)
	}
	if len(again) == 0 {
		return
	}
	var others []counting.Refusal
	for i := range b.Len() {
		if !again[i] {
			others = append(others, counting.Refusal{Item: i})
		}
	}
	c.opts.Orphaned(b, others, true)
}
