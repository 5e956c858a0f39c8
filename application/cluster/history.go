package cluster

import (
	"context"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// KeepHistory is counting.Histories.KeepHistory with this instance's clock. Histories is not nil.
func (m *Member) KeepHistory(ctx context.Context, h counting.HistorySetting, since time.Time, change bool) (counting.HistoryState, error) {
	s, err := m.Histories.KeepHistory(ctx, h, since, change, m.clock.now())
	if err == nil {
		m.room.kept.Store(&s)
	}
	return s, err
}

// DropHistory is counting.Histories.DropHistory with this instance's clock. Histories is not nil.
func (m *Member) DropHistory(ctx context.Context, cursor string) (next string, err error) {
	return m.Histories.DropHistory(ctx, m.clock.now(), cursor)
}

// Compact is counting.Histories.Compact with this instance's clock. Histories is not nil.
func (m *Member) Compact(ctx context.Context, cursor string) (next string, err error) {
	return m.Histories.Compact(ctx, m.clock.now(), cursor)
}

// beginHistory has a node that a ring adds begin its history with the time that the others have, before any visit
// comes to it. All its pages will come with their history. Where that fails, the node begins
// later, by its own time. If history was turned off at the others, it is at this one.
func (c *Cluster) beginHistory(ctx context.Context, ring *sharding.Ring, n Node) {
	joining, keeps := n.(counting.Histories)
	if since, ok := ring.Since(n.ID()); !keeps || !ok || since != ring.Epoch() || c.View() == nil {
		return
	}
	var newest counting.HistoryState
	for _, s := range values(Ask(ctx, glance, c.View().Present(), func(ctx context.Context, m *Member) (s counting.HistoryState, err error) {
		if m.ID() != n.ID() && m.Histories != nil {
			s, err = m.KeepHistory(ctx, counting.HistorySetting{}, time.Time{}, false)
		}
		return s, err
	})) {
		if s.Since.After(newest.Since) || s.Off && !newest.IsSet() {
			newest = s
		}
	}
	if !newest.IsSet() {
		return
	}
	now := counting.Clock{Now: time.Now(), MaxSkew: c.opts.MaxSkew}
	if s, err := joining.KeepHistory(ctx, newest.Setting, newest.Since, newest.Off, now); err != nil || !s.IsSet() {
		c.opts.Log.Warn("begin history on a node that joins failed", "node", n.ID(), "error", err)
	}
}
