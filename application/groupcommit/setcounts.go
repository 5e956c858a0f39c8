package groupcommit

import (
	"time"

	"footfall/domain/counting"
)

const (
	// MaxSetCounts bounds the counts that one batch sets: a node touches up to four keys for each,
	// and no more than 1,000 in one step (design: history).
	MaxSetCounts = 220
	// restoredCounts is what one with a history counts as: the page leaves all buckets of its arc that are not
	// packed. An arc is packed once a day, when it has one that ended a day before: so those are of two days and some hours,
	// about 200 quarters of an hour.
	restoredCounts = 60
)

// AddSetCount adds an item, routed by the ring of an epoch, to the next batch. At is zero, or counting.Batch.At
// if it was applied before.
func (c *Committer) AddSetCount(epoch counting.Epoch, s counting.SetCount, at time.Time) Ticket {
	return c.add(epoch, setCount, at, func(b *batch) int {
		s.Page = clone(s.Page)
		b.SetCounts = append(b.SetCounts, s)
		if b.set++; s.History != "" {
			b.set += restoredCounts - 1
		}
		return len(b.SetCounts) - 1
	})
}
