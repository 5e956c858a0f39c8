package cluster

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"footfall/domain/counting"
)

// clock is what an instance knows of the clock of a node.
type clock struct {
	node    counting.NodeID
	addr    func() string
	maxSkew time.Duration
	log     *slog.Logger
	skew    atomic.Int64
	wrong   atomic.Pointer[time.Time] // since when the clocks disagree; nil while they agree
}

// now is this instance's clock, to be compared with the node's.
func (c *clock) now() counting.Clock { return counting.Clock{Now: time.Now(), MaxSkew: c.maxSkew} }

// measured notes the node's time, which the node read between two moments: half way is
// the best guess. It logs a warning when the clocks cease to agree, and once more
// when they agree again.
func (c *clock) measured(begin, end, node time.Time) {
	half := end.Sub(begin) / 2
	skew := node.Sub(begin.Add(half))
	c.skew.Store(int64(skew))
	wrong := max(skew, -skew)-half > c.maxSkew
	switch {
	case wrong && c.wrong.CompareAndSwap(nil, &end):
		c.log.Warn("clocks disagree, so ids for this node and reads of its history are refused", "node", c.node, "addr", c.addr(), "ahead", skew.Round(time.Millisecond).String(),
			"greatest_skew", c.maxSkew.String())
	case !wrong && c.wrong.Swap(nil) != nil:
		c.log.Info("clocks agree again", "node", c.node)
	}
}

// Skew is how far the node's clock was ahead of this instance's at the last heartbeat,
// negative if it was behind. wrong: it was more than the configured greatest skew.
func (m *Member) Skew() (ahead time.Duration, wrong bool) {
	return time.Duration(m.clock.skew.Load()), m.clock.wrong.Load() != nil
}

// CheckClock is counting.ErrUnavailable if the clocks of the node and of this instance disagreed at the last heartbeat.
func (m *Member) CheckClock() error {
	if ahead, wrong := m.Skew(); wrong {
		return counting.Mark(Named(m.ID(), &counting.SkewError{Ahead: ahead}), counting.ErrUnavailable)
	}
	return nil
}

// Heartbeat is counting.Windows.Heartbeat with this instance's clock. It also measures
// the skew of the node's clock.
func (m *Member) Heartbeat(ctx context.Context) (counting.HeartbeatResult, error) {
	c := m.clock.now()
	a, err := m.Node.Heartbeat(ctx, c)
	if err == nil {
		m.clock.measured(c.Now, time.Now(), a.Now)
	}
	return a, err
}

// Seal is counting.Windows.Seal with this instance's clock.
func (m *Member) Seal(ctx context.Context, w counting.Window, grace time.Duration) (int64, error) {
	return m.Node.Seal(ctx, w, grace, m.clock.now())
}
