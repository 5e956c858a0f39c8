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
			known.state.Incoming = len(firstKeys(t.table(inIncoming), nil, sharding.Arcs))
		}
		n.ring.Store(known)
	}
	if known.owner != "" && known.owner != n.id {
		return nil, fmt.Errorf("%w: it is %s", counting.ErrWrongNode, known.owner)
	}
	t.version, t.state = version, known.state
	return t, nil
}

// ringParts are the rings of a state by the keys under which they are stored.
func ringParts(s *sharding.RingState) map[string]**sharding.Ring {
	return map[string]**sharding.Ring{"fenced": &s.Fenced, "opened": &s.Opened, "approved": &s.Accepted}
}

func decodeKnown(b bucket, version int64) (*knownRing, error) {
	known := &knownRing{version: version, owner: counting.NodeID(b.Get([]byte("owner")))}
	for key, ring := range ringParts(&known.state) {
		document := b.Get([]byte(key))
		if document == nil {
			continue
		}
		decoded, err := sharding.Decode(document)
		if err != nil {
			return nil, err
		}
		*ring = decoded
	}
	return known, nil
}

// saveRing stores what has changed of the ring.
func (t *tx) saveRing(next sharding.RingState) {
	saved := &knownRing{version: t.version + 1, state: next}
	b := t.table(inRing)
	b.Put([]byte("version"), number(saved.version))
	if t.byArc {
		saved.owner = t.id
		b.Put([]byte("owner"), []byte(t.id))
	}
	before := ringParts(&t.state)
	for key, ring := range ringParts(&next) {
		switch *ring {
		case *before[key]:
		case nil:
			b.Delete([]byte(key))
		default:
			b.Put([]byte(key), (*ring).Encode())
		}
	}
	t.saved = saved
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
	return w, err
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
			t.startMoves(next.Opened)
		}
		return next, nil
	})
}

// changeRing stores what step makes of the ring, where that is something else.
func (n *core) changeRing(ctx context.Context, what string, step func(*tx) (sharding.RingState, error)) error {
	return n.updateAny(ctx, what, func(t *tx) error {
		next, err := step(t)
		if err == nil && next != t.state {
			t.saveRing(next)
		}
		return err
	})
}
