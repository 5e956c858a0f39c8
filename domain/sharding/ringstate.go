package sharding

import (
	"fmt"

	"footfall/domain/counting"
)

// Epochs are the epochs of the fence and of the opened ring, 0 if there is none. The
// error is counting.ErrUninitialized if the node stores no ring.
func (s RingState) Epochs() (fence, opened counting.Epoch, err error) {
	if s.Fenced == nil {
		return 0, 0, counting.ErrUninitialized
	}
	if s.Opened != nil {
		opened = s.Opened.epoch
	}
	return s.Fenced.epoch, opened, nil
}

// Serves is nil if the node serves reads of an epoch. Errors are those of
// counting.Counts.
func (s RingState) Serves(epoch counting.Epoch) error {
	fence, opened, err := s.Epochs()
	switch {
	case err != nil:
		return err
	case epoch < fence:
		return counting.ErrStale
	case epoch > opened:
		return counting.ErrAhead
	}
	return nil
}

// Summary is the state without its rings. The adapter adds Keys.
func (s RingState) Summary() (RingSummary, error) {
	fence, opened, err := s.Epochs()
	return RingSummary{Fence: fence, Opened: opened, Incoming: s.Incoming}, err
}

// Fence is the state of node id after RingStore.Fence(r), for adapters that store
// values; s itself if nothing changes. expected is the number of incoming arcs that are
// in r.CancelledMoves or r.ContinuedMoves.
func (s RingState) Fence(id counting.NodeID, r *Ring, expected int) (RingState, error) {
	if s.Fenced != nil {
		if err := s.compare(r); err != nil {
			return s, err
		}
		if r.epoch == s.Fenced.epoch {
			return s, nil
		}
	}
	switch {
	case s.Opened == nil && !r.Admits(id) && (s.Fenced == nil || !r.IsJoining(id)):
		return s, fmt.Errorf("%w, and the change doesn't make it a member", counting.ErrUninitialized)
	case s.Opened == nil:
	case s.Opened.epoch > r.parent && s.Opened.change != r.change:
		return s, fmt.Errorf("%w: the node has opened epoch %d", ErrConflict, s.Opened.epoch)
	case !r.CanFollow(s.Opened.Table()):
		return s, fmt.Errorf("%w: the node has missed a change", counting.ErrAhead)
	case s.Incoming > expected && r.Table() != s.Opened.Table():
		return s, fmt.Errorf("%w: %d", ErrMoving, s.Incoming-expected)
	}
	s.Fenced = r
	return s, nil
}

// Accept is the state after RingStore.Accept(r), for adapters that store values; s
// itself if nothing changes.
func (s RingState) Accept(r *Ring) (RingState, error) {
	if err := s.fencedFor(r); err != nil {
		return s, err
	}
	opened := s.Opened != nil && s.Opened.epoch == r.epoch
	if opened || s.Accepted != nil && s.Accepted.epoch == r.epoch {
		return s, nil
	}
	s.Accepted = s.Fenced
	return s, nil
}

// fencedFor is an error unless the node is fenced for r.
func (s RingState) fencedFor(r *Ring) error {
	if s.Fenced == nil {
		return fmt.Errorf("%w: the node is not fenced", ErrConflict)
	}
	if err := s.compare(r); err != nil {
		return err
	}
	if r.epoch != s.Fenced.epoch {
		return fmt.Errorf("%w: the node is fenced at epoch %d, not %d", ErrConflict, s.Fenced.epoch, r.epoch)
	}
	return nil
}

// Open is the state of node id after RingStore.Open(r), for adapters that store
// values; s itself if nothing changes. If r has another table than s, the arcs of
// r.Incoming(id) are incoming, but for those of r.ContinuedMoves that have arrived, whose
// number is arrived.
func (s RingState) Open(id counting.NodeID, r *Ring, arrived int) (RingState, error) {
	if err := s.fencedFor(r); err != nil {
		return s, err
	}
	if s.Opened != nil && s.Opened.epoch == r.epoch {
		return s, nil
	}
	if s.Opened == nil || s.Opened.Table() != s.Fenced.Table() {
		s.Incoming = len(s.Fenced.Incoming(id)) - arrived
	}
	s.Opened, s.Accepted = s.Fenced, nil
	return s, nil
}

// Moves is nil if the table is that of the opened ring. Errors are those of
// counting.Movable.
func (s RingState) Moves(table counting.Epoch) error {
	_, _, err := s.Epochs()
	switch {
	case err != nil:
		return err
	case s.Opened == nil || s.Opened.Table() < table:
		return counting.ErrAhead
	case s.Opened.Table() > table:
		return counting.ErrStale
	}
	return nil
}

// compare is an error if r can neither be the fence nor follow it.
func (s RingState) compare(r *Ring) error {
	f := s.Fenced
	switch {
	case r.deployment != f.deployment:
		return &counting.DeploymentError{Of: f.deployment, Meant: r.deployment}
	case r.epoch < f.epoch:
		return fmt.Errorf("%w: the node is fenced at epoch %d", counting.ErrStale, f.epoch)
	case r.epoch == f.epoch && r.change != f.change:
		return fmt.Errorf("%w: change %s", ErrConflict, f.change)
	}
	return nil
}
