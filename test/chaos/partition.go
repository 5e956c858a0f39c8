package chaos

import (
	"sync/atomic"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Partition is a node as a Redis Cluster has it: no arc moves from or to it, and another
// server may have it at any time.
type Partition struct {
	cluster.Node
	server atomic.Pointer[counting.NodeID]
}

var _ sharding.Hosted = (*Partition)(nil)

// NewPartition is a node on a server. Server "" is not known.
func NewPartition(n cluster.Node, server counting.NodeID) *Partition {
	p := &Partition{Node: n}
	p.MoveTo(server)
	return p
}

// MoveTo moves the partition to another server.
func (p *Partition) MoveTo(server counting.NodeID) { p.server.Store(&server) }

// Host implements sharding.Hosted.
func (p *Partition) Host() counting.NodeID { return *p.server.Load() }
