package redisnode_test

import (
	"strconv"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// joined is a node that is all of a ring, with windows of an hour.
func joined(tb testing.TB, server *servers.Redis) node {
	tb.Helper()
	return join(tb, open(tb, "redis_7070", server))
}

// join makes a node the only one of a ring, and returns it.
func join[N sharding.RingStore](tb testing.TB, n N) N {
	tb.Helper()
	r := check.Value(sharding.New("deployment", 7, counting.WindowLength(time.Hour), "first",
		[]sharding.Member{{ID: n.ID(), Addr: n.Addr(), Weight: 1}}))(tb)
	conformance.OpenRing(tb, n, r)
	return n
}

// visits is a batch of visits of a few pages.
func visits(seq int64) *counting.Batch {
	b := &counting.Batch{Epoch: 1, Session: "session", Seq: seq}
	for i := range 3 {
		b.Visits = append(b.Visits, counting.Visit{Arc: counting.Arc(i), Page: page(i), Count: 1})
	}
	return b
}

func page(i int) counting.Page { return counting.Page("page/" + strconv.Itoa(i)) }

// wantVisits checks what the node has for the pages of visits.
func (n node) wantVisits(t *testing.T, want int64) {
	t.Helper()
	var pages []counting.Located
	for i := range 3 {
		pages = append(pages, counting.Located{Arc: counting.Arc(i), Page: page(i)})
	}
	tallies := check.Value(n.Read(t.Context(), counting.Expected{Epoch: 1}, pages))(t)
	for i, tally := range tallies {
		if tally.Err != nil || tally.Visits != want {
			t.Errorf("page %d has %+v, want %d visits", i, tally, want)
		}
	}
}

// A store of before has no format, which is format 1, and gets one. A store of a newer
// version is refused by every call, and so is a change of its ring.
func TestANewerFormatIsRefused(t *testing.T) {
	t.Parallel()
	n := joined(t, servers.StartRedis(t))
	c := n.server.Client()
	defer func() { _ = c.Close() }()
	check.Equal(t, c.HGet(t.Context(), "ff:T", "format").Val(), "1", "the format of a new store")
	n.do(t, "hdel", "ff:T", "format")
	check.Value(n.Apply(t.Context(), visits(1)))(t)
	check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
	check.Equal(t, c.HGet(t.Context(), "ff:T", "format").Val(), "1", "the format of an older store")
	ring := check.Value(n.RingState(t.Context()))(t).Opened
	for _, format := range []string{"3", "10", "text"} {
		n.do(t, "hset", "ff:T", "format", format)
		for _, err := range []error{
			check.Err(n.Apply(t.Context(), visits(2))), check.Err(n.Read(t.Context(), counting.Expected{Epoch: 1}, nil)), check.Err(n.RingState(t.Context())),
			check.Err(n.RingSummary(t.Context())), check.Err(n.Fence(t.Context(), ring)), n.Accept(t.Context(), ring), n.Open(t.Context(), ring),
			check.Err(n.IncomingArcs(t.Context(), 1)), check.Err(n.Heartbeat(t.Context(), conformance.AnyTime())),
		} {
			check.Is(t, err, counting.ErrNewerFormat)
			check.Is(t, err, counting.ErrUnusable, "a start need not wait")
			check.Says(t, err, "the store has format "+format+", this version reads up to 2: run a newer version")
		}
	}
	n.do(t, "hset", "ff:T", "format", "1")
	n.wantVisits(t, 1)
}
