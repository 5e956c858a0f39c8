package cluster

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// View is one ring with its nodes, in the order of the ring's members. It is immutable,
// except for what is known of the moves.
type View struct {
	*sharding.Ring
	Nodes []*Member
	loses []bool // by table: LosesTable
	moves *moves
}

// moves is what this instance knows of the moves to a table.
type moves struct {
	table counting.Epoch
	// done, by member: all of its incoming arcs are closed. After a power cut they
	// may have to be closed again.
	done []atomic.Bool
	// closed are the arcs that have arrived permanently, even if the node forgets
	// that it has closed them.
	closed [sharding.Arcs / 64]atomic.Uint64
}

// newMoves keeps what the view before knows of the moves, if it has the same table.
func newMoves(before *View, ring *sharding.Ring) *moves {
	n := &moves{table: ring.Table(), done: make([]atomic.Bool, len(ring.Members()))}
	if before == nil || before.moves.table != n.table {
		return n
	}
	for i := range before.moves.closed {
		n.closed[i].Store(before.moves.closed[i].Load())
	}
	for i, m := range before.Members() {
		if at := ring.Index(m.ID); at >= 0 {
			n.done[at].Store(before.moves.done[i].Load())
		}
	}
	return n
}

// Source is the node from which an arc moves to its owner; nil if it is known to have
// arrived.
func (v *View) Source(arc counting.Arc) *Member {
	from, owner := v.From(arc), v.Owner(arc)
	if from == owner || v.moves.done[owner].Load() || v.moves.closed[arc/64].Load()&(1<<(arc%64)) != 0 {
		return nil
	}
	return v.Nodes[from]
}

// Arrived notes that the move of an arc has ended.
func (v *View) Arrived(arc counting.Arc) { v.moves.closed[arc/64].Or(1 << (arc % 64)) }

// MayReceive tells whether arcs may be moving to a member.
func (v *View) MayReceive(member int) bool { return !v.moves.done[member].Load() }

// Away tells whether a member is Lost, so that it is not asked.
func (v *View) Away(member int) bool { return v.Members()[member].State == sharding.Lost }

// Present are the members but the lost ones and those with the indexes of without.
func (v *View) Present(without ...int) (members []*Member) {
	for i, m := range v.Nodes {
		if !v.Away(i) && !slices.Contains(without, i) {
			members = append(members, m)
		}
	}
	return members
}

// Second is the node that has a copy of what is recorded of a window; nil if there is none.
func (v *View) Second(w counting.Window) *Member {
	if i := v.SecondIndex(w); i >= 0 {
		return v.Nodes[i]
	}
	return nil
}

// Home is the node whose ledger has the entry of a window that is being closed.
func (v *View) Home(w counting.Window) *Member { return v.Nodes[v.HomeIndex(w)] }

// adopt makes a ring the current view, unless that is newer. The first ring decides which
// deployment the instance belongs to, until it ends. Any other is logged.
func (c *Cluster) adopt(ring *sharding.Ring) error {
	if ring.Length() != c.opts.Length {
		return fmt.Errorf("the stored windows are %v long, the configuration says %v: one store has one length",
			time.Duration(ring.Length()), time.Duration(c.opts.Length))
	}
	if ring.Name() != c.opts.Name {
		return fmt.Errorf("the store belongs to the deployment named %q, the configuration says %q: a store keeps the name of its first start",
			ring.Name(), c.opts.Name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.view.Load()
	switch {
	case before == nil:
		c.deployment = ring.Deployment()
		for _, m := range c.members {
			m.Bind(c.deployment)
		}
	case before.Deployment() != ring.Deployment():
		return &counting.DeploymentError{Of: ring.Deployment(), Meant: before.Deployment()}
	case before.Epoch() >= ring.Epoch():
		return nil
	}
	v, err := c.viewOf(ring)
	if err != nil {
		return err
	}
	v.moves = newMoves(before, ring)
	c.moveNodes(v)
	c.view.Store(v)
	if before == nil {
		return nil
	}
	c.opts.Log.Info("ring changed", "epoch", ring.Epoch(), "nodes", ring.Describe())
	for i, m := range v.Nodes {
		if !v.Away(i) { // an abandoned node that has missed changes never answers
			m.Check()
		}
	}
	return nil
}

// Present are the nodes of a ring but the lost ones.
func (c *Cluster) Present(ring *sharding.Ring) ([]*Member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, err := c.viewOf(ring)
	return v.Present(), err
}

// viewOf is a ring with its nodes. The caller holds the mutex.
func (c *Cluster) viewOf(ring *sharding.Ring) (*View, error) {
	v := &View{Ring: ring}
	for _, m := range ring.Members() {
		node, err := c.node(m, ring)
		if err != nil {
			return v, err
		}
		v.Nodes = append(v.Nodes, node)
	}
	for table := range ring.Tables() {
		v.loses = append(v.loses, ring.LosesTable(table))
	}
	return v, nil
}
