package resharding

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// errLearned: the server at the new address has opened a newer ring, which was adopted.
var errLearned = errors.New("the ring has changed meanwhile")

// moved is a member whose server is at another address.
type moved struct {
	id     counting.NodeID
	addr   string
	node   *cluster.Member // there
	server string          // that answers there
	hangUp func()
}

// MoveAddress makes the server at an address the one of a member, which keeps its id and all
// that it has. The server must be the same node, and have been fenced for the last change that
// moved something (sharding.Ring.Changed), or later: sharding.ErrWrongServer. The old address
// must not lead to another server that answers as the node: sharding.ErrTwoServers. No arc
// moves, and arcs that are moving move on (design: address). It may be repeated, at other
// instances too: one that can't follow the ring, since its only node has moved, learns it
// that way.
func (s *Service) MoveAddress(ctx context.Context, id counting.NodeID, where string, dry bool) (sharding.Plan, error) {
	if s.Locate != nil && !s.Cluster.CanMove() {
		return sharding.Plan{}, fmt.Errorf("%w: the ring does not say where the servers of this store are", sharding.ErrBadChange)
	}
	m := &moved{id: id, hangUp: func() {}}
	plan, err := s.make(ctx, dry, transition{Service: s, moved: m, plan: func(v *cluster.View, c sharding.Change) (*sharding.Ring, error) {
		_, addr, err := s.Locate(where, v.Members())
		if err != nil {
			return nil, fmt.Errorf("%w: %w", sharding.ErrBadChange, err)
		}
		m.addr = addr
		return v.MoveAddress(c, id, addr)
	}})
	m.hangUp()
	if !errors.Is(err, errLearned) {
		return plan, err
	}
	v := s.Cluster.View()
	if at := v.Index(id); at < 0 || v.Members()[at].Addr != m.addr {
		return sharding.Plan{}, fmt.Errorf("%w: %w", sharding.ErrBusy, err)
	}
	return sharding.Plan{Epoch: v.Epoch(), Nodes: map[counting.NodeID]int{}, Members: v.Describe()}, nil
}

// lookElsewhere has the view ask the member at its new address, and checks that its server
// there can be the node's. errLearned: it has opened a newer ring.
func (t *transition) lookElsewhere(ctx context.Context) error {
	if _, err := t.plan(t.view, sharding.Change{}); err != nil { // before any node is asked
		return err
	}
	m := t.moved
	there, hangUp, err := t.Cluster.Elsewhere(t.view, m.id, m.addr)
	if err != nil {
		return counting.Mark(err, counting.ErrUnavailable)
	}
	m.hangUp()
	m.hangUp, m.node = hangUp, there.Nodes[there.Index(m.id)]
	state, err := cluster.Call(ctx, cluster.CallTimeout, m.node.RingState)
	if err != nil {
		return wrongServer(m, err)
	}
	if newer, err := t.Cluster.Learn(state.Opened); err != nil {
		return counting.Mark(err, counting.ErrUnavailable)
	} else if newer {
		return errLearned
	}
	fence, _, err := state.Epochs()
	if err != nil {
		return wrongServer(m, err)
	}
	// Every node was fenced for that change before it was decided, and no fence goes back.
	if fence < t.view.Changed() {
		return fmt.Errorf("%w: %s at %s has an older copy of it, of epoch %d, and the ring has changed in epoch %d; start a server with its newest data there",
			sharding.ErrWrongServer, m.id, m.addr, fence, t.view.Changed())
	}
	if m.server, err = cluster.Call(ctx, cluster.CallTimeout, func(ctx context.Context) (string, error) { return t.Cluster.ServerOf(ctx, m.node.Node) }); err != nil {
		return counting.Mark(err, counting.ErrUnavailable)
	}
	if err := t.checkFormer(ctx); err != nil {
		return err
	}
	t.view = there
	return nil
}

// wrongServer is the error for the server at the new address that has answered with err.
func wrongServer(m *moved, err error) error {
	switch {
	case errors.Is(err, counting.ErrUninitialized):
		return fmt.Errorf("%w: the one at %s is empty; start a server with the data of %s there", sharding.ErrWrongServer, m.addr, m.id)
	case errors.Is(err, counting.ErrWrongNode), errors.Is(err, counting.ErrOtherDeployment), errors.Is(err, counting.ErrNewerFormat):
		return fmt.Errorf("%w: %w", sharding.ErrWrongServer, err)
	case errors.Is(err, counting.ErrUnusable): // a replica, among others
		return fmt.Errorf("%w: %w", sharding.ErrWrongServer, cluster.Named(m.id, err))
	}
	return counting.Mark(cluster.Named(m.id, err), counting.ErrUnavailable)
}

// checkFormer is sharding.ErrTwoServers if another server answers as the member at its old
// address, in the ring or in this instance's configuration. One that can't serve the member
// may be there: it is empty, another node or a replica.
func (t *transition) checkFormer(ctx context.Context) error {
	m := t.moved
	former := []string{t.view.Members()[t.view.Index(m.id)].Addr, t.Cluster.View().Nodes[t.Cluster.View().Index(m.id)].Addr()}
	for _, addr := range slices.Compact(former) {
		if addr == m.addr {
			continue
		}
		var server string
		err := t.Cluster.Probe(ctx, sharding.Member{ID: m.id, Addr: addr}, func(ctx context.Context, n cluster.Node) error {
			_, err := n.RingSummary(ctx)
			if err == nil {
				server, err = t.Cluster.ServerOf(ctx, n)
			}
			return err
		})
		switch says := counting.ServerSays(err); {
		case err == nil && server != m.server:
			return fmt.Errorf("%w: the old one of %s answers at %s, the new one at %s; stop the old one first, so that it never comes back",
				sharding.ErrTwoServers, m.id, addr, m.addr)
		case err != nil && says != "" && !errors.Is(err, counting.ErrUnusable):
			return fmt.Errorf("%w: the old one of %s runs at %s, and says %s; stop it first, so that it never comes back",
				sharding.ErrTwoServers, m.id, addr, says)
		}
	}
	return nil
}

// isElsewhere tells whether a node is the member that gets another address.
func (t *transition) isElsewhere(m *cluster.Member) bool { return t.moved != nil && m == t.moved.node }

// nodes are those of the next ring.
func (t *transition) nodes() ([]*cluster.Member, error) {
	if t.moved != nil { // it is asked at its new address
		return t.view.Present(), nil
	}
	return t.Cluster.Present(t.next)
}
