package cluster

import (
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Full are the bounds that a node has reached, of counting.Bounds.
func (c *Cluster) Full(s sharding.RingSummary) (reached []string) {
	o := c.opts
	if o.PageLimit > 0 && s.Pages >= o.PageLimit {
		reached = append(reached, counting.BoundPages)
	}
	if o.KeyLimit > 0 && s.Requests >= o.KeyLimit || o.RecordLimit > 0 && s.Records >= o.RecordLimit {
		reached = append(reached, counting.BoundKeys)
	}
	if s.DiskFree > 0 && s.DiskFree < o.DiskReserve {
		reached = append(reached, counting.BoundDisk)
	}
	return reached
}

// noteSummary keeps what a node has answered to a poll. It logs a warning when the node
// reaches a bound, and a line when it has room again.
func (c *Cluster) noteSummary(m *Member, s sharding.RingSummary) {
	now, before := c.Full(s), []string(nil)
	if last := m.summary.Swap(&s); last != nil {
		before = c.Full(*last)
	}
	for _, bound := range counting.Bounds() {
		is, was := slices.Contains(now, bound), slices.Contains(before, bound)
		if is && !was {
			c.opts.Log.Warn("node is full: pages and keys that it does not have are refused, others go on",
				"node", m.ID(), "bound", bound, "pages", s.Pages, "keys", s.Requests)
		}
		if was && !is {
			c.opts.Log.Info("node has room again", "node", m.ID(), "bound", bound)
		}
	}
}
