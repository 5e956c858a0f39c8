package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"footfall/domain/counting"
)

// Claim implements counting.Ledger.
func (n *Node) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (token string, e counting.Entry, err error) {
	err = n.change(ctx, "claim", w, func(kept *entry, now time.Time) (err error) {
		token, err = kept.Claim(owner, now, lease)
		e = kept.Entry
		return err
	})
	if err != nil {
		return "", counting.Entry{}, err
	}
	return token, e, nil
}

// Renew implements counting.Ledger.
func (n *Node) Renew(ctx context.Context, w counting.Window, token string, lease time.Duration) error {
	return n.change(ctx, "renew the claim of", w, func(kept *entry, now time.Time) error {
		return kept.Renew(token, now, lease)
	})
}

// Record implements counting.Ledger.
func (n *Node) Record(ctx context.Context, w counting.Window, token string, count int64) (recorded int64, err error) {
	err = n.change(ctx, "record", w, func(kept *entry, now time.Time) (err error) {
		recorded, err = kept.Record(token, now, count)
		return err
	})
	return recorded, err
}

// MarkLost implements counting.Ledger.
func (n *Node) MarkLost(ctx context.Context, w counting.Window, token string) error {
	return n.change(ctx, "lose", w, func(kept *entry, now time.Time) error { return kept.MarkLost(token, now) })
}

// Publish implements counting.Ledger.
func (n *Node) Publish(ctx context.Context, w counting.Window, token, sink string) error {
	return n.change(ctx, "publish", w, func(kept *entry, now time.Time) error {
		return kept.Publish(token, now, sink)
	})
}

// Finish implements counting.Ledger.
func (n *Node) Finish(ctx context.Context, w counting.Window, token string, totals counting.DeliveryTotals) error {
	return n.change(ctx, "finish", w, func(kept *entry, now time.Time) error {
		before := kept.State
		if err := kept.Finish(token, now, totals); err != nil {
			return err
		}
		if kept.State != before {
			kept.done = now
		}
		return nil
	})
}

// SaveDelivery implements counting.Ledger.
func (n *Node) SaveDelivery(ctx context.Context, w counting.Window, token, endpoint string, c counting.Delivery) error {
	return n.change(ctx, "save a call of", w, func(kept *entry, now time.Time) error {
		if err := kept.SaveDelivery(token, now); err != nil {
			return err
		}
		kept.calls[endpoint] = c
		return nil
	})
}

// change lets act change the entry of w, a new one where there is none; an
// error of act must leave it as it was.
func (n *Node) change(ctx context.Context, what string, w counting.Window, act func(*entry, time.Time) error) error {
	if err := n.lockMember(ctx); err != nil {
		return fmt.Errorf("%s window %d on %s: %w", what, w, n.id, err)
	}
	defer n.mu.Unlock()
	kept := n.state.entries[w]
	if kept == nil {
		kept = &entry{LedgerEntry: counting.NewLedgerEntry(w), calls: make(map[string]counting.Delivery)}
	}
	if kept.calls == nil {
		return fmt.Errorf("%s window %d on %s: %w", what, w, n.id, counting.Corrupt)
	}
	if err := act(kept, n.now()); err != nil {
		return fmt.Errorf("%s window %d on %s: %w", what, w, n.id, err)
	}
	n.state.entries[w] = kept
	return nil
}

// Entry implements counting.Ledger.
func (n *Node) Entry(ctx context.Context, w counting.Window) (counting.Entry, map[string]counting.Delivery, error) {
	if err := n.lockMember(ctx); err != nil {
		return counting.Entry{}, nil, fmt.Errorf("entry of window %d on %s: %w", w, n.id, err)
	}
	defer n.mu.Unlock()
	kept := n.state.entries[w]
	switch {
	case kept == nil:
		return counting.NewLedgerEntry(w).Entry, nil, nil
	case kept.calls == nil:
		return counting.Entry{}, nil, fmt.Errorf("entry of window %d on %s: %w", w, n.id, counting.Corrupt)
	}
	return kept.Entry, maps.Clone(kept.calls), nil
}

// Entries implements counting.Ledger.
func (n *Node) Entries(ctx context.Context, before counting.Window, limit int) ([]counting.Entry, error) {
	if err := n.lockMember(ctx); err != nil {
		return nil, fmt.Errorf("entries of %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	var entries []counting.Entry
	for w, kept := range n.state.entries {
		switch {
		case w >= before:
		case kept.calls == nil:
			entries = append(entries, counting.Entry{Window: w, State: counting.Damaged})
		default:
			entries = append(entries, kept.Entry)
		}
	}
	slices.SortFunc(entries, func(a, b counting.Entry) int { return cmp.Compare(b.Window, a.Window) })
	return entries[:min(max(limit, 0), len(entries))], nil
}
