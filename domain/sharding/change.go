package sharding

import (
	"fmt"
	"slices"

	"footfall/domain/counting"
)

// Change identifies a step from one ring to the next.
//
// The quota of a member is Arcs times its weight, divided by the sum of the weights. A
// change moves arcs from or to the member that it names, and none between two others.
// Add and Reweight leave that member with its quota, rounded up or down. While all
// weights are equal, every member has its quota after any history. If weights differ,
// other members may drift: by less than one arc in 10^5 random changes, by 3.6 arcs in
// the worst history that a search found. Reweight to the same weight restores a quota.
type Change struct {
	// ID tells apart changes that begin simultaneously.
	ID string
	// From is the first window whose ids use the new table.
	From counting.Window
	// Oldest is the oldest window that is not done. Tables that are valid for
	// earlier windows only are dropped.
	Oldest counting.Window
	// Above is the highest known fence. The new epoch is higher than it, and than
	// that of the ring.
	Above counting.Epoch
	// Moving tells Abandon that arcs still move between the other members.
	Moving bool
}

// Add makes the ring with one more member. Arcs move to that member only.
func (r *Ring) Add(c Change, m Member) (*Ring, error) {
	n := r.next(c)
	if n.Index(m.ID) >= 0 {
		return nil, fmt.Errorf("%w: node %s is in it already", ErrBadChange, m.ID)
	}
	m.State, m.Since = Active, n.epoch
	return n.rebalanced(n.insert(m))
}

// Remove makes the ring in which a member is Leaving. Only its arcs move.
func (r *Ring) Remove(c Change, id counting.NodeID) (*Ring, error) {
	n := r.next(c)
	at, err := n.active(id)
	if err != nil {
		return nil, err
	}
	n.members[at].State, n.members[at].Weight = Leaving, 0
	return n.rebalanced(at)
}

// Reweight makes the ring in which a member has another weight. Arcs move either to
// that member or from it.
func (r *Ring) Reweight(c Change, id counting.NodeID, weight int) (*Ring, error) {
	n := r.next(c)
	at, err := n.active(id)
	if err != nil {
		return nil, err
	}
	n.members[at].Weight = weight
	return n.rebalanced(at)
}

// rebalanced is the changed ring r, after arcs have moved to or from one member.
func (r *Ring) rebalanced(at int) (*Ring, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	b := r.balance(r.tables[0].owners)
	if b.deficit(at) > 0 {
		b.take(at)
	} else {
		b.give(at)
	}
	return r, nil
}

// Abandon makes the ring in which some members are Lost. Their arcs get new owners, and
// are empty there, except for what had not left the source of a move to a lost member.
// The losses are recorded permanently. Moves between other members go on if c says that
// there are some (Table.Continues). ErrMinority: the other members have no quorum.
func (r *Ring) Abandon(c Change, ids ...counting.NodeID) (*Ring, error) {
	n := r.copy(c) // with all tables: they say where arcs were on their way from
	n.tables[0].Continues = c.Moving
	n.losses = slices.Clone(n.losses)
	for _, id := range ids {
		at := n.Index(id)
		if at < 0 || n.members[at].State == Lost {
			return nil, fmt.Errorf("%w: node %s is not in it", ErrBadChange, id)
		}
		n.members[at].State, n.members[at].Weight = Lost, 0
		n.losses = append(n.losses, Loss{Node: id, Epoch: n.epoch})
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	if !r.HasQuorum(n, func(counting.NodeID) bool { return true }) {
		return nil, fmt.Errorf("%w: %d of %d nodes are to be abandoned", ErrMinority, len(ids), len(r.voters()))
	}
	b := n.balance(n.tables[0].owners)
	for _, m := range r.Moves() {
		if n.members[m.To].State == Lost && b.deficit(m.From) >= b.total { // it need not move on
			b.move(m.Arc, m.From)
		}
	}
	for _, id := range ids {
		b.give(n.Index(id))
	}
	return n, nil
}

// withEpoch is the same ring in a later epoch, by another change.
func (r *Ring) withEpoch(c Change) *Ring {
	n := r.Propose(r, c.Above)
	n.change = c.ID
	return n
}

// Tidy makes the ring without the tables and members that no window needs. It moves
// nothing. All moves must have ended. The error is ErrBadChange if there is no member to
// drop.
func (r *Ring) Tidy(c Change) (*Ring, error) {
	n := r.withEpoch(c)
	n.tables = slices.Clone(r.tables)
	n.forget(1, c.Oldest)
	if len(n.members) == len(r.members) {
		return nil, fmt.Errorf("%w: no member can be dropped", ErrBadChange)
	}
	return n, nil
}

// MoveAddress makes the ring in which the server of a member has another address. It
// moves no arc. The member keeps its id, and all that it has.
func (r *Ring) MoveAddress(c Change, id counting.NodeID, addr string) (*Ring, error) {
	n := r.withEpoch(c)
	at := n.Index(id)
	switch {
	case at < 0 || n.members[at].State == Lost:
		return nil, fmt.Errorf("%w: node %s is not in it", ErrBadChange, id)
	case n.members[at].Addr == addr:
		return nil, fmt.Errorf("%w: node %s is at %s already", ErrBadChange, id, addr)
	}
	n.members = slices.Clone(r.members)
	n.members[at].Addr, n.members[at].Moved = addr, n.epoch
	if err := n.check(); err != nil {
		return nil, err
	}
	return n, nil
}

// active is the index of an active member.
func (r *Ring) active(id counting.NodeID) (int, error) {
	at := r.Index(id)
	if at < 0 || r.members[at].State != Active {
		return 0, fmt.Errorf("%w: node %s is not in it", ErrBadChange, id)
	}
	return at, nil
}

// copy is the ring of the next epoch. Its members, and its newest table, which has the
// owners of r, are copies, which the caller may change.
func (r *Ring) copy(c Change) *Ring {
	n := r.withEpoch(c)
	n.members = slices.Clone(r.members)
	owners := *r.tables[0].owners
	n.tables = append([]Table{{Epoch: n.epoch, From: c.From, owners: &owners}}, r.tables...)
	return n
}

// next is copy without the tables and members that are not needed. All moves must have
// ended.
func (r *Ring) next(c Change) *Ring {
	n := r.copy(c)
	for i := range n.tables {
		n.tables[i].Continues = false
	}
	n.forget(2, c.Oldest) // the second table says where the moves come from
	return n
}

// forget drops the tables that no window needs, since the oldest one has a later table,
// but leaves so many. Then it drops the members that are not active and own nothing in
// any table.
func (r *Ring) forget(leave int, oldest counting.Window) {
	for len(r.tables) > leave && r.tables[len(r.tables)-2].From <= oldest {
		r.tables = r.tables[:len(r.tables)-1]
	}
	left := func(m Member) bool { return m.State != Active }
	if !slices.ContainsFunc(r.members, left) {
		return
	}
	needed := make([]bool, len(r.members))
	for _, t := range r.tables {
		for _, o := range t.owners {
			needed[o] = true
		}
	}
	var kept []Member
	for i, m := range r.members {
		if !left(m) || needed[i] {
			kept = append(kept, m)
		}
	}
	r.setMembers(kept)
}

// insert inserts a member in order, and returns its index.
func (r *Ring) insert(m Member) int {
	at, _ := slices.BinarySearchFunc(r.members, m.ID, byID)
	r.setMembers(slices.Insert(slices.Clone(r.members), at, m))
	return at
}

// setMembers replaces the members, and the tables by copies with the indexes of the new
// ones. Members that are left out own nothing.
func (r *Ring) setMembers(members []Member) {
	index := make([]uint16, len(r.members)) // new, by the old one
	before := r.members
	r.members = members
	for i, m := range before {
		index[i] = uint16(max(r.Index(m.ID), 0))
	}
	for i := range r.tables {
		owners := new([Arcs]uint16)
		for arc, o := range r.tables[i].owners {
			owners[arc] = index[o]
		}
		r.tables[i].owners = owners
	}
}
