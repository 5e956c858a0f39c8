package localnode

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"footfall/domain/counting"
)

// savedEntry is the stored form of a counting.LedgerEntry; its key is the window.
type savedEntry struct {
	State counting.State `json:"state"`
	Count int64          `json:"count"`
	Sink  string         `json:"sink,omitempty"`
	counting.DeliveryTotals
	Owner   string `json:"owner"`
	Claims  int64  `json:"claims"`
	Until   int64  `json:"until_ms"`
	Changed int64  `json:"changed_ms"`
}

// decodeEntry reads an entry; without a value it is that of a new window. The
// error is counting.Corrupt.
func decodeEntry(w counting.Window, b []byte) (counting.LedgerEntry, error) {
	c := counting.NewLedgerEntry(w)
	if b == nil {
		return c, nil
	}
	var s savedEntry
	if err := json.Unmarshal(b, &s); err != nil {
		return c, fmt.Errorf("%w: the entry: %w", counting.Corrupt, err)
	}
	switch s.State {
	case counting.Open, counting.Sealed, counting.Published, counting.Done, counting.Lost:
	default:
		return c, fmt.Errorf("%w: the entry: its state is %q", counting.Corrupt, s.State)
	}
	if s.Count < 0 {
		return c, fmt.Errorf("%w: the entry: its count is %d", counting.Corrupt, s.Count)
	}
	c.State, c.Count, c.Sink = s.State, s.Count, s.Sink
	c.Deliveries, c.Owner, c.Claims = s.DeliveryTotals, s.Owner, s.Claims
	c.Until, c.Changed = time.UnixMilli(s.Until), time.UnixMilli(s.Changed)
	return c, nil
}

// entry reads the entry of w, a new one where it isn't known. The error is
// counting.Corrupt.
func (t *tx) entry(w counting.Window) (e counting.LedgerEntry, known bool, err error) {
	entries, key := t.table(inEntries), ordered(w)
	value := entries.Get(key)
	if value == nil {
		if b, _ := entries.Bucket(key); b != nil {
			return e, true, counting.Corrupt
		}
	}
	e, err = decodeEntry(w, value)
	return e, value != nil, err
}

// changeEntry reads the entry of w, a new one if there is none, and stores it if act
// has changed it.
func (t *tx) changeEntry(w counting.Window, act func(*counting.LedgerEntry) error) error {
	e, known, err := t.entry(w)
	if err != nil {
		return err
	}
	before := e
	if err := act(&e); err != nil || e == before {
		return err
	}
	if !known {
		t.plan(t.at.Add(counting.EntryLife), kindEntry, ordered(w))
	}
	value, err := json.Marshal(savedEntry{
		e.State, e.Count, e.Sink, e.Deliveries, e.Owner, e.Claims, e.Until.UnixMilli(), e.Changed.UnixMilli(),
	})
	t.table(inEntries).Put(ordered(w), value)
	return notApplied(err)
}

// deliver saves a delivery. With the first one that failed permanently, it makes a dead letter.
func (t *tx) deliver(e counting.Entry, s counting.Step) error {
	before := t.delivery(e.Window, s.Endpoint)
	if err := t.saveDelivery(e.Window, s.Endpoint, s.Delivery); err != nil {
		return err
	}
	if s.Delivery.Final && !s.Delivery.Delivered() && !before.Final {
		key := counting.NewDeadLetterKey(t.at, e.Window, s.Endpoint)
		t.addLetter(key, savedLetter{Endpoint: s.Endpoint, Count: e.Count, Delivery: s.Delivery})
	}
	return nil
}

// delivery is the last one of an endpoint, zero where there is none, or it can't be read.
func (t *tx) delivery(w counting.Window, endpoint string) (d counting.Delivery) {
	if saved, _ := t.table(inCalls).Bucket(ordered(w)); saved != nil {
		_ = json.Unmarshal(saved.Get([]byte(endpoint)), &d)
	}
	return d
}

// saveDelivery stores the last delivery of the count of a window to an endpoint.
func (t *tx) saveDelivery(w counting.Window, endpoint string, d counting.Delivery) error {
	deliveries, err := t.table(inCalls).Create(ordered(w))
	if err != nil {
		return err
	}
	value, err := json.Marshal(d)
	deliveries.Put([]byte(endpoint), value)
	return notApplied(err)
}

// Claim implements counting.Ledger.
func (n *core) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (token string, e counting.Entry, err error) {
	err = n.update(ctx, "claim window", isMember, func(t *tx) error {
		return t.changeEntry(w, func(kept *counting.LedgerEntry) (err error) {
			token, err = kept.Claim(owner, t.at, lease)
			e = kept.Entry
			return err
		})
	})
	return token, e, err
}

// Advance implements counting.Ledger.
func (n *core) Advance(ctx context.Context, w counting.Window, token string, s counting.Step) (e counting.Entry, err error) {
	err = n.update(ctx, string(s.Action)+" window", isMember, func(t *tx) error {
		return t.changeEntry(w, func(kept *counting.LedgerEntry) error {
			before := kept.State
			if err := kept.Advance(token, t.at, s); err != nil {
				return err
			}
			e = kept.Entry
			if s.Action == counting.ActionDelivery {
				return t.deliver(kept.Entry, s)
			}
			if kept.State == counting.Done && before != counting.Done {
				t.plan(t.at.Add(counting.WindowLife), kindCalls, ordered(w))
			}
			return nil
		})
	})
	return e, err
}

// Entry implements counting.Ledger.
func (n *core) Entry(ctx context.Context, w counting.Window) (e counting.Entry, deliveries map[string]counting.Delivery, err error) {
	err = n.view(ctx, "read the entry of window", isMember, func(t *tx) error {
		kept, _, err := t.entry(w)
		if err != nil {
			return err
		}
		e = kept.Entry
		deliveries, err = t.deliveries(w)
		return err
	})
	return e, deliveries, err
}

func (t *tx) deliveries(w counting.Window) (map[string]counting.Delivery, error) {
	saved, err := t.table(inCalls).Bucket(ordered(w))
	if saved == nil || err != nil {
		return nil, err
	}
	deliveries := make(map[string]counting.Delivery)
	for endpoint, value := range saved.Scan(nil) {
		var d counting.Delivery
		if err := json.Unmarshal(value, &d); err != nil {
			return nil, fmt.Errorf("%w: a delivery: %w", counting.Corrupt, err)
		}
		deliveries[string(endpoint)] = d
	}
	return deliveries, nil
}

// Entries implements counting.Ledger.
func (n *core) Entries(ctx context.Context, before counting.Window, limit int) (entries []counting.Entry, err error) {
	err = n.view(ctx, "read entries", isMember, func(t *tx) error {
		stored := t.table(inEntries)
		key := stored.Before(ordered(before))
		for ; key != nil && len(entries) < limit; key = stored.Before(key) {
			w, ok := readOrdered[counting.Window](key)
			if !ok {
				continue
			}
			e, _, err := t.entry(w)
			if err != nil {
				e.Entry = counting.Entry{Window: w, State: counting.Damaged}
			}
			entries = append(entries, e.Entry)
		}
		return nil
	})
	return entries, err
}
