package redisnode_test

import (
	"bytes"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/servers"
)

// younger stands before a server and makes it one of a version that knows
// WAITAOF, which it answers itself.
type younger struct {
	addr   string
	asked  atomic.Int64 // how often
	synced atomic.Bool  // what it answers
	delay  atomic.Int64 // before it does, in nanoseconds
}

func startYounger(t *testing.T, target string) *younger {
	t.Helper()
	l := check.Value((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = l.Close() })
	y := &younger{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", target)
			if err != nil {
				_ = c.Close()
				continue
			}
			go pass(s, c, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("waitAOF"), []byte("nowhere")) })
			go pass(c, s, y.answer)
		}
	}()
	return y
}

// pass takes what one sends to the other, until one of them ends.
func pass(to, from net.Conn, change func([]byte) []byte) {
	defer func() { _, _ = to.Close(), from.Close() }()
	for buffer := make([]byte, 1<<16); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if _, err := to.Write(change(buffer[:n])); err != nil {
			return
		}
	}
}

func (y *younger) answer(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("-ERR unknown command 'nowhere'")) {
		y.asked.Add(1)
		time.Sleep(time.Duration(y.delay.Load()))
		if y.synced.Load() {
			return []byte("*2\r\n:1\r\n:0\r\n")
		}
		return []byte("*2\r\n:0\r\n:0\r\n")
	}
	return bytes.ReplaceAll(b, []byte("redis_version:7.0."), []byte("redis_version:7.4."))
}

// What a node takes in is on its disk before the frozen pages are deleted at the
// source: where Redis syncs now and then, and can tell when, it is waited for.
func TestWhatIsTakenInIsSyncedFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sync string
		asks bool
	}{{"everysec", true}, {"always", false}, {"no", false}} {
		t.Run(c.sync, func(t *testing.T) {
			t.Parallel()
			server := servers.StartRedis(t, "--appendfsync", c.sync)
			y := startYounger(t, server.Addr)
			m := atDestination(t, &servers.Redis{Addr: y.addr})
			m.do(t, moving.fence, moving.open)
			check.Equal(t, y.asked.Load(), 0, "how often a change, and all writers with it, waits for the disk")
			if err := m.takeInPermanently(t.Context()); (err != nil) != c.asks || errors.Is(err, counting.ErrNotApplied) {
				t.Errorf("%v while nothing is synced", err)
			}
			y.synced.Store(true)
			check.OK(t, m.takeInPermanently(t.Context()))
			if n := y.asked.Load(); (n == 2) != c.asks {
				t.Errorf("the server was asked %d times whether it has synced", n)
			}
			check.OK(t, m.close(t.Context()))
		})
	}
}

// What a source has frozen is on its disk before any of it goes over.
func TestWhatIsClaimedIsSyncedFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sync string
		asks bool
	}{{"everysec", true}, {"always", false}} {
		t.Run(c.sync, func(t *testing.T) {
			t.Parallel()
			y := startYounger(t, servers.StartRedis(t, "--appendfsync", c.sync).Addr)
			m := atSource(t, &servers.Redis{Addr: y.addr})
			m.do(t, moving.fence, moving.open)
			if err := m.claim(t.Context()); (err != nil) != c.asks || errors.Is(err, counting.ErrNotApplied) {
				t.Errorf("%v while nothing is synced", err)
			}
			y.synced.Store(true)
			m.do(t, moving.claim)
			if n := y.asked.Load(); (n == 2) != c.asks {
				t.Errorf("the server was asked %d times whether it has synced", n)
			}
			m.do(t, moving.retire)
		})
	}
}

// One sync is for many arcs, and may take longer than calls do otherwise.
func TestManyArcsAreConfirmedByOneSync(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t, "--appendfsync", "everysec")
	y := startYounger(t, server.Addr)
	y.synced.Store(true)
	y.delay.Store(int64(1500 * time.Millisecond))
	m := atDestination(t, &servers.Redis{Addr: y.addr})
	m.do(t, moving.fence, moving.open)
	arcs := m.after.Incoming(m.ID())[:counting.MaxTogether]
	for i, arc := range arcs {
		pages := []counting.Visit{{Arc: arc, Page: "a", Count: 1}, {Arc: arc, Page: "b", Count: 1}}
		check.Value(m.Import(t.Context(), 2, arc, counting.Chunk{Pages: pages[:1+i%2]}))(t)
	}
	got, err := m.Confirm(t.Context(), 2, arcs)
	if err != nil || len(got) != len(arcs) {
		t.Fatalf("%d answers, %v", len(got), err)
	}
	for i, in := range got {
		if in.Pages != 1+i%2 || in.Closed {
			t.Errorf("arc %d: %+v", i, in)
		}
	}
	check.Equal(t, y.asked.Load(), 1, "how often the server was asked whether it has synced")
}
