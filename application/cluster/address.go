package cluster

import (
	"context"
	"fmt"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// CanMove tells whether the addresses of members can change.
func (c *Cluster) CanMove() bool { return c.opts.Move != nil && c.opts.Server != nil }

// moveNodes connects the nodes of a decided ring to the addresses that it has given them.
// Their group commits go on: a batch in doubt is repeated where its node is now, which
// knows whether it has it.
func (c *Cluster) moveNodes(v *View) {
	for i, m := range v.Members() {
		if n := v.Nodes[i]; c.isFormer(v.Ring, n) {
			c.opts.Log.Info("node is at another address", "node", m.ID, "addr", m.Addr, "before", n.Addr())
			c.opts.Move(n.Node, m.Addr)
		}
	}
}

// isFormer tells whether a node is connected to an address that its member has left by a
// ring. A server that is there has an old copy of the node.
func (c *Cluster) isFormer(ring *sharding.Ring, n sharding.RingStore) bool {
	at := ring.Index(n.ID())
	if at < 0 || c.opts.Move == nil {
		return false
	}
	m := ring.Members()[at]
	return m.Moved > 0 && m.Addr != n.Addr()
}

// Elsewhere is a view that asks one member at another address, for a change that is not
// decided. That member takes no items. The caller calls hangUp in the end.
func (c *Cluster) Elsewhere(v *View, id counting.NodeID, addr string) (there *View, hangUp func(), err error) {
	n, hangUp, err := c.dial(id, addr)
	if err != nil {
		return nil, nil, err
	}
	m := &Member{
		Node:  n,
		clock: &clock{node: id, maxSkew: c.opts.MaxSkew, log: c.opts.Log},
		fault: &fault{node: id, log: c.opts.Log},
	}
	m.Movable, _ = n.(counting.Movable)
	other := *v
	other.Nodes = slices.Clone(v.Nodes)
	other.Nodes[v.Index(id)] = m
	return &other, hangUp, nil
}

// elsewhere is Elsewhere for a member that does not answer, if another node knows a later
// ring by which that member has moved. There it has its vote, and may have opened that ring.
func (c *Cluster) elsewhere(v *View, answers []Answer[*Member, sharding.RingState]) (there *View, hangUp func()) {
	silent := make(map[counting.NodeID]bool)
	for _, a := range answers {
		silent[a.From.ID()] = a.Err != nil
	}
	for _, s := range values(answers) {
		for _, ring := range []*sharding.Ring{s.Fenced, s.Accepted} {
			if ring == nil {
				continue
			}
			for _, m := range ring.Members() {
				if m.Moved <= v.Epoch() || !silent[m.ID] {
					continue
				}
				if there, hangUp, err := c.Elsewhere(v, m.ID, m.Addr); err == nil {
					return there, hangUp
				}
			}
		}
	}
	return v, func() {}
}

// ServerOf tells apart the servers that nodes are connected to.
func (c *Cluster) ServerOf(ctx context.Context, n Node) (string, error) {
	server, err := c.opts.Server(ctx, n)
	if err != nil {
		return "", fmt.Errorf("identify the server of %s: %w", n.ID(), err)
	}
	return server, nil
}

// Learn adopts the ring that a node has opened, if it is newer than that of the view. A node
// that joins has opened none.
func (c *Cluster) Learn(opened *sharding.Ring) (newer bool, err error) {
	if opened == nil || opened.Epoch() <= c.View().Epoch() {
		return false, nil
	}
	return true, c.adopt(opened)
}
