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
	standing sharding.Standing
}

// standing is what the node knows of the ring, with its version; Fenced is
// nil when that is nothing.
func (n *Node) standing(tx *bolt.Tx) (sharding.Standing, int64, error) {
	b := tx.Bucket([]byte(inRing))
	version, err := readNumber(b.Get([]byte("version")), 0)
	if err != nil || version == 0 {
		return sharding.Standing{}, 0, err
	}
	if known := n.ring.Load(); known != nil && known.version == version {
		return known.standing, version, nil
	}
	var s sharding.Standing
	if s.Fenced, err = decodeRing(b.Get([]byte("fenced"))); err != nil {
		return s, 0, notApplied(err)
	}
	if s.Opened, err = decodeRing(b.Get([]byte("opened"))); err != nil {
		return s, 0, notApplied(err)
	}
	if s.Approved, err = decodeRing(b.Get([]byte("approved"))); err != nil {
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
func (n *Node) member(tx *bolt.Tx) (sharding.Standing, error) {
	s, _, err := n.standing(tx)
	if err == nil && s.Fenced == nil {
		err = counting.ErrUninitialized
	}
	return s, err
}

// saveRing keeps a standing that was made from the one of a version.
func saveRing(tx *bolt.Tx, s sharding.Standing, version int64) error {
	b := tx.Bucket([]byte(inRing))
	if err := put(b, []byte("version"), number(version+1)); err != nil {
		return err
	}
	for key, r := range map[string]*sharding.Ring{"fenced": s.Fenced, "opened": s.Opened, "approved": s.Approved} {
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

// Standing implements sharding.Keeper.
func (n *Node) Standing(ctx context.Context) (s sharding.Standing, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) (err error) {
		s, err = n.member(tx)
		return err
	})
	if err != nil {
		return sharding.Standing{}, fmt.Errorf("embedded: standing: %w", err)
	}
	return s, nil
}

// Pulse implements sharding.Keeper. No arc ever comes to the one node of a store.
func (n *Node) Pulse(ctx context.Context) (p sharding.Pulse, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) error {
		s, err := n.member(tx)
		if err != nil {
			return err
		}
		p, err = s.Pulse()
		_, kept := keysKept(tx, counting.DayOf(n.now()))
		p.Keys = int(kept)
		return err
	})
	if err != nil {
		return sharding.Pulse{}, fmt.Errorf("embedded: pulse: %w", err)
	}
	return p, nil
}

// Fence implements sharding.Keeper.
func (n *Node) Fence(ctx context.Context, r *sharding.Ring) (w counting.Window, err error) {
	err = n.changeRing(ctx, func(tx *bolt.Tx, s sharding.Standing) (sharding.Standing, error) {
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

// Approve implements sharding.Keeper.
func (n *Node) Approve(ctx context.Context, r *sharding.Ring) error {
	err := n.changeRing(ctx, func(_ *bolt.Tx, s sharding.Standing) (sharding.Standing, error) { return s.Approve(r) })
	if err != nil {
		return fmt.Errorf("embedded: approve: %w", err)
	}
	return nil
}

// Open implements sharding.Keeper.
func (n *Node) Open(ctx context.Context, r *sharding.Ring) error {
	err := n.changeRing(ctx, func(_ *bolt.Tx, s sharding.Standing) (sharding.Standing, error) { return s.Open(n.ID(), r) })
	if err != nil {
		return fmt.Errorf("embedded: open: %w", err)
	}
	return nil
}

func (n *Node) changeRing(ctx context.Context, step func(*bolt.Tx, sharding.Standing) (sharding.Standing, error)) error {
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
func (n *Node) current(tx *bolt.Tx, s sharding.Standing) (counting.Window, error) {
	sealed, err := highestSealed(tx)
	if err != nil {
		return 0, err
	}
	return counting.Choose(s.Fenced.Length().At(n.now()), sealed), nil
}
