package cluster

import (
	"time"

	"footfall/domain/sharding"
)

// Remembers asks a node whether it has what it was sent in an epoch.
var Remembers = remembers

// BoundHosted sets the bounds of one of many hosted nodes.
var BoundHosted = boundHosted

// Node is the node of a member of the present ring.
func (c *Cluster) Node(m sharding.Member) (*Member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.node(m, c.View().Ring)
}

// Timing has the time-outs that are not exported.
var Timing = struct{ Glance, TakeOver, Vote, PollEvery, PollChanging, Reroute time.Duration }{
	glance, takeOver, voteTime, pollEvery, pollChanging, rerouteTime,
}
