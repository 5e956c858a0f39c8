package redisnode_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

func (m moving) takeEntries(ctx context.Context) error {
	var all []counting.FullEntry
	for w := range counting.Window(300) {
		all = append(all, counting.FullEntry{
			Entry:      counting.Entry{Window: w, State: counting.Done, Count: int64(w), Sink: "log"},
			ByEndpoint: map[string]counting.Delivery{"http://e/": {Attempts: 1, Status: 200, Final: true}},
		})
	}
	return m.ImportEntries(ctx, m.after.Table(), all)
}

func (m moving) tookEntries(t *testing.T) bool {
	t.Helper()
	e, calls, err := m.Entry(t.Context(), 299)
	check.Must(t, err)
	return e.Count == 299 && calls["http://e/"].Delivered()
}

// Entries are on the disk, and a full server takes them, before the node that had
// them is let go.
func TestEntriesThatAreTakenAreSynced(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t, "--appendfsync", "everysec")
	y := startYounger(t, server.Addr)
	m := atDestination(t, &servers.Redis{Addr: y.addr})
	m.do(t, moving.fence, moving.open)
	c := server.Client()
	defer func() { _ = c.Close() }()
	check.Must(t, c.ConfigSet(t.Context(), "maxmemory", "1").Err())
	check.Fails(t, m.takeEntries(t.Context()), "while nothing is synced")
	y.synced.Store(true)
	if err := m.takeEntries(t.Context()); err != nil || !m.tookEntries(t) || y.asked.Load() != 2 {
		t.Errorf("%v; the server was asked %d times whether it has synced", err, y.asked.Load())
	}
}

// V31: an entry that can't be listed isn't taken, so that it can be taken whole.
func TestAnEntryIsNotTakenHalf(t *testing.T) {
	t.Parallel()
	m := atDestination(t, servers.StartRedis(t))
	m.do(t, moving.fence, moving.open)
	m.node.do(t, "set", "ff:wins", "x")
	check.Fails(t, m.takeEntries(t.Context()), "while there is no list")
	m.node.do(t, "del", "ff:wins")
	check.Must(t, m.takeEntries(t.Context()))
	for w := range counting.Window(300) {
		list, err := m.Entries(t.Context(), w+1, 1)
		_, calls, callsErr := m.Entry(t.Context(), w)
		if err != nil || callsErr != nil || len(list) != 1 || list[0].Window != w || len(calls) != 1 {
			t.Fatalf("of window %d are listed %+v, %v, with the calls %v, %v", w, list, err, calls, callsErr)
		}
	}
}

// An entry that has expired is in no list, hides none behind it, and leaves the
// set of all in time, also if no client asks for a list.
func TestEntriesThatHaveExpiredLeaveTheList(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	n := joined(t, server)
	for _, w := range []counting.Window{5, 70} {
		check.Must(t, check.Err(n.Claim(t.Context(), w, "a", time.Second)))
	}
	expire := func() {
		for w := range 90 {
			if w != 5 && w != 70 {
				n.do(t, "zadd", "ff:wins", w, w)
			}
		}
	}
	expire()
	entries, err := n.Entries(t.Context(), math.MaxInt64, 2)
	if err != nil || len(entries) != 2 || entries[0].Window != 70 || entries[1].Window != 5 {
		t.Errorf("the entries are %+v, %v", entries, err)
	}
	if entries, err = n.Entries(t.Context(), 70, 1); err != nil || len(entries) != 1 || entries[0].Window != 5 {
		t.Errorf("the entries before window 70 are %+v, %v", entries, err)
	}
	expire()
	for range 10 {
		check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
	}
	c := server.Client()
	defer func() { _ = c.Close() }()
	left, err := c.ZRange(t.Context(), "ff:wins", 0, -1).Result()
	if err != nil || fmt.Sprint(left) != "[5 70]" {
		t.Errorf("in the set of all are %v, %v", left, err)
	}
}

// A long list, most of which has expired, is read and tidied up a few keys at a time.
func TestEntriesAreReadAFewKeysAtATime(t *testing.T) {
	t.Parallel()
	const stored, limit = 1500, 1001
	w := observe(t, joined(t, servers.StartRedis(t)))
	client := w.server.Client()
	defer func() { _ = client.Close() }()
	p := client.Pipeline()
	for i := range 3 * stored {
		p.ZAdd(t.Context(), "ff:wins", redis.Z{Score: float64(i), Member: i})
		if i%3 == 0 { // the others have expired
			p.HSet(t.Context(), fmt.Sprint("ff:win:", i), "state", "done", "count", i, "sink", "log", "endpoints", 0, "delivered", 0, "failed", 0)
		}
	}
	check.Value(p.Exec(t.Context()))(t)
	next := counting.Window(3*stored - 3)
	for before, n := counting.Window(math.MaxInt64), limit; n == limit; before = next + 3 {
		w.bounded("a part of the list", func() {
			entries := check.Value(w.Entries(t.Context(), before, limit))(t)
			for _, e := range entries {
				check.Equal(t, e, counting.Entry{Window: next, State: counting.Done, Count: int64(next), Sink: "log"}, "the next entry")
				next -= 3
			}
			n = len(entries)
		})
	}
	check.Equal(t, next, -3, "the next window after the last one")
	check.Equal(t, check.Value(client.ZCard(t.Context(), "ff:wins").Result())(t), stored, "the list")
}
