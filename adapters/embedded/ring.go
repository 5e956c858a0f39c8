package embedded

import (
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// knownRing is a standing with its version in the file, so that documents are
// decoded only when they have changed.
type knownRing struct {
	version  int64
	standing sharding.RingState
}

// standing is what the node knows of the ring, with its version; Fenced is
// nil when that is nothing.
func (n *Node) standing(tx *bolt.Tx) (sharding.RingState, int64, error) {
	b := tx.Bucket([]byte(inRing))
	version, err := readNumber(b.Get([]byte("version")), 0)
	if err != nil || version == 0 {
		return sharding.RingState{}, 0, err
	}
	if known := n.ring.Load(); known != nil && known.version == version {
		return known.standing, version, nil
	}
	var s sharding.RingState
	if s.Fenced, err = decodeRing(b.Get([]byte("fenced"))); err != nil {
		return s, 0, notApplied(err)
	}
	if s.Opened, err = decodeRing(b.Get([]byte("opened"))); err != nil {
		return s, 0, notApplied(err)
	}
	if s.Accepted, err = decodeRing(b.Get([]byte("approved"))); err != nil {
		return s, 0, notApplied(err)
	}
	n.ring.Store(&knownRing{version: version, standing: s})
	return s, version, nil
}

func decodeRing(b []byte) (*sharding.Ring, error) {
	if b == nil {
		return nil, nil
	}
	return sharding.Decode(b)
}

// member is standing for what a node can do only as part of a ring.
func (n *Node) member(tx *bolt.Tx) (sharding.RingState, error) {
	s, _, err := n.standing(tx)
	if err == nil && s.Fenced == nil {
		err = counting.ErrUninitialized
	}
	return s, err
}

// saveRing keeps a standing that was made from the one of a version.
func saveRing(tx *bolt.Tx, s sharding.RingState, version int64) error {
	b := tx.Bucket([]byte(inRing))
	if err := put(b, []byte("version"), number(version+1)); err != nil {
		return err
	}
	for key, r := range map[string]*sharding.Ring{"fenced": s.Fenced, "opened": s.Opened, "approved": s.Accepted} {
		var err error
		if r == nil {
			err = remove(b, []byte(key))
		} else {
			err = put(b, []byte(key), r.Encode())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// RingState implements sharding.RingStore.
func (n *Node) RingState(ctx context.Context) (s sharding.RingState, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) (err error) {
		s, err = n.member(tx)
		return err
	})
	if err != nil {
		return sharding.RingState{}, fmt.Errorf("embedded: standing: %w", err)
	}
	return s, nil
}

// RingSummary implements sharding.RingStore. No arc ever comes to the one node of a store.
func (n *Node) RingSummary(ctx context.Context) (p sharding.RingSummary, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) error {
		s, err := n.member(tx)
		if err != nil {
			return err
		}
		p, err = s.Summary()
		_, kept := keysKept(tx, counting.DayOf(n.now()))
		p.Keys = int(kept)
		return err
	})
	if err != nil {
		return sharding.RingSummary{}, fmt.Errorf("embedded: pulse: %w", err)
	}
	return p, nil
}

// Fence implements sharding.RingStore.
func (n *Node) Fence(ctx context.Context, r *sharding.Ring) (w counting.Window, err error) {
	err = n.changeRing(ctx, func(tx *bolt.Tx, s sharding.RingState) (sharding.RingState, error) {
		next, err := s.Fence(n.ID(), r, 0)
		if err != nil {
			return s, err
		}
		w, err = n.current(tx, next)
		return next, err
	})
	if err != nil {
		return 0, fmt.Errorf("embedded: fence: %w", err)
	}
	return w, nil
}

// Accept implements sharding.RingStore.
func (n *Node) Accept(ctx context.Context, r *sharding.Ring) error {
	err := n.changeRing(ctx, func(_ *bolt.Tx, s sharding.RingState) (sharding.RingState, error) { return s.Accept(r) })
	if err != nil {
		return fmt.Errorf("embedded: approve: %w", err)
	}
	return nil
}

// Open implements sharding.RingStore.
func (n *Node) Open(ctx context.Context, r *sharding.Ring) error {
	err := n.changeRing(ctx, func(_ *bolt.Tx, s sharding.RingState) (sharding.RingState, error) { return s.Open(n.ID(), r) })
	if err != nil {
		return fmt.Errorf("embedded: open: %w", err)
	}
	return nil
}

func (n *Node) changeRing(ctx context.Context, step func(*bolt.Tx, sharding.RingState) (sharding.RingState, error)) error {
	return n.update(ctx, func(tx *bolt.Tx) (bool, error) {
		s, version, err := n.standing(tx)
		if err != nil {
			return false, err
		}
		next, err := step(tx, s)
		if err != nil || next == s {
			return false, err
		}
		return true, saveRing(tx, next, version)
	})
}

// current is the window that an id would go to.
func (n *Node) current(tx *bolt.Tx, s sharding.RingState) (counting.Window, error) {
	sealed, err := highestSealed(tx)
	if err != nil {
		return 0, err
	}
	return counting.CurrentWindow(s.Fenced.Length().At(n.now()), sealed), nil
}
