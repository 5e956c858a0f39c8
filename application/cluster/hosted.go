package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

const (
	// hostedKeep is how long applied batches of hosted nodes are kept. A server that is cut
	// off accepts batches that are lost, for longer than other nodes' batches are kept
	// (sharding.Hosted).
	hostedKeep = 30 * time.Second
	// hostedBytes and hostedQueued bound the kept batches and the waiting items of all
	// hosted nodes together: these may be many. Each has an even share.
	hostedBytes  = 64 << 20
	hostedQueued = 4 * groupcommit.MaxQueued
	// leastQueued is the least share: the items of one bulk may all be for one node.
	leastQueued = 2_048
)

// Host is the server that had the member's node last, if other software moves it between
// servers; empty if none is known, and for other nodes.
func (m *Member) Host() counting.NodeID {
	if m.hosted == nil {
		return ""
	}
	return m.hosted.Host()
}

// Via names what answers for the member: its Host if one is known, and its id otherwise.
func (m *Member) Via() counting.NodeID { return cmp.Or(m.Host(), m.ID()) }

// IsFixed tells whether the ring never changes: its nodes are hosted, or there are several
// and the arcs of one can't move. A deployment of one other node has no change to refuse.
func (v *View) IsFixed() bool {
	return slices.ContainsFunc(v.Nodes, func(m *Member) bool { return m.hosted != nil || m.Movable == nil && len(v.Nodes) > 1 })
}

// boundHosted sets the bounds of a hosted node's group commit, one of many nodes.
func boundHosted(o *groupcommit.Options, many int) {
	o.KeepFor, o.KeepBytes = hostedKeep, hostedBytes/many
	o.MaxQueued = min(groupcommit.MaxQueued, max(leastQueued, hostedQueued/many))
}

// checkPartitions is an error if a hosted node stores a ring with another number of nodes
// than are configured. The number is part of the store.
func checkPartitions(all []nodeState) error {
	for _, s := range all {
		if _, hosted := s.From.(sharding.Hosted); !hosted || s.Err != nil {
			continue
		}
		if stored := len(s.Value.Fenced.Members()); stored != len(all) {
			return fmt.Errorf("the store has %d partitions: set ?partitions=%d in FOOTFALL_STORE", stored, stored)
		}
	}
	return nil
}
