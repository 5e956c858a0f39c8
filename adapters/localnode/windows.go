package localnode

import (
	"context"
	"fmt"
	"math"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// current is the window that an id would go to by a ring.
func (t *tx) current(s sharding.RingState) (counting.Window, error) {
	sealed, err := t.sealed()
	return sealed.Open(s.Fenced.Length().At(t.at)), err
}

// sealed are the windows that take no ids any more.
func (t *tx) sealed() (counting.SealedWindows, error) {
	meta := t.table(inMeta)
	stored := meta.Get([]byte("sealed"))
	upTo, err := readNumber(stored)
	if err != nil {
		return counting.SealedWindows{}, err
	}
	s, err := counting.DecodeSealed(counting.Window(upTo), stored != nil, string(meta.Get([]byte("marks"))))
	if err != nil {
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	return s, err
}

// seal seals a window that isn't.
func (t *tx) seal(sealed counting.SealedWindows, w counting.Window) {
	upTo, marks := sealed.Seal(w).Encode(t.state.Fenced.Length().At(t.at))
	t.table(inMeta).Put([]byte("sealed"), number(int64(upTo)))
	t.table(inMeta).Put([]byte("marks"), []byte(marks))
}

// Heartbeat implements counting.Windows. It writes only when there is something
// to write.
func (n *core) Heartbeat(ctx context.Context, c counting.Clock) (a counting.HeartbeatResult, err error) {
	err = n.update(ctx, "heartbeat", isMember, func(t *tx) (err error) {
		a.Now = t.at
		if a.Current, err = t.current(t.state); err != nil {
			return err
		}
		agrees := c.Check(t.at) == nil
		if agrees {
			t.forget()
			t.expireLetters()
			t.countPages()
		}
		a.Waiting = t.sealable(a.Current, c.MaxSkew)
		if agrees {
			t.addWaiting(a.Current)
		}
		return nil
	})
	return a, err
}

// Waiting implements counting.Windows.
func (n *core) Waiting(ctx context.Context, before counting.Window, limit int) (all []counting.Window, err error) {
	err = n.view(ctx, "list waiting windows", isMember, func(t *tx) error {
		waiting := t.table(inWaiting)
		for key := waiting.Before(ordered(before)); key != nil && len(all) < limit; key = waiting.Before(key) {
			if w, ok := readOrdered[counting.Window](key); ok {
				all = append(all, w)
			}
		}
		return nil
	})
	return all, err
}

// sealable are the first waiting windows before the current one, and those that begin
// later than now by more than the greatest skew.
func (t *tx) sealable(current counting.Window, maxSkew time.Duration) (all []counting.Window) {
	for key := range t.table(inWaiting).Scan(nil) {
		w, ok := readOrdered[counting.Window](key)
		if len(all) == counting.MaxWaiting {
			break
		}
		if ok && (w < current || w > current && t.isAhead(w, maxSkew)) {
			all = append(all, w)
		}
	}
	return all
}

// isAhead tells whether a window begins later than now by more than the greatest skew.
func (t *tx) isAhead(w counting.Window, maxSkew time.Duration) bool {
	return t.state.Fenced.Length().Start(w).After(t.at.Add(maxSkew))
}

// lastWaiting is the latest waiting window, 0 if there is none.
func (t *tx) lastWaiting() counting.Window {
	w, _ := readOrdered[counting.Window](t.table(inWaiting).Before(ordered(counting.Window(math.MaxInt64))))
	return w
}

func (t *tx) isWaiting(w counting.Window) bool { return t.table(inWaiting).Get(ordered(w)) != nil }

func (t *tx) addWaiting(w counting.Window) {
	if !t.isWaiting(w) {
		t.table(inWaiting).Put(ordered(w), present())
	}
}

// awaitLost makes the windows before one waiting, after the last that was closed. It does
// nothing if the sealed windows are corrupt: that stops no change of the ring.
func (t *tx) awaitLost(until counting.Window) {
	sealed, err := t.sealed()
	if err != nil {
		return
	}
	first := until
	for key := range t.table(inWaiting).Scan(nil) {
		first, _ = readOrdered[counting.Window](key)
		break
	}
	first = max(first, until-counting.MaxWaiting)
	for w := until - 1; w >= until-counting.MaxWaiting; w-- {
		if sealed.Has(w) && !t.isWaiting(w) {
			first = w + 1
			break
		}
	}
	for w := first; w < until; w++ {
		t.addWaiting(w)
	}
}

// Seal implements counting.Windows.
func (n *core) Seal(ctx context.Context, w counting.Window, grace time.Duration, c counting.Clock) (count int64, err error) {
	err = n.update(ctx, "seal window", isMember, func(t *tx) error {
		sealed, err := t.sealed()
		if err != nil {
			return err
		}
		// No id goes to a sealed window, so that the number of its ids is frozen
		// without being noted.
		was, end := sealed.Has(w), t.state.Fenced.Length().End(w)
		if !was {
			if err := c.Check(t.at); err != nil {
				return err
			}
			// The current window may be ahead, too, if those before it are sealed.
			current := sealed.Open(t.state.Fenced.Length().At(t.at))
			if t.at.Before(end.Add(grace)) && (w == current || !t.isAhead(w, c.MaxSkew)) {
				return counting.ErrTooEarly
			}
		}
		kept, err := t.window(w)
		if !t.at.Before(end.Add(counting.EntryLife)) && kept == nil && err == nil && !t.isWaiting(w) {
			return counting.ErrRetired
		}
		if count, err = t.distinct(w); err != nil {
			return err
		}
		if !was {
			t.addWaiting(w)
			t.seal(sealed, w)
		}
		return nil
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
	err = n.view(ctx, "count window", isMember, func(t *tx) error {
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
	err = n.view(ctx, "endpoints of window", isMember, func(t *tx) error {
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
	return n.update(ctx, "retire window", isMember, func(t *tx) error {
		sealed, err := t.sealed()
		if err != nil {
			return err
		}
		if !sealed.Has(w) {
			t.seal(sealed, w)
		}
		if t.isWaiting(w) { // it was not retired before
			t.table(inWaiting).Delete(ordered(w))
			t.plan(t.at.Add(counting.WindowLife), kindWindow, ordered(w))
		}
		return nil
	})
}
