package redisnode_test

import (
	"context"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// moving is a node whose arcs move: to another one, or from it.
type moving struct {
	node
	before, after *sharding.Ring
	arc           counting.Arc
	window        counting.Window // of yesterday
}

func (m moving) pages() []counting.Visit {
	return []counting.Visit{{Arc: m.arc, Page: "a", Count: 1}, {Arc: m.arc, Page: "b", Count: 2}}
}

// atSource is the only node of a ring, with some pages of an arc that the next
// ring gives to another.
func atSource(t *testing.T, server *servers.Redis) moving {
	n := joined(t, server)
	s := check.Value(n.RingState(t.Context()))(t)
	m := moving{node: n, before: s.Opened, window: s.Opened.Length().At(time.Now()) - 24}
	m.after = m.add(t, sharding.Member{ID: "other", Addr: "other:1", Weight: 1})
	check.Value(n.Apply(t.Context(), &counting.Batch{Epoch: 1, Session: "s", Seq: 1, Visits: m.with().pages()}))(t)
	return m.with()
}

// atDestination is an empty node that the next ring gives an arc of another.
func atDestination(t *testing.T, server *servers.Redis) moving {
	n := open(t, "redis_7070", server)
	other := sharding.Member{ID: "other", Addr: "other:1", Weight: 1}
	r := check.Value(sharding.New("deployment", 7, counting.WindowLength(time.Hour), "first", []sharding.Member{other}))(t)
	m := moving{node: n, before: r}
	m.after = m.add(t, sharding.Member{ID: n.ID(), Addr: n.Addr(), Weight: 1})
	return m.with()
}

func (m moving) add(t *testing.T, joining sharding.Member) *sharding.Ring {
	t.Helper()
	return check.Value(m.before.Add(sharding.Change{ID: "second"}, joining))(t)
}

// with picks an arc that moves.
func (m moving) with() moving {
	m.arc = m.after.Moves()[0].Arc
	return m
}

// step is one of a change or of a move.
type step func(moving, context.Context) error

func (m moving) fence(ctx context.Context) error { _, err := m.Fence(ctx, m.after); return err }
func (m moving) open(ctx context.Context) error  { return m.Open(ctx, m.after) }

func (m moving) seal(ctx context.Context) error {
	_, err := m.Seal(ctx, m.window, 0, conformance.AnyTime())
	return err
}

func (m moving) claimWindow(ctx context.Context) error {
	_, _, err := m.Claim(ctx, m.window, "a", counting.MaxLease)
	return err
}

func (m moving) record(ctx context.Context) error {
	_, err := m.Advance(ctx, m.window, "1-a", counting.Record(7))
	return err
}

func (m moving) publish(ctx context.Context) error {
	_, err := m.Advance(ctx, m.window, "1-a", counting.Publish("log"))
	return err
}

// is tells whether the entry of the window has a state.
func (m moving) is(t *testing.T, s counting.State) bool {
	t.Helper()
	e, _, err := m.Entry(t.Context(), m.window)
	check.Must(t, err)
	return e.State == s
}

func (m moving) claim(ctx context.Context) error {
	all, err := m.ClaimArcs(ctx, m.after.Table(), []counting.Arc{m.arc})
	if err != nil {
		return err
	}
	return all[0].Err
}

func (m moving) retire(ctx context.Context) error {
	return m.RetireArc(ctx, m.after.Table(), m.arc, 2)
}

func (m moving) takeIn(ctx context.Context) error {
	_, err := m.Import(ctx, m.after.Table(), m.arc, counting.Chunk{Pages: m.pages()})
	return err
}

// takeInPermanently is confirmed, too.
func (m moving) takeInPermanently(ctx context.Context) error {
	err := m.takeIn(ctx)
	if err == nil {
		_, err = m.Confirm(ctx, m.after.Table(), []counting.Arc{m.arc})
	}
	return err
}

func (m moving) close(ctx context.Context) error {
	return m.CloseArc(ctx, m.after.Table(), m.arc, 2)
}

// do takes steps that must succeed.
func (m moving) do(t *testing.T, steps ...step) {
	t.Helper()
	for i, take := range steps {
		check.Must(t, take(m, t.Context()), "step %d", i)
	}
}

// part is what the node shows of the arc's second page, and summary how far it is.
func (m moving) part(t *testing.T) counting.Part {
	t.Helper()
	parts := check.Value(m.ReadParts(t.Context(), counting.Expected{Epoch: m.after.Epoch()}, []counting.Located{{Arc: m.arc, Page: "b"}}))(t)
	return parts[0]
}

func (m moving) summary(t *testing.T) sharding.RingSummary {
	t.Helper()
	return check.Value(m.RingSummary(t.Context()))(t)
}
