package sharding

import "footfall/domain/counting"

// Which ring follows another is decided by single-decree Paxos among the members of
// the ring before (Lamport, "Paxos Made Simple", 2001; design: ring). Epochs are the
// ballots. A fence is the promise to accept nothing of a lower epoch. The value is a
// change, by its id; the change that made the ring before means "no change". So all
// rings that follow one ring, and that nodes open, are of one change.

// HasQuorum tells whether the nodes that say yes are enough for next to follow r. Each
// active member of r has one vote; if their number is even, the first one has two. A
// leaving member has none, since next may have dropped it. So of two nodes the first
// decides, and of more than two any one may be away.
//
// A quorum is more than half of the votes. Members that next abandons count as no. But
// of two members, the second alone can abandon the first. That is proposed only when the
// first is empty (Decider): it can decide otherwise no more.
func (r *Ring) HasQuorum(next *Ring, yes func(counting.NodeID) bool) bool {
	voters := r.voters()
	ayes, all := 0, 0
	for i, id := range voters {
		votes := 1
		if i == 0 && len(voters)%2 == 0 {
			votes = 2
		}
		all += votes
		if !next.abandons(id) && yes(id) {
			ayes += votes
		}
	}
	if _, ok := r.Decider(next); ok {
		return ayes > 0
	}
	return ayes > all/2
}

// Decider is the first of two active members, if next abandons it. Only that node
// can say that it decides nothing else.
func (r *Ring) Decider(next *Ring) (id counting.NodeID, ok bool) {
	voters := r.voters()
	if len(voters) != 2 || !next.abandons(voters[0]) {
		return "", false
	}
	return voters[0], true
}

// voters are the active members.
func (r *Ring) voters() []counting.NodeID {
	var ids []counting.NodeID
	for _, m := range r.members {
		if m.State == Active {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// abandons tells whether a member is Lost.
func (r *Ring) abandons(id counting.NodeID) bool {
	at := r.Index(id)
	return at >= 0 && r.members[at].State == Lost
}

// Propose is a ring, r or one that follows it, in an epoch above all known ones, as a
// ring that follows r. Proposing r itself rolls back an undecided change.
func (r *Ring) Propose(value *Ring, above counting.Epoch) *Ring {
	n := *value
	n.epoch, n.parent = max(r.epoch, value.epoch, above)+1, r.epoch
	return &n
}

// MustPropose is the value that a proposer has to propose, given the states of a
// quorum (HasQuorum) after it was fenced: the ring accepted in the highest epoch, since
// it may be decided, or r if there is none. A ring that follows a ring after r counts,
// too: no change begins before all nodes have opened the ring before, so it is that
// ring again.
func (r *Ring) MustPropose(states []RingState) *Ring {
	due := r
	for _, s := range states {
		if a := s.Accepted; a != nil && a.parent >= r.epoch && a.epoch > due.epoch {
			due = a
		}
	}
	return due
}
