package redisnode_test

import (
	"flag"
	"strconv"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

var longFlag = flag.Bool("long", false, "600,000 ids in place of 60,000")

// All distinct ids of a window are counted exactly, however many and however
// often they come, and it is closed at once.
func TestManyIDsOfOneWindowAreCountedExactly(t *testing.T) {
	t.Parallel()
	ids := 60_000
	if *longFlag {
		ids = 600_000
	}
	server := servers.StartRedis(t)
	n := joined(t, server)
	before := memory(t, server)
	seq := fill(t, n, ids, 0)
	perID := float64(memory(t, server)-before) / float64(ids)
	fill(t, n, ids/3, seq) // again

	a := check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
	var sum int64
	begin := time.Now()
	for _, w := range append(a.Waiting, a.Current) { // one, but at the end of an hour
		count := check.Value(n.Seal(t.Context(), w, -2*time.Hour, conformance.AnyTime()))(t)
		check.Must(t, n.Retire(t.Context(), w))
		sum += count
	}
	took := time.Since(begin)
	if sum != int64(ids) && len(a.Waiting) == 0 {
		t.Errorf("%d ids are counted, want %d", sum, ids)
	}
	if took >= time.Second {
		t.Errorf("closing took %v", took)
	}
	t.Logf("%d ids: closed in %v, %.1f B each", ids, took, perID)
}

// fill lets ids come that are spread over 64 bits.
func fill(t *testing.T, n node, ids int, seq int64) int64 {
	t.Helper()
	const batch = 500
	for from := 0; from < ids; from += batch {
		seq++
		b := &counting.Batch{Epoch: 1, Session: "session", Seq: seq, EndpointLimit: 10}
		for i := from; i < min(from+batch, ids); i++ {
			b.Clock = conformance.AnyTime()
			b.IDEvents = append(b.IDEvents, counting.IDEvent{ID: id(i), Table: 1})
		}
		r, err := n.Apply(t.Context(), b)
		if err != nil || len(r.Refused) > 0 {
			t.Fatalf("batch %d: %+v, %v", seq, r, err)
		}
	}
	return seq
}

// id is distinct for each i, since the factor is odd.
func id(i int) counting.ID {
	return counting.ID(uint64(i) * 0xD1B54A32D192ED03)
}

// memory is what a server uses for its data.
func memory(t *testing.T, server *servers.Redis) int64 {
	t.Helper()
	c := server.Client()
	defer func() { _ = c.Close() }()
	info := check.Value(c.InfoMap(t.Context(), "memory").Result())(t)
	used := check.Value(strconv.ParseInt(info["Memory"]["used_memory"], 10, 64))(t)
	return used
}
