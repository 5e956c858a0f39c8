package embedded

import (
	"context"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
)

// Heartbeat implements counting.Windows. It writes only when there is something
// to write.
func (n *Node) Heartbeat(ctx context.Context) (a counting.HeartbeatResult, err error) {
	err = n.update(ctx, func(tx *bolt.Tx) (bool, error) {
		s, err := n.member(tx)
		if err != nil {
			return false, err
		}
		if a.Current, err = n.current(tx, s); err != nil {
			return false, err
		}
		forgot, err := forget(tx, n.now())
		if err != nil {
			return false, err
		}
		waiting := tx.Bucket([]byte(inWaiting))
		a.Waiting = waitingBefore(waiting, a.Current)
		if waiting.Get(ordered(a.Current)) != nil {
			return forgot, nil
		}
		return true, put(waiting, ordered(a.Current), present())
	})
	if err != nil {
		return counting.HeartbeatResult{}, fmt.Errorf("embedded: attend: %w", err)
	}
	return a, nil
}

func waitingBefore(waiting *bolt.Bucket, current counting.Window) (before []counting.Window) {
	c := waiting.Cursor()
	for key, _ := c.First(); key != nil && len(before) < counting.MaxWaiting; key, _ = c.Next() {
		w, ok := readWindow(key)
		if ok && w >= current {
			break
		}
		if ok {
			before = append(before, w)
		}
	}
	return before
}

// Seal implements counting.Windows.
func (n *Node) Seal(ctx context.Context, w counting.Window, grace time.Duration) (count int64, err error) {
	err = n.update(ctx, func(tx *bolt.Tx) (bool, error) {
		s, err := n.member(tx)
		if err != nil {
			return false, err
		}
		sealed, err := highestSealed(tx)
		if err != nil {
			return false, err
		}
		// No id goes to a window up to the highest sealed one, so that the
		// number of its ids is frozen without being noted.
		now, end := n.now(), s.Fenced.Length().End(w)
		if w > sealed && now.Before(end.Add(grace)) {
			return false, counting.ErrTooEarly
		}
		if !now.Before(end.Add(counting.EntryLife)) && !keeps(tx, w) {
			return false, counting.ErrRetired
		}
		if count, err = distinct(tx, w); err != nil || w <= sealed {
			return false, err
		}
		return true, put(tx.Bucket([]byte(inMeta)), []byte("sealed"), number(int64(w)))
	})
	if err != nil {
		return 0, fmt.Errorf("embedded: seal window %d: %w", w, err)
	}
	return count, nil
}

// Distinct implements counting.Windows.
func (n *Node) Distinct(ctx context.Context, w counting.Window) (count int64, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) error {
		if _, err := n.member(tx); err != nil {
			return err
		}
		count, err = distinct(tx, w)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("embedded: count window %d: %w", w, err)
	}
	return count, nil
}

// keeps tells whether there is anything of a window, or it waits.
func keeps(tx *bolt.Tx, w counting.Window) bool {
	key, windows := ordered(w), tx.Bucket([]byte(inWindows))
	return tx.Bucket([]byte(inWaiting)).Get(key) != nil || windows.Bucket(key) != nil || windows.Get(key) != nil
}

// distinct is the number of ids of a window, kept with them.
func distinct(tx *bolt.Tx, w counting.Window) (int64, error) {
	kept, err := bucketIn(tx.Bucket([]byte(inWindows)), ordered(w))
	if kept == nil || err != nil {
		return 0, err
	}
	return readCount(kept.Get([]byte("n")))
}

// Endpoints implements counting.Windows.
func (n *Node) Endpoints(ctx context.Context, w counting.Window) (endpoints []string, err error) {
	err = n.view(ctx, func(tx *bolt.Tx) error {
		if _, err := n.member(tx); err != nil {
			return err
		}
		kept, err := bucketIn(tx.Bucket([]byte(inWindows)), ordered(w))
		if kept == nil || err != nil {
			return err
		}
		ends, err := bucketIn(kept, []byte("endpoints"))
		if ends == nil || err != nil {
			return err
		}
		return ends.ForEach(func(key, _ []byte) error {
			endpoints = append(endpoints, string(key))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("embedded: endpoints of window %d: %w", w, err)
	}
	return endpoints, nil
}

// Retire implements counting.Windows.
func (n *Node) Retire(ctx context.Context, w counting.Window) error {
	err := n.update(ctx, func(tx *bolt.Tx) (changed bool, err error) {
		if _, err := n.member(tx); err != nil {
			return false, err
		}
		sealed, err := highestSealed(tx)
		if err != nil {
			return false, err
		}
		if w > sealed {
			changed = true
			if err := put(tx.Bucket([]byte(inMeta)), []byte("sealed"), number(int64(w))); err != nil {
				return false, err
			}
		}
		waiting, key := tx.Bucket([]byte(inWaiting)), ordered(w)
		if waiting.Get(key) == nil {
			return changed, nil // retired before, or never seen
		}
		if err := remove(waiting, key); err != nil {
			return false, err
		}
		return true, plan(tx, n.now().Add(counting.WindowLife), aWindow, key)
	})
	if err != nil {
		return fmt.Errorf("embedded: retire window %d: %w", w, err)
	}
	return nil
}
