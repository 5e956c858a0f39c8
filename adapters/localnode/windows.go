package localnode

import (
	"context"
	"fmt"
	"time"

	"footfall/domain/counting"
)

// ofWindow says what is done with a window.
func ofWindow(what string, w counting.Window) string { return fmt.Sprintf("%s window %d", what, w) }

// Heartbeat implements counting.Windows. It writes only when there is something
// to write.
func (n *core) Heartbeat(ctx context.Context) (a counting.HeartbeatResult, err error) {
	err = n.update(ctx, "heartbeat", func(t *tx) (forgot bool, err error) {
		if a.Current, err = t.current(t.state); err != nil {
			return false, err
		}
		if forgot, err = t.forget(); err != nil {
			return false, err
		}
		waiting := t.table(inWaiting)
		a.Waiting = waitingBefore(waiting, a.Current)
		if waiting.Get(ordered(a.Current)) != nil {
			return forgot, nil
		}
		return true, waiting.Put(ordered(a.Current), present())
	})
	if err != nil {
		return counting.HeartbeatResult{}, err
	}
	return a, nil
}

func waitingBefore(waiting bucket, current counting.Window) (before []counting.Window) {
	for key := range waiting.Scan(nil) {
		w, ok := readOrdered[counting.Window](key)
		if ok && w >= current || len(before) == counting.MaxWaiting {
			break
		}
		if ok {
			before = append(before, w)
		}
	}
	return before
}

// Seal implements counting.Windows.
func (n *core) Seal(ctx context.Context, w counting.Window, grace time.Duration) (count int64, err error) {
	err = n.update(ctx, ofWindow("seal", w), func(t *tx) (bool, error) {
		sealed, err := t.highestSealed()
		if err != nil {
			return false, err
		}
		// No id goes to a window up to the highest sealed one, so that the
		// number of its ids is frozen without being noted.
		end := t.state.Fenced.Length().End(w)
		if w > sealed && t.at.Before(end.Add(grace)) {
			return false, counting.ErrTooEarly
		}
		if !t.at.Before(end.Add(counting.EntryLife)) && !t.keeps(w) {
			return false, counting.ErrRetired
		}
		if count, err = t.distinct(w); err != nil || w <= sealed {
			return false, err
		}
		return true, t.seal(w)
	})
	if err != nil {
		return 0, err
	}
	return count, nil
}

// keeps tells whether there is anything of a window, or it waits.
func (t *tx) keeps(w counting.Window) bool {
	kept, err := t.table(inWindows).Bucket(ordered(w))
	return kept != nil || err != nil || t.table(inWaiting).Get(ordered(w)) != nil
}

// Distinct implements counting.Windows.
func (n *core) Distinct(ctx context.Context, w counting.Window) (count int64, err error) {
	err = n.view(ctx, ofWindow("count", w), func(t *tx) error {
		count, err = t.distinct(w)
		return err
	})
	return count, err
}

// distinct is the number of ids of a window, kept with them.
func (t *tx) distinct(w counting.Window) (int64, error) {
	kept, err := t.table(inWindows).Bucket(ordered(w))
	if kept == nil || err != nil {
		return 0, err
	}
	return readCount(kept.Get([]byte("n")))
}

// Endpoints implements counting.Windows.
func (n *core) Endpoints(ctx context.Context, w counting.Window) (endpoints []string, err error) {
	err = n.view(ctx, ofWindow("endpoints of", w), func(t *tx) error {
		kept, err := t.table(inWindows).Bucket(ordered(w))
		if kept == nil || err != nil {
			return err
		}
		ends, err := kept.Bucket([]byte("endpoints"))
		if ends == nil || err != nil {
			return err
		}
		for key := range ends.Scan(nil) {
			endpoints = append(endpoints, string(key))
		}
		return nil
	})
	return endpoints, err
}

// Retire implements counting.Windows.
func (n *core) Retire(ctx context.Context, w counting.Window) error {
	return n.update(ctx, ofWindow("retire", w), func(t *tx) (changed bool, err error) {
		sealed, err := t.highestSealed()
		if err != nil {
			return false, err
		}
		if w > sealed {
			changed = true
			if err := t.seal(w); err != nil {
				return false, err
			}
		}
		waiting, key := t.table(inWaiting), ordered(w)
		if waiting.Get(key) == nil {
			return changed, nil // retired before, or never seen
		}
		if err := waiting.Delete(key); err != nil {
			return false, err
		}
		return true, t.plan(t.at.Add(counting.WindowLife), aWindow, key)
	})
}
