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
	State     counting.State `json:"state"`
	Count     int64          `json:"count"`
	Sink      string         `json:"sink,omitempty"`
	Endpoints int            `json:"endpoints,omitempty"`
	Delivered int            `json:"delivered,omitempty"`
	Failed    int            `json:"failed,omitempty"`
	Owner     string         `json:"owner"`
	Claims    int64          `json:"claims"`
	Until     int64          `json:"until_ms"`
	Changed   int64          `json:"changed_ms"`
}

func encodeEntry(c *counting.LedgerEntry) ([]byte, error) {
	return json.Marshal(savedEntry{
		State: c.State, Count: c.Count, Sink: c.Sink,
		Endpoints: c.Deliveries.Endpoints, Delivered: c.Deliveries.Delivered, Failed: c.Deliveries.Failed,
		Owner: c.Owner, Claims: c.Claims, Until: c.Until.UnixMilli(), Changed: c.Changed.UnixMilli(),
	})
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
	c.Deliveries = counting.DeliveryTotals{Endpoints: s.Endpoints, Delivered: s.Delivered, Failed: s.Failed}
	c.Owner, c.Claims = s.Owner, s.Claims
	c.Until, c.Changed = time.UnixMilli(s.Until), time.UnixMilli(s.Changed)
	return c, nil
}

// savedDelivery is the stored form of a counting.Delivery; its key is the
// endpoint.
type savedDelivery struct {
	Attempts int  `json:"attempts"`
	Status   int  `json:"status"`
	Final    bool `json:"final,omitempty"`
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

// saveEntry stores an entry that has changed.
func (t *tx) saveEntry(e *counting.LedgerEntry, known bool) error {
	key := ordered(e.Window)
	if !known {
		if err := t.plan(t.at.Add(counting.EntryLife), anEntry, key); err != nil {
			return err
		}
	}
	value, err := encodeEntry(e)
	if err != nil {
		return notApplied(err)
	}
	return t.table(inEntries).Put(key, value)
}

// saveDelivery stores how an endpoint took the count of a window.
func (t *tx) saveDelivery(w counting.Window, endpoint string, d counting.Delivery) error {
	calls, err := t.table(inCalls).Create(ordered(w))
	if err != nil {
		return err
	}
	value, err := json.Marshal(savedDelivery(d))
	if err != nil {
		return notApplied(err)
	}
	return calls.Put([]byte(endpoint), value)
}

// changeEntry reads the entry of w, a new one if there is none, and stores it if act
// returns that it has changed it.
func (n *core) changeEntry(ctx context.Context, what string, w counting.Window, act func(*tx, *counting.LedgerEntry) (bool, error)) error {
	return n.update(ctx, ofWindow(what, w), func(t *tx) (bool, error) {
		e, known, err := t.entry(w)
		if err != nil {
			return false, err
		}
		if changed, err := act(t, &e); err != nil || !changed {
			return false, err
		}
		return true, t.saveEntry(&e, known)
	})
}

// Claim implements counting.Ledger.
func (n *core) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (token string, e counting.Entry, err error) {
	err = n.changeEntry(ctx, "claim", w, func(t *tx, kept *counting.LedgerEntry) (changed bool, err error) {
		token, err = kept.Claim(owner, t.at, lease)
		e = kept.Entry
		return token != "", err
	})
	if err != nil {
		return "", counting.Entry{}, err
	}
	return token, e, nil
}

// Advance implements counting.Ledger.
func (n *core) Advance(ctx context.Context, w counting.Window, token string, s counting.Step) (e counting.Entry, err error) {
	err = n.changeEntry(ctx, string(s.Action), w, func(t *tx, kept *counting.LedgerEntry) (bool, error) {
		before := *kept
		if err := kept.Advance(token, t.at, s); err != nil {
			return false, err
		}
		e = kept.Entry
		switch {
		case s.Action == counting.ActionDelivery:
			return true, t.saveDelivery(w, s.Endpoint, s.Delivery)
		case kept.State == counting.Done && before.State != counting.Done:
			return true, t.plan(t.at.Add(counting.WindowLife), theCalls, ordered(w))
		}
		return *kept != before, nil
	})
	if err != nil {
		return counting.Entry{}, err
	}
	return e, nil
}

// Entry implements counting.Ledger.
func (n *core) Entry(ctx context.Context, w counting.Window) (e counting.Entry, deliveries map[string]counting.Delivery, err error) {
	err = n.view(ctx, ofWindow("read the entry of", w), func(t *tx) error {
		kept, _, err := t.entry(w)
		if err != nil {
			return err
		}
		e = kept.Entry
		calls, err := t.table(inCalls).Bucket(ordered(w))
		if calls == nil || err != nil {
			return err
		}
		deliveries = make(map[string]counting.Delivery)
		for endpoint, value := range calls.Scan(nil) {
			var d savedDelivery
			if err := json.Unmarshal(value, &d); err != nil {
				return fmt.Errorf("%w: a delivery: %w", counting.Corrupt, err)
			}
			deliveries[string(endpoint)] = counting.Delivery(d)
		}
		return nil
	})
	if err != nil {
		return counting.Entry{}, nil, err
	}
	return e, deliveries, nil
}

// Entries implements counting.Ledger.
func (n *core) Entries(ctx context.Context, before counting.Window, limit int) (entries []counting.Entry, err error) {
	err = n.view(ctx, "read entries", func(t *tx) error {
		for key := range t.table(inEntries).ScanBack(ordered(before)) {
			if len(entries) >= limit {
				return nil
			}
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
