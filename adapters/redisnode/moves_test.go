package redisnode_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/servers"
)

// An arc whose pages Redis shows a few at a time goes over whole.
func TestALargeArcMovesWhole(t *testing.T) {
	t.Parallel()
	const pages = 5000
	from, to := atSource(t, servers.StartRedis(t)), atDestination(t, servers.StartRedis(t))
	to.arc = from.arc // both rings bring arcs; which one doesn't matter to the nodes
	if !slices.Contains(to.after.Incoming(to.ID()), from.arc) {
		t.Fatalf("arc %d doesn't come", from.arc)
	}
	b := &counting.Batch{Epoch: 1, Session: "s", Seq: 2}
	for i := range pages {
		b.Visits = append(b.Visits, counting.Visit{Arc: from.arc, Page: counting.Page(fmt.Sprint("many/", i)), Count: int64(i)})
	}
	check.Value(from.Apply(t.Context(), b))(t)
	from.do(t, moving.fence, moving.open, moving.claim)
	to.do(t, moving.fence, moving.open)
	calls, marked := from.copyTo(t, to)
	if calls < 2 || marked != pages+2 {
		t.Errorf("%d pages are marked after %d calls, want %d", marked, calls, pages+2)
	}
	check.OK(t, from.RetireArc(t.Context(), 2, from.arc, marked))
	check.OK(t, to.CloseArc(t.Context(), 2, to.arc, marked))
	var all []counting.Located
	for _, v := range b.Visits {
		all = append(all, counting.Located{Arc: to.arc, Page: v.Page})
	}
	for i, tally := range check.Value(to.Read(t.Context(), counting.Expected{Epoch: 2}, all))(t) {
		if tally != (counting.Tally{Visits: int64(i)}) {
			t.Fatalf("page %d is %+v", i, tally)
		}
	}
}

// copyTo takes the frozen pages, and returns the number of calls that it took
// and of pages that are marked.
func (m moving) copyTo(t *testing.T, to moving) (calls, marked int) {
	t.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		chunk, next, err := m.Fetch(t.Context(), 2, m.arc, cursor)
		check.Must(t, err)
		for _, part := range chunk.Parts() {
			in, err := to.Import(t.Context(), 2, to.arc, part)
			if err != nil || len(in.Refused) > 0 {
				t.Fatalf("%+v, %v", in, err)
			}
			marked = in.Pages
		}
		cursor = next
		calls++
	}
	return calls, marked
}

// A full server can still be left, and takes what it was promised to get.
func TestAFullServerMovesArcs(t *testing.T) {
	t.Parallel()
	from, to := atSource(t, servers.StartRedis(t)), atDestination(t, servers.StartRedis(t))
	from.node.do(t, "config", "set", "maxmemory", "1")
	to.node.do(t, "config", "set", "maxmemory", "1")
	check.Fails(t, check.Err(from.Apply(t.Context(), visits(9))), "the server is not full")
	from.do(t, moving.fence, moving.open, moving.claim, moving.retire)
	to.do(t, moving.fence, moving.open, moving.takeIn, moving.close)
	check.Equal(t, from.part(t), (counting.Part{Stage: counting.Released, Closed: true}), "the source has")
	check.Equal(t, to.part(t), (counting.Part{Visits: 2, Closed: true}), "the destination has")
}

// A key that holds something else stops the arc, loudly, and takes or doubles
// nothing: when an operator has taken it away, the move goes on.
func TestNoKeyOfAWrongTypeLetsAMoveLoseOrDouble(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key    string // with the arc
		at     func(*testing.T, *servers.Redis) moving
		before []step
		step   step
		want   counting.Part // after the step was taken in the end
	}{
		{"ff:st", atSource, []step{moving.fence, moving.open}, moving.claim, counting.Part{Stage: counting.Frozen, Frozen: 2, Closed: true}},
		{"ff:x:%d:2", atSource, []step{moving.fence, moving.open}, moving.claim, counting.Part{Stage: counting.Frozen, Frozen: 2, Closed: true}},
		{"ff:in:%d:2", atDestination, []step{moving.fence, moving.open}, moving.takeIn, counting.Part{Visits: 2, Marked: true}},
		{"ff:c:%d", atDestination, []step{moving.fence, moving.open}, moving.takeIn, counting.Part{Visits: 2, Marked: true}},
	} {
		t.Run(c.key, func(t *testing.T) {
			t.Parallel()
			m := c.at(t, servers.StartRedis(t))
			m.do(t, c.before...)
			key := c.key
			if key != "ff:st" {
				key = fmt.Sprintf(key, m.arc)
			}
			m.node.do(t, "rpush", key, "x")
			for range 2 {
				t.Logf("it says %v", c.step(m, t.Context()))
			}
			if key != fmt.Sprintf("ff:x:%d:2", m.arc) { // the frozen pages took its place
				m.node.do(t, "del", key)
			}
			m.do(t, c.step, c.step)
			check.Equal(t, m.part(t), c.want, "the node has")
		})
	}
}

// An arc is retired in the end, with its keys, though something else was in the place
// of what counts them, or lists their arcs.
func TestNoKeyOfAWrongTypeKeepsAnArcFromBeingRetired(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"ff:kn", "ff:ka:2"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			m := atSource(t, servers.StartRedis(t))
			m.do(t, moving.fence, moving.open, moving.claim)
			m.node.do(t, "hset", fmt.Sprintf("ff:k:2:%d", m.arc), "key", "print")
			m.node.do(t, "hset", "ff:kn", "2", "1")
			m.node.do(t, "sadd", "ff:ka:2", int(m.arc))
			m.node.do(t, "rename", key, "quarantined")
			m.node.do(t, "set", key, "x")
			for range 2 {
				if err := m.retire(t.Context()); err == nil || errors.Is(err, counting.ErrUnfinished) {
					t.Errorf("retired with %v", err)
				}
			}
			m.node.do(t, "rename", "quarantined", key) // as an operator would
			m.do(t, moving.retire, moving.retire)
			check.Equal(t, m.part(t), (counting.Part{Stage: counting.Released, Closed: true}), "the node has")
			c := m.server.Client()
			defer func() { _ = c.Close() }()
			if n, err := c.HGet(t.Context(), "ff:kn", "2").Int(); err != nil || n != 0 || len(m.node.keys(t, "ff:k:*")) > 0 {
				t.Errorf("%d keys are counted, %v, and there are %v", n, err, m.node.keys(t, "ff:k:*"))
			}
		})
	}
}

// Marks that are none keep their own arc from being retired, and no other.
func TestMarksOfAWrongTypeConfirmNothing(t *testing.T) {
	t.Parallel()
	m := atDestination(t, servers.StartRedis(t))
	m.do(t, moving.fence, moving.open, moving.takeIn)
	other := m.after.Incoming(m.ID())[1]
	m.node.do(t, "set", fmt.Sprintf("ff:in:%d:2", other), "x")
	got, err := m.Confirm(t.Context(), 2, []counting.Arc{other, m.arc})
	if err != nil || got[0].Pages != -1 || got[0].Closed || got[1].Pages != 2 {
		t.Errorf("confirmed %+v, %v", got, err)
	}
}

// An arc that is no hash is not claimed, and holds up no other.
func TestAnArcOfAWrongTypeIsNotClaimed(t *testing.T) {
	t.Parallel()
	m := atSource(t, servers.StartRedis(t))
	m.do(t, moving.fence, moving.open)
	key := fmt.Sprintf("ff:c:%d", m.arc)
	m.node.do(t, "rename", key, "quarantined")
	m.node.do(t, "set", key, "x")
	other := m.after.Moves()[1].Arc
	all, err := m.ClaimArcs(t.Context(), 2, []counting.Arc{m.arc, other})
	if err != nil || !errors.Is(all[0].Err, counting.Corrupt) || all[1] != (counting.FrozenPages{Stage: counting.Released}) {
		t.Errorf("claimed %+v, %v, want that the first is corrupt", all, err)
	}
	m.node.do(t, "rename", "quarantined", key) // as an operator would
	m.do(t, moving.claim)
	if p := m.part(t); p.Frozen != 2 {
		t.Errorf("the node has %+v", p)
	}
}
