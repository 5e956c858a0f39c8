package localnode

import (
	"context"
	"fmt"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// knownRing is what the store says of the ring at a version, so that documents
// are decoded only when they have changed.
type knownRing struct {
	version int64
	owner   counting.NodeID // whose store it is; empty where that isn't stored
	state   sharding.RingState
}

// begin reads what the node knows of the ring. Its state is zero when that is
// nothing. The error is counting.ErrWrongNode in the store of another node.
func (n *core) begin(root bucket) (*tx, error) {
	t := &tx{core: n, root: root, at: n.now()}
	b := t.table(inRing)
	version, err := readNumber(b.Get([]byte("version")), 0)
	if err != nil || version == 0 {
		return t, err
	}
	known := n.ring.Load()
	if known == nil || known.version != version {
		if known, err = decodeKnown(b, version); err != nil {
			return nil, notApplied(err)
		}
		if n.byArc {
			known.state.Incoming = int(t.table(inIncoming).Sequence())
		}
		n.ring.Store(known)
	}
	if known.owner != "" && known.owner != n.id {
		return nil, fmt.Errorf("%w: it is %s", counting.ErrWrongNode, known.owner)
	}
	t.version, t.state = version, known.state
	return t, nil
}

func decodeKnown(b bucket, version int64) (*knownRing, error) {
	known := &knownRing{version: version, owner: counting.NodeID(b.Get([]byte("owner")))}
	s := &known.state
	for key, into := range map[string]**sharding.Ring{"fenced": &s.Fenced, "opened": &s.Opened, "approved": &s.Accepted} {
		document := b.Get([]byte(key))
		if document == nil {
			continue
		}
		r, err := sharding.Decode(document)
		if err != nil {
			return nil, err
		}
		*into = r
	}
	return known, nil
}

// checkMember fails on a node that is part of no ring.
func (t *tx) checkMember() error {
	if t.state.Fenced == nil {
		return counting.ErrUninitialized
	}
	return nil
}

// saveRing stores what has changed of the ring.
func (t *tx) saveRing(next sharding.RingState) error {
	saved := &knownRing{version: t.version + 1, state: next}
	b := t.table(inRing)
	if err := b.Put([]byte("version"), number(saved.version)); err != nil {
		return err
	}
	if t.byArc {
		saved.owner = t.id
		if err := t.table(inIncoming).SetSequence(uint64(next.Incoming)); err != nil {
			return err
		}
		if err := b.Put([]byte("owner"), []byte(t.id)); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		key         string
		before, now *sharding.Ring
	}{
		{"fenced", t.state.Fenced, next.Fenced},
		{"opened", t.state.Opened, next.Opened},
		{"approved", t.state.Accepted, next.Accepted},
	} {
		if part.now == part.before {
			continue
		}
		var err error
		if part.now == nil {
			err = b.Delete([]byte(part.key))
		} else {
			err = b.Put([]byte(part.key), part.now.Encode())
		}
		if err != nil {
			return err
		}
	}
	t.saved = saved
	return nil
}

// RingState implements sharding.RingStore.
func (n *core) RingState(ctx context.Context) (s sharding.RingState, err error) {
	err = n.view(ctx, "read the ring", func(t *tx) error {
		s = t.state
		return nil
	})
	return s, err
}

// RingSummary implements sharding.RingStore.
func (n *core) RingSummary(ctx context.Context) (s sharding.RingSummary, err error) {
	err = n.view(ctx, "summarize the ring", func(t *tx) (err error) {
		s, err = t.state.Summary()
		s.Keys = int(keysKept(t.keyDays(false)))
		return err
	})
	return s, err
}

// Fence implements sharding.RingStore.
func (n *core) Fence(ctx context.Context, r *sharding.Ring) (w counting.Window, err error) {
	err = n.changeRing(ctx, "fence", func(t *tx) (sharding.RingState, error) {
		next, err := t.state.Fence(n.id, r, t.cancelled(r))
		if err != nil {
			return next, err
		}
		w, err = t.current(next)
		return next, err
	})
	if err != nil {
		return 0, err
	}
	return w, nil
}

// Accept implements sharding.RingStore.
func (n *core) Accept(ctx context.Context, r *sharding.Ring) error {
	return n.changeRing(ctx, "accept", func(t *tx) (sharding.RingState, error) { return t.state.Accept(r) })
}

// Open implements sharding.RingStore.
func (n *core) Open(ctx context.Context, r *sharding.Ring) error {
	return n.changeRing(ctx, "open", func(t *tx) (sharding.RingState, error) {
		next, err := t.state.Open(n.id, r)
		if err != nil || next.Opened == t.state.Opened {
			return next, err
		}
		if before := t.state.Opened; n.byArc && (before == nil || before.Table() != next.Opened.Table()) {
			err = t.startMoves(next.Opened)
		}
		return next, err
	})
}

// changeRing stores what step makes of the ring, where that is something else.
func (n *core) changeRing(ctx context.Context, what string, step func(*tx) (sharding.RingState, error)) error {
	return n.updateAny(ctx, what, func(t *tx) (bool, error) {
		next, err := step(t)
		if err != nil || next == t.state {
			return false, err
		}
		return true, t.saveRing(next)
	})
}
