package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
)

// Claim implements counting.Ledger.
func (n *Node) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (token string, e counting.Entry, err error) {
	err = n.change(ctx, "claim", w, func(_ *bolt.Tx, c *counting.LedgerEntry, now time.Time) (changed bool, err error) {
		token, err = c.Claim(owner, now, lease)
		e = c.Entry
		return token != "", err
	})
	if err != nil {
		return "", counting.Entry{}, err
	}
	return token, e, nil
}

// Renew implements counting.Ledger.
func (n *Node) Renew(ctx context.Context, w counting.Window, token string, lease time.Duration) error {
	return n.change(ctx, "renew the claim of", w, func(_ *bolt.Tx, c *counting.LedgerEntry, now time.Time) (bool, error) {
		return true, c.Renew(token, now, lease)
	})
}

// Record implements counting.Ledger.
func (n *Node) Record(ctx context.Context, w counting.Window, token string, count int64) (recorded int64, err error) {
	err = n.change(ctx, "record", w, func(_ *bolt.Tx, c *counting.LedgerEntry, now time.Time) (changed bool, err error) {
		before := c.State
		recorded, err = c.Record(token, now, count)
		return c.State != before, err
	})
	if err != nil {
		return 0, err
	}
	return recorded, nil
}

// MarkLost implements counting.Ledger.
func (n *Node) MarkLost(ctx context.Context, w counting.Window, token string) error {
	return n.change(ctx, "lose", w, func(_ *bolt.Tx, c *counting.LedgerEntry, now time.Time) (bool, error) {
		return true, c.MarkLost(token, now)
	})
}

// Publish implements counting.Ledger.
func (n *Node) Publish(ctx context.Context, w counting.Window, token, sink string) error {
	return n.change(ctx, "publish", w, func(_ *bolt.Tx, c *counting.LedgerEntry, now time.Time) (bool, error) {
		before := c.State
		err := c.Publish(token, now, sink)
		return c.State != before, err
	})
}

// Finish implements counting.Ledger.
func (n *Node) Finish(ctx context.Context, w counting.Window, token string, totals counting.DeliveryTotals) error {
	return n.change(ctx, "finish", w, func(tx *bolt.Tx, c *counting.LedgerEntry, now time.Time) (bool, error) {
		before := c.State
		if err := c.Finish(token, now, totals); err != nil || c.State == before {
			return false, err
		}
		return true, plan(tx, now.Add(counting.WindowLife), theCalls, ordered(w))
	})
}

// SaveDelivery implements counting.Ledger.
func (n *Node) SaveDelivery(ctx context.Context, w counting.Window, token, endpoint string, call counting.Delivery) error {
	return n.change(ctx, "save a call of", w, func(tx *bolt.Tx, c *counting.LedgerEntry, now time.Time) (bool, error) {
		if err := c.SaveDelivery(token, now); err != nil {
			return false, err
		}
		calls, err := tx.Bucket([]byte(inCalls)).CreateBucketIfNotExists(ordered(w))
		if err != nil {
			return false, bucketError(err)
		}
		value, err := json.Marshal(savedCall(call))
		if err != nil {
			return false, notApplied(err)
		}
		return true, put(calls, []byte(endpoint), value)
	})
}

// change lets act change the entry of w, a new one where there is none; act
// tells whether it did.
func (n *Node) change(ctx context.Context, what string, w counting.Window, act func(*bolt.Tx, *counting.LedgerEntry, time.Time) (bool, error)) error {
	err := n.update(ctx, func(tx *bolt.Tx) (bool, error) {
		if _, err := n.member(tx); err != nil {
			return false, err
		}
		entries, key, now := tx.Bucket([]byte(inEntries)), ordered(w), n.now()
		c, known, err := entryIn(entries, w)
		if err != nil {
			return false, err
		}
		if changed, err := act(tx, &c, now); err != nil || !changed {
			return false, err
		}
		if !known {
			if err := plan(tx, now.Add(counting.EntryLife), anEntry, key); err != nil {
				return false, err
			}
		}
		value, err := encodeEntry(&c)
		if err != nil {
			return false, notApplied(err)
		}
		return true, put(entries, key, value)
	})
	if err != nil {
		return fmt.Errorf("embedded: %s window %d: %w", what, w, err)
	}
	return nil
}

// entryIn is the entry of w, a new one where it isn't known. The error is
// counting.Corrupt.
func entryIn(entries *bolt.Bucket, w counting.Window) (c counting.LedgerEntry, known bool, err error) {
	key := ordered(w)
	if entries.Bucket(key) != nil {
		return c, true, counting.Corrupt
	}
	value := entries.Get(key)
	c, err = decodeEntry(w, value)
	return c, value != nil, err
}

// Entry implements counting.Ledger.
func (n *Node) Entry(ctx context.Context, w counting.Window) (e counting.Entry, calls map[string]counting.Delivery, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) error {
		if _, err := n.member(tx); err != nil {
			return err
		}
		key := ordered(w)
		c, _, err := entryIn(tx.Bucket([]byte(inEntries)), w)
		if err != nil {
			return err
		}
		e = c.Entry
		kept, err := bucketIn(tx.Bucket([]byte(inCalls)), key)
		if kept == nil || err != nil {
			return err
		}
		calls = make(map[string]counting.Delivery)
		return kept.ForEach(func(endpoint, value []byte) error {
			var call savedCall
			if err := json.Unmarshal(value, &call); err != nil {
				return fmt.Errorf("%w: a call: %w", counting.Corrupt, err)
			}
			calls[string(endpoint)] = counting.Delivery(call)
			return nil
		})
	})
	if err != nil {
		return counting.Entry{}, nil, fmt.Errorf("embedded: entry of window %d: %w", w, err)
	}
	return e, calls, nil
}

// Entries implements counting.Ledger.
func (n *Node) Entries(ctx context.Context, before counting.Window, limit int) (entries []counting.Entry, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) error {
		if _, err := n.member(tx); err != nil {
			return err
		}
		b := tx.Bucket([]byte(inEntries))
		cursor := b.Cursor()
		key, _ := cursor.Seek(ordered(before))
		if key == nil {
			key, _ = cursor.Last()
		}
		for ; key != nil && len(entries) < limit; key, _ = cursor.Prev() {
			w, ok := readWindow(key)
			if !ok || w >= before {
				continue
			}
			c, _, err := entryIn(b, w)
			if err != nil {
				c.Entry = counting.Entry{Window: w, State: counting.Damaged}
			}
			entries = append(entries, c.Entry)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("embedded: entries: %w", err)
	}
	return entries, nil
}
