package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/domain/watching"
)

// known are all known nodes, in the order of their ids.
func (c *Cluster) known() []*Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*Member
	for _, id := range slices.Sorted(maps.Keys(c.members)) {
		all = append(all, c.members[id])
	}
	return all
}

// node is the node of a member of a ring. It is a new one if the member is unknown, or
// has another address than the known node of its id, and that is not the member
// (isMember). A known node keeps its address until the ring is adopted (moveNodes). The
// caller holds the mutex.
func (c *Cluster) node(m sharding.Member, ring *sharding.Ring) (*Member, error) {
	known := c.members[m.ID]
	if known != nil && (c.opts.Dial == nil || known.Addr() == m.Addr || c.isMember(known, m, ring)) {
		return known, nil
	}
	if c.opts.Dial == nil {
		return nil, fmt.Errorf("node %s is in the stored ring, but not in the configuration", m.ID)
	}
	n, err := c.opts.Dial(m.ID, m.Addr)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", m.ID, err)
	}
	added := c.newMember(n)
	c.members[m.ID] = added
	if c.started && c.ctx.Err() == nil {
		added.Committer.Start()
		if known != nil {
			c.background.Go(func() { c.dismiss(known) })
		}
	}
	return added, nil
}

// Probe asks a node that is not in the ring, and hangs up: a node that does not join
// leaves no connection and no metric.
func (c *Cluster) Probe(ctx context.Context, m sharding.Member, ask func(context.Context, Node) error) error {
	n, hangUp, err := c.dial(m.ID, m.Addr)
	if err != nil {
		return err
	}
	defer hangUp()
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	return ask(ctx, n)
}

// dial makes a node of the present deployment that is used for a while, and what ends it.
func (c *Cluster) dial(id counting.NodeID, addr string) (n Node, hangUp func(), err error) {
	if n, err = c.opts.Dial(id, addr); err != nil {
		return nil, nil, fmt.Errorf("node %s: %w", id, err)
	}
	n.Bind(c.View().Deployment())
	return n, func() {
		if c.opts.HangUp != nil {
			c.opts.HangUp(n)
		}
	}, nil
}

// isMember tells whether a member is the known node of its id, at another address: a
// configured node is used at its configured address, unless another member has that, or
// the member has got its address later.
func (c *Cluster) isMember(known *Member, m sharding.Member, ring *sharding.Ring) bool {
	if m.Moved == 0 && slices.ContainsFunc(ring.Members(), func(o sharding.Member) bool { return o.ID != m.ID && o.Addr == known.Addr() }) {
		return false
	}
	v := c.View()
	if v == nil {
		return true
	}
	since, ok := v.Since(m.ID)
	return ok && since == m.Since
}

// dismiss stops the group commit of a server that has left the ring.
func (c *Cluster) dismiss(m *Member) {
	ctx, cancel := context.WithTimeout(c.ctx, groupcommit.Deadline)
	defer cancel()
	if err := m.Committer.Stop(ctx); err != nil {
		c.opts.Log.Warn("stop group commit of a node that has left the ring failed", "node", m.ID(), "addr", m.Addr(), "error", err)
	}
}

// since is when a node ceased to serve; zero if it serves, or that is not known.
func (m *Member) since(n watching.Node) time.Time {
	switch r := m.refusal.Load(); {
	case n.Why != "" && r != nil:
		return r.since
	case n.Why == "" && (!n.Answers || n.Says != ""):
		return m.fault.start()
	}
	return time.Time{}
}

// Nodes asks every node of the ring whether it answers, for CallTimeout at most. It
// returns nil before Start.
func (c *Cluster) Nodes(ctx context.Context) []watching.Node {
	v := c.View()
	if v == nil {
		return nil
	}
	nodes := make([]watching.Node, len(v.Nodes))
	for i, m := range v.Nodes {
		nodes[i] = watching.Node{ID: m.ID(), Host: m.Host(), Share: v.Share(i)}
		if ahead, wrong := m.Skew(); wrong {
			nodes[i].Skew = ahead
			if since := m.clock.wrong.Load(); since != nil {
				nodes[i].SkewSince = *since
			}
		}
		if last := m.summary.Load(); last != nil {
			nodes[i].Full = strings.Join(c.Full(*last), ",")
		}
	}
	_ = v.Each(ctx, func(ctx context.Context, i int, m *Member) error {
		_, err := m.Read(ctx, counting.Expected{Epoch: v.Epoch()}, nil)
		nodes[i].Silent = counting.WhySilent(err)
		nodes[i].Says = cmp.Or(counting.ServerSays(err), m.fault.refuses())
		// During a change of the ring, the epochs of node and view may differ.
		nodes[i].Answers = err == nil || errors.Is(err, counting.ErrStale) || errors.Is(err, counting.ErrAhead)
		if _, nodes[i].Why = Refusal(err); nodes[i].Why == "" && m.Behind() {
			nodes[i].Why = "it has lost acknowledged batches: its pages can't be read until they are repeated"
		}
		nodes[i].Since = m.since(nodes[i])
		return nil
	})
	return nodes
}
