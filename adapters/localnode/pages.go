package localnode

import (
	"bytes"
	"sync/atomic"

	"footfall/domain/counting"
)

// countStep is the most pages that one heartbeat counts.
const countStep = 1 << 18

// pageCount is the number of pages of a node. It is not stored: heartbeats count what is
// there, in the order of the keys, and batches what they add. It belongs to the writer,
// but for known.
type pageCount struct {
	known atomic.Int64
	// begun: the pages up to the key last are counted. all: these are all of them.
	begun, all bool
	last       []byte
	// added is what the running transaction adds.
	added int64
}

// again has the next heartbeats count all pages.
func (c *pageCount) again() { c.begun, c.all, c.last, c.added = false, false, nil, 0 }

// resolve ends a transaction.
func (c *pageCount) resolve(committed bool) {
	if committed && c.added != 0 {
		c.known.Add(c.added)
	}
	c.added = 0
}

// note notes that a page is added (1) or deleted (-1), unless it is still to be counted.
func (c *pageCount) note(key []byte, n int64) {
	if c.all || bytes.Compare(key, c.last) <= 0 {
		c.added += n
	}
}

// countOnce begins to count the pages.
func (t *tx) countOnce() {
	if !t.count.begun {
		t.countPages()
	}
}

// countPages counts some of the pages that are not counted yet.
func (t *tx) countPages() {
	c := &t.count
	if c.all {
		return
	}
	if !c.begun {
		c.begun = true
		c.known.Store(0)
	}
	n := int64(0)
	for key := range scanPrefix(t.pages, nil, string(c.last)) {
		if n == countStep {
			c.known.Add(n)
			return
		}
		n, c.last = n+1, append(c.last[:0], key...)
	}
	c.known.Add(n)
	c.all = true
}

// refusesPage says why a page that the node does not have can't be added; 0 is no reason.
func (t *tx) refusesPage(arc counting.Arc) counting.Reason {
	switch {
	case t.diskFull:
		return counting.DiskFull
	case t.pageLimit > 0 && t.count.known.Load()+t.count.added >= int64(t.pageLimit) && !t.isIncoming(arc):
		return counting.PageLimit
	}
	return 0
}
