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
	owner   counting.NodeID // whose store it is
	state   sharding.RingState
}

// begin reads what the node knows of the ring. Its state is zero when that is
// nothing. The errors are counting.ErrWrongNode in the store of another node, and
// counting.ErrOtherDeployment.
func (n *core) begin(root bucket) (*tx, error) {
	t := &tx{core: n, root: root, at: n.now(), pages: table(root, inPages)}
	version, err := readNumber(t.table(inRing).Get([]byte("version")))
	if err != nil || version == 0 {
		return t, err
	}
	known := n.ring.Load()
	if known == nil || known.version != version {
		if known, err = t.decodeRing(version); err != nil {
			return nil, notApplied(err)
		}
		n.ring.Store(known)
	}
	if known.owner != n.id {
		return nil, fmt.Errorf("%w: it is %s", counting.ErrWrongNode, known.owner)
	}
	if err := n.means(known.state.Fenced); err != nil {
		return nil, err
	}
	t.version, t.state = version, known.state
	return t, nil
}

// ringParts are the rings of a state by the keys under which they are stored: approved is
// what is called accepted today.
func ringParts(s *sharding.RingState) map[string]**sharding.Ring {
	return map[string]**sharding.Ring{"fenced": &s.Fenced, "opened": &s.Opened, "approved": &s.Accepted}
}

// decodeRing reads the ring that an earlier process has stored, or a concurrent
// transaction that has just committed.
func (t *tx) decodeRing(version int64) (known *knownRing, err error) {
	known = &knownRing{version: version, owner: t.id}
	for key, ring := range ringParts(&known.state) {
		if document := t.table(inRing).Get([]byte(key)); document != nil {
			if *ring, err = sharding.Decode(document); err != nil {
				return nil, err
			}
		}
	}
	if t.byArc {
		known.state.Incoming = len(arcsIn(t.table(inIncoming)))
	}
	return known, nil
}

// saveRing stores what has changed of the ring.
func (t *tx) saveRing(next sharding.RingState) {
	t.saved = &knownRing{t.version + 1, t.id, next}
	b := t.table(inRing)
	b.Put([]byte("version"), number(t.saved.version))
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
}

// Bind implements sharding.RingStore.
func (n *core) Bind(deployment string) { n.bound.Store(&deployment) }

// means is counting.ErrOtherDeployment if calls mean another deployment than a ring's.
func (n *core) means(r *sharding.Ring) error {
	if bound := n.bound.Load(); bound != nil && r != nil && r.Deployment() != *bound {
		return &counting.DeploymentError{Of: r.Deployment(), Meant: *bound}
	}
	return nil
}

// RingState implements sharding.RingStore.
func (n *core) RingState(ctx context.Context) (s sharding.RingState, err error) {
	err = n.view(ctx, "read the ring", isMember, func(t *tx) error {
		s = t.state
		return nil
	})
	return s, err
}

// RingSummary implements sharding.RingStore.
func (n *core) RingSummary(ctx context.Context) (s sharding.RingSummary, err error) {
	err = n.view(ctx, "summarize the ring", isMember, func(t *tx) (err error) {
		s, err = t.state.Summary()
		s.Keys, s.Pages = t.keysKept(t.keyDays(false)), int(n.count.known.Load())
		s.DeadLetters, s.DroppedDeadLetters = t.summarizeLetters()
		s.DiskFree = n.free()
		return err
	})
	return s, err
}

// Fence implements sharding.RingStore.
func (n *core) Fence(ctx context.Context, r *sharding.Ring) (w counting.Window, err error) {
	err = n.changeRing(ctx, "fence", func(t *tx) (sharding.RingState, error) {
		if err := n.means(r); err != nil {
			return t.state, err
		}
		next, err := t.state.Fence(n.id, r, t.incomingOf(append(r.CancelledMoves(n.id), r.ContinuedMoves(n.id)...)...))
		if err != nil {
			return next, err
		}
		if w, err = t.current(next); err == nil {
			w = max(w, t.lastWaiting())
		}
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
		next, err := t.state.Open(n.id, r, t.arrived(r))
		if err != nil || next.Opened == t.state.Opened {
			return next, err
		}
		if before := t.state.Opened; n.byArc && (before == nil || before.Table() != next.Opened.Table()) {
			t.startMoves(next.Opened)
			if until := next.Opened.LostUntil(); before != nil && until > 0 {
				t.awaitLost(until)
			}
		}
		return next, nil
	})
}

// changeRing stores what step makes of the ring, where that is something else.
func (n *core) changeRing(ctx context.Context, what string, step func(*tx) (sharding.RingState, error)) error {
	return n.update(ctx, what, anyRing, func(t *tx) error {
		next, err := step(t)
		if err == nil && next != t.state {
			t.saveRing(next)
		}
		return err
	})
}
