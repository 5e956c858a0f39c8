package sharding

import "footfall/domain/counting"

// Which ring follows another is decided once, by a vote of the members of the
// ring before (Lamport, "Paxos Made Simple", 2001). Epochs are the ballots:
// a fence is the promise to approve nothing under a lower one, an approval is
// the vote. What is voted on is a change, known by its id, and the change that
// made the ring before stands for "none": so all rings that follow one ring
// and that nodes open are of one change.

// HasQuorum tells whether nodes that say yes are enough for next to follow r. The
// active members of r have one vote each; if their number is even, the first
// one has two; one that is leaving has none, since next may have forgotten it. So
// of two nodes the first decides, and of more than two any one may be away. More
// than half of the votes are needed, also where next gives members up, whose votes
// count as a no; but of two members the second alone gives up the first.
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
	if len(voters) == 2 && next.abandons(voters[0]) {
		return ayes > 0
	}
	return ayes > all/2
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

// abandons tells whether a member is lost.
func (r *Ring) abandons(id counting.NodeID) bool {
	at := r.Index(id)
	return at >= 0 && r.members[at].State == Lost
}

// Propose is what r or a ring after it is under an epoch above all that are
// known, to follow r: r itself undoes what was begun after it and not decided.
func (r *Ring) Propose(value *Ring, above counting.Epoch) *Ring {
	n := *value
	n.epoch, n.parent = max(r.epoch, value.epoch, above)+1, r.epoch
	return &n
}

// Due is what has to be proposed to follow r by one who has been told the
// standings of enough nodes (HasQuorum) after they were fenced: the ring that was
// approved under the highest epoch, since it may have been decided, or r. One
// that follows a ring after r counts, too: nobody begins another change before
// all nodes have opened that ring, so that it is that ring again.
func (r *Ring) MustPropose(standings []RingState) *Ring {
	due := r
	for _, s := range standings {
		if a := s.Accepted; a != nil && a.parent >= r.epoch && a.epoch > due.epoch {
			due = a
		}
	}
	return due
}
