package cluster

import (
	"errors"
	"sync/atomic"
	"time"

	"footfall/domain/counting"
)

// roomWithin is for how long batches wait for a node without room, whose history can be dropped. It is less than
// groupcommit.Deadline: if the node says that it has applied nothing, their callers get a refusal then, and no doubt.
const roomWithin = 600 * time.Millisecond

// room is what an instance knows of the room of a node.
type room struct {
	// refused is when the last batch was refused for lack of room, and first when the first of
	// those was that none was applied after; nil without one.
	refused, first atomic.Pointer[time.Time]
	// kept is what the node has answered last about its history.
	kept atomic.Pointer[counting.HistoryState]
}

// isMade tells whether room may be made for a batch that was refused: the node has history to
// drop, and not much time has passed.
func (r *room) isMade() bool {
	kept, first := r.kept.Load(), r.first.Load()
	return kept != nil && kept.CanDrop(time.Now()) && first != nil && time.Since(*first) < roomWithin
}

// noteRoom notes whether a batch was refused for lack of room. If so, it wakes the service that makes room.
func (c *Cluster) noteRoom(m *Member, err error) {
	now := time.Now()
	switch {
	case err == nil:
		m.room.first.Store(nil)
	case errors.Is(err, counting.ErrNoRoom):
		m.room.refused.Store(&now)
		m.room.first.CompareAndSwap(nil, &now)
		select {
		case c.full <- struct{}{}:
		default:
		}
	}
}

// NoRoom receives when a node has refused a batch for lack of room.
func (c *Cluster) NoRoom() <-chan struct{} { return c.full }

// NoRoomAt is when the node refused the last batch for lack of room; zero if it never did.
func (m *Member) NoRoomAt() time.Time {
	if at := m.room.refused.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// KeptHistory is what the node has answered last about its history.
func (m *Member) KeptHistory() counting.HistoryState {
	if kept := m.room.kept.Load(); kept != nil {
		return *kept
	}
	return counting.HistoryState{}
}
