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
	err = n.update(ctx, "heartbeat", isMember, func(t *tx) (err error) {
		if a.Current, err = t.current(t.state); err != nil {
			return err
		}
		t.forget()
		a.Waiting = t.waitingBefore(a.Current)
		t.addWaiting(a.Current)
		return nil
	})
	return a, err
}

func (t *tx) waitingBefore(current counting.Window) (before []counting.Window) {
	for key := range t.table(inWaiting).Scan(nil) {
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

func (t *tx) isWaiting(w counting.Window) bool { return t.table(inWaiting).Get(ordered(w)) != nil }

func (t *tx) addWaiting(w counting.Window) {
	if !t.isWaiting(w) {
		t.table(inWaiting).Put(ordered(w), present())
	}
}

// Seal implements counting.Windows.
func (n *core) Seal(ctx context.Context, w counting.Window, grace time.Duration) (count int64, err error) {
	err = n.update(ctx, ofWindow("seal", w), isMember, func(t *tx) error {
		sealed, err := t.highestSealed()
		if err != nil {
			return err
		}
		// No id goes to a window up to the highest sealed one, so that the
		// number of its ids is frozen without being noted.
		end := t.state.Fenced.Length().End(w)
		if w > sealed && t.at.Before(end.Add(grace)) {
			return counting.ErrTooEarly
		}
		kept, err := t.window(w)
		if !t.at.Before(end.Add(counting.EntryLife)) && kept == nil && err == nil && !t.isWaiting(w) {
			return counting.ErrRetired
		}
		if count, err = t.distinct(w); err != nil {
			return err
		}
		return t.seal(w)
	})
	return count, err
}

// window is what is kept of a window, nil where that is nothing. The error is
// counting.Corrupt.
func (t *tx) window(w counting.Window) (bucket, error) {
	return t.table(inWindows).Bucket(ordered(w))
}

// Distinct implements counting.Windows.
func (n *core) Distinct(ctx context.Context, w counting.Window) (count int64, err error) {
	err = n.view(ctx, ofWindow("count", w), isMember, func(t *tx) error {
		count, err = t.distinct(w)
		return err
	})
	return count, err
}

// distinct is the number of ids of a window, kept with them.
func (t *tx) distinct(w counting.Window) (int64, error) {
	kept, err := t.window(w)
	if kept == nil || err != nil {
		return 0, err
	}
	return readCount(kept.Get([]byte("n")))
}

// Endpoints implements counting.Windows.
func (n *core) Endpoints(ctx context.Context, w counting.Window) (endpoints []string, err error) {
	err = n.view(ctx, ofWindow("endpoints of", w), isMember, func(t *tx) error {
		kept, err := t.window(w)
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
	return n.update(ctx, ofWindow("retire", w), isMember, func(t *tx) error {
		if err := t.seal(w); err != nil {
			return err
		}
		if t.isWaiting(w) { // it was not retired before
			t.table(inWaiting).Delete(ordered(w))
			t.plan(t.at.Add(counting.WindowLife), kindWindow, ordered(w))
		}
		return nil
	})
}
