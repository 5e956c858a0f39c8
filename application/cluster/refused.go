package cluster

import (
	"cmp"
	"errors"
	"sync/atomic"
	"time"

	"footfall/domain/counting"
)

// pauseRefused is the time between two log lines about the requests of a node that were
// refused.
const pauseRefused = time.Minute

// refused counts requests that were refused because of a node.
type refused struct {
	sinceLogged atomic.Int64
	wrongClock  atomic.Bool // some of them because of the node's clock
	logged      time.Time   // guarded by being used by one goroutine at a time
}

// NoteRefused notes that items of requests were refused because the node did not serve
// them: visits, ids or pages to be read.
func (m *Member) NoteRefused(items int) { m.refused.sinceLogged.Add(int64(items)) }

// noteWrongClock notes that the node has refused an id because its clock is wrong.
func (m *Member) noteWrongClock() {
	m.refused.wrongClock.Store(true)
	m.NoteRefused(1)
}

// logRefused logs how many items were refused because of a node since its last line,
// which is at least pauseRefused ago unless all is set.
func (c *Cluster) logRefused(m *Member, all bool) {
	r := &m.refused
	if time.Since(r.logged) < pauseRefused && !all {
		return
	}
	n := r.sinceLogged.Swap(0)
	if n == 0 {
		return
	}
	r.logged = time.Now()
	c.opts.Log.Warn("requests were refused", "node", m.ID(), "items", n, "reason", m.whyRefused())
	m.fault.named()
	r.wrongClock.Store(false)
}

// Unavailable is counting.ErrUnavailable with the node and the reason, for operators.
func (m *Member) Unavailable() error {
	return counting.Mark(Named(m.ID(), errors.New(m.whyRefused())), counting.ErrUnavailable)
}

// whyRefused is the reason for which a node's requests are refused now.
func (m *Member) whyRefused() string {
	store, clock := "", ""
	if r := m.refusal.Load(); r != nil {
		store = r.text
	}
	if _, wrong := m.Skew(); wrong || m.refused.wrongClock.Load() {
		clock = "its clock and this instance's differ by too much"
	}
	return cmp.Or(store, m.fault.why(), clock, "its answers take too long, or too many requests wait for it")
}
