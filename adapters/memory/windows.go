package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"footfall/domain/counting"
)

// window is what the node keeps of w, made a waiting one where there is none.
func (s *state) window(w counting.Window) *window {
	kept := s.windows[w]
	if kept == nil {
		kept = &window{ids: make(map[counting.ID]struct{}), endpoints: make(map[string]struct{})}
		s.windows[w] = kept
	}
	return kept
}

// Heartbeat implements counting.Windows.
func (n *Node) Heartbeat(ctx context.Context) (counting.HeartbeatResult, error) {
	if err := n.lockMember(ctx); err != nil {
		return counting.HeartbeatResult{}, fmt.Errorf("attend %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	n.state.forget(n.now())
	a := counting.HeartbeatResult{Current: n.current()}
	n.state.window(a.Current)
	for w, kept := range n.state.windows {
		if w < a.Current && kept.retired.IsZero() {
			a.Waiting = append(a.Waiting, w)
		}
	}
	slices.Sort(a.Waiting)
	a.Waiting = a.Waiting[:min(len(a.Waiting), counting.MaxWaiting)]
	return a, nil
}

// Seal implements counting.Windows.
func (n *Node) Seal(ctx context.Context, w counting.Window, grace time.Duration) (int64, error) {
	if err := n.lockMember(ctx); err != nil {
		return 0, fmt.Errorf("seal window %d on %s: %w", w, n.id, err)
	}
	defer n.mu.Unlock()
	// No id goes to a window up to the highest sealed one, so that the
	// number of its ids is frozen without being noted.
	if w > n.state.sealed && n.now().Before(n.length().End(w).Add(grace)) {
		return 0, fmt.Errorf("seal window %d on %s: %w", w, n.id, counting.ErrTooEarly)
	}
	if n.state.windows[w] == nil && !n.now().Before(n.length().End(w).Add(counting.EntryLife)) {
		return 0, fmt.Errorf("seal window %d on %s: %w", w, n.id, counting.ErrRetired)
	}
	count, err := n.state.distinct(w)
	if err != nil {
		return 0, fmt.Errorf("seal window %d on %s: %w", w, n.id, err)
	}
	n.state.sealed = max(n.state.sealed, w)
	return count, nil
}

// Distinct implements counting.Windows.
func (n *Node) Distinct(ctx context.Context, w counting.Window) (int64, error) {
	if err := n.lockMember(ctx); err != nil {
		return 0, fmt.Errorf("count window %d on %s: %w", w, n.id, err)
	}
	defer n.mu.Unlock()
	count, err := n.state.distinct(w)
	if err != nil {
		return 0, fmt.Errorf("count window %d on %s: %w", w, n.id, err)
	}
	return count, nil
}

func (s *state) distinct(w counting.Window) (int64, error) {
	kept := s.windows[w]
	if kept == nil {
		return 0, nil
	}
	if kept.ids == nil {
		return 0, counting.Corrupt
	}
	return int64(len(kept.ids)), nil
}

// Endpoints implements counting.Windows.
func (n *Node) Endpoints(ctx context.Context, w counting.Window) ([]string, error) {
	if err := n.lockMember(ctx); err != nil {
		return nil, fmt.Errorf("endpoints of window %d on %s: %w", w, n.id, err)
	}
	defer n.mu.Unlock()
	kept := n.state.windows[w]
	switch {
	case kept == nil:
		return nil, nil
	case kept.ids == nil:
		return nil, fmt.Errorf("endpoints of window %d on %s: %w", w, n.id, counting.Corrupt)
	}
	return slices.Collect(maps.Keys(kept.endpoints)), nil
}

// Retire implements counting.Windows.
func (n *Node) Retire(ctx context.Context, w counting.Window) error {
	if err := n.lockMember(ctx); err != nil {
		return fmt.Errorf("retire window %d on %s: %w", w, n.id, err)
	}
	defer n.mu.Unlock()
	n.state.sealed = max(n.state.sealed, w)
	if kept := n.state.windows[w]; kept != nil && kept.retired.IsZero() {
		kept.retired = n.now()
	}
	return nil
}
