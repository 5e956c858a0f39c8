package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// A server that refuses calls for a while says that they did nothing, and
// takes the same batch when it is well again.
func TestARefusedBatchIsNotAppliedAndMayComeAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, why  string
		ail, mend  func(*testing.T, node)
		unreadable bool
	}{
		{
			"read only", "READONLY",
			func(t *testing.T, n node) { n.do(t, "replicaof", "127.0.0.1", "1") },
			func(t *testing.T, n node) { n.do(t, "replicaof", "no", "one") }, true,
		},
		{
			"full", "OOM",
			func(t *testing.T, n node) { n.do(t, "config", "set", "maxmemory", "1") },
			func(t *testing.T, n node) { n.do(t, "config", "set", "maxmemory", "0") }, false,
		},
		{"cannot save", "MISCONF", failToSave, func(t *testing.T, n node) { n.do(t, "config", "set", "save", "") }, false},
		{"busy", "BUSY", beBusy, endScript, true},
		{"loading", "LOADING", load, awaitLoaded, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := joined(t, servers.StartRedis(t))
			check.Value(n.Apply(t.Context(), visits(1)))(t)
			c.ail(t, n)
			_, err := n.Apply(t.Context(), visits(2))
			wantNotApplied(t, err, c.why)
			if !c.unreadable {
				n.wantVisits(t, 1)
			}
			c.mend(t, n)
			n.wantVisits(t, 1)
			if r, err := n.Apply(t.Context(), visits(2)); err != nil || r.Duplicate {
				t.Errorf("%+v, %v after the server was mended", r, err)
			}
			n.wantVisits(t, 2)
		})
	}
}

// failToSave lets a snapshot fail, after which Redis takes no writes.
func failToSave(t *testing.T, n node) {
	c := n.server.Client()
	defer func() { _ = c.Close() }()
	dir := check.Value(c.ConfigGet(t.Context(), "dir").Result())(t)
	if err := os.Mkdir(filepath.Join(dir["dir"], "dump.rdb"), 0o755); err != nil { // in the way
		t.Fatal(err)
	}
	n.do(t, "config", "set", "save", "3600 1000000")
	n.do(t, "bgsave")
	eventually(t, func() bool {
		info, err := c.InfoMap(t.Context(), "persistence").Result()
		return err == nil && info["Persistence"]["rdb_last_bgsave_status"] == "err"
	})
}

// beBusy lets the server run a script that doesn't end.
func beBusy(t *testing.T, n node) {
	n.do(t, "config", "set", "busy-reply-threshold", "1")
	c := n.server.Client()
	t.Cleanup(func() { _ = c.Close() })
	go func() { _ = c.Eval(context.WithoutCancel(t.Context()), "while true do end", nil).Err() }()
	n.awaitAnswer(t, "BUSY")
}

// load lets the server load a file for some seconds.
func load(t *testing.T, n node) {
	c := n.server.Client()
	t.Cleanup(func() { _ = c.Close() })
	for range 20 { // Redis looks up from its loading after 1024 commands
		pipe := c.Pipeline()
		for i := range 1000 {
			pipe.Incr(t.Context(), fmt.Sprint("other/", i))
		}
		check.Value(pipe.Exec(t.Context()))(t)
	}
	n.do(t, "config", "set", "key-load-delay", "20")
	go func() { _ = c.Do(context.WithoutCancel(t.Context()), "debug", "loadaof").Err() }()
	n.awaitAnswer(t, "LOADING")
}

func awaitLoaded(t *testing.T, n node) { n.awaitAnswer(t, "") }

func endScript(t *testing.T, n node) {
	n.do(t, "script", "kill")
	n.awaitAnswer(t, "")
}

// awaitAnswer waits until the server answers everything by an error, or by
// none where that is empty.
func (n node) awaitAnswer(t *testing.T, want string) {
	t.Helper()
	c := n.server.Client()
	defer func() { _ = c.Close() }()
	eventually(t, func() bool {
		err := c.Exists(t.Context(), "any").Err()
		return err == nil && want == "" || err != nil && want != "" && strings.HasPrefix(err.Error(), want)
	})
}

func eventually(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came so far")
		}
	}
}

// A full server can still close windows, which frees memory.
func TestAFullServerClosesWindows(t *testing.T) {
	t.Parallel()
	n := joined(t, servers.StartRedis(t))
	b := visits(1)
	b.Clock = conformance.AnyTime()
	b.IDEvents = []counting.IDEvent{{ID: 1, Table: 1}, {ID: 2, Table: 1}}
	check.Value(n.Apply(t.Context(), b))(t)
	n.do(t, "config", "set", "maxmemory", "1")
	a := check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
	token, _, err := n.Claim(t.Context(), a.Current, "owner", time.Minute)
	check.Must(t, err)
	check.Equal(t, check.Value(n.Seal(t.Context(), a.Current, -2*time.Hour, conformance.AnyTime()))(t), 2, "ids")
	_, err1 := n.Advance(t.Context(), a.Current, token, counting.Record(2))
	_, err2 := n.Advance(t.Context(), a.Current, token, counting.Publish("log"))
	err3 := n.Retire(t.Context(), a.Current)
	check.OK(t, errors.Join(err1, err2, err3))
}

func TestACallBeyondTheServersClientsIsNotApplied(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	joined(t, server) // keeps a connection
	n := open(t, "redis_7070", server)
	n.do(t, "config", "set", "maxclients", "1")
	_, err := n.Apply(t.Context(), visits(1))
	wantNotApplied(t, err, "") // Redis may close the connection before it says why
}

func TestAWrongPasswordIsReportedWithoutIt(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t, "--requirepass", "right")
	for _, password := range []string{"", "wrong-password", "right"} {
		n := redisnode.New(redisnode.Options{ID: "redis_7070", Addr: server.Addr, Password: password, Log: slog.New(slog.DiscardHandler)})
		_, err := n.Apply(t.Context(), visits(1))
		if password == "right" {
			check.Is(t, err, counting.ErrUninitialized, "the right one")
		} else {
			wantNotApplied(t, err, "")
		}
		if strings.Contains(err.Error(), "wrong-password") || strings.Contains(err.Error(), "right") {
			t.Errorf("the error shows a password: %v", err)
		}
		_ = n.Close()
	}
}

func TestAServerThatIsDownIsNotApplied(t *testing.T) {
	t.Parallel()
	n := joined(t, servers.StartRedis(t))
	n.server.Kill()
	for range 3 { // the first may meet a connection that was there
		_, _ = n.Apply(t.Context(), visits(1))
	}
	_, err := n.Apply(t.Context(), visits(1))
	wantNotApplied(t, err, "refused")
}

func TestAServerThatForgotItsScriptsIsTaughtThemAgain(t *testing.T) {
	t.Parallel()
	n := joined(t, servers.StartRedis(t))
	for seq := range int64(3) {
		n.do(t, "script", "flush")
		check.OK(t, check.Err(n.Apply(t.Context(), visits(seq+1))))
	}
	n.wantVisits(t, 3)
}

// A key that holds something else refuses items, or all of a batch, but
// never lets a repetition count twice.
func TestNoKeyOfAWrongTypeLetsABatchCountTwice(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"ff:n:%d", "ff:eps:%d", "ff:ids:%d:0", "ff:pend", "ff:Q"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			n := joined(t, servers.StartRedis(t))
			a := check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t)
			if strings.Contains(key, "%d") {
				key = fmt.Sprintf(key, a.Current)
			}
			n.do(t, "del", key)
			n.do(t, "rpush", key, "x")
			b := visits(1)
			b.EndpointLimit = 10
			for i := range 3 {
				b.Clock = conformance.AnyTime()
				b.IDEvents = append(b.IDEvents, counting.IDEvent{ID: counting.ID(i), Endpoint: "http://e/", Table: 1})
			}
			r, err := n.Apply(t.Context(), b)
			again, err2 := n.Apply(t.Context(), b)
			t.Logf("%+v %v, then %+v %v", r, err, again, err2)
			if err != nil {
				n.do(t, "del", key) // as an operator would
				check.OK(t, check.Err(n.Apply(t.Context(), b)))
			}
			n.wantVisits(t, 1)
		})
	}
}

func TestTwoAddressesOfOneServerAreFound(t *testing.T) {
	t.Parallel()
	one, other := servers.StartRedis(t), servers.StartRedis(t)
	nodes := func(addrs ...string) (all []*redisnode.Node) {
		for i, addr := range addrs {
			n := redisnode.New(redisnode.Options{ID: counting.NodeID(fmt.Sprint("n", i)), Addr: addr, Log: slog.New(slog.DiscardHandler)})
			t.Cleanup(func() { _ = n.Close() })
			all = append(all, n)
		}
		return all
	}
	twice := fmt.Sprint("localhost:", one.Port())
	err := redisnode.Identify(t.Context(), nodes(one.Addr, other.Addr, twice))
	if err == nil || err.Error() != one.Addr+" and "+twice+" are the same server" {
		t.Errorf("%v", err)
	}
	other.Kill()
	check.OK(t, redisnode.Identify(t.Context(), nodes(one.Addr, other.Addr, "127.0.0.1:1")), "servers that are down")
}

// F32: a right that is taken away while the service runs doubles nothing, and loses nothing
// that was acknowledged. A new connection is refused, and the right is named.
func TestF32ARightThatIsTakenAwayCountsNothingTwice(t *testing.T) {
	t.Parallel()
	server := servers.StartRedisWithClock(t, documentedUser(t)...)
	server.Clock.Stop(t, 0)
	n := join(t, openAs(t, "redis_7070", server, "footfall", "secret"))
	seq, home, ids := int64(0), int64(0), int64(0)
	apply := func(b *counting.Batch) (counting.Receipt, error) { return n.Apply(t.Context(), b) }
	for _, right := range []string{"hset", "hget", "hincrby", "incrby", "zadd", "scard", "sadd", "sismember", "hsetnx", "hdel", "time", "hmget"} {
		seq++
		b := &counting.Batch{
			Epoch: 1, Session: "s", Seq: seq, EndpointLimit: 1000, KeyLimit: 1000, Clock: conformance.AnyTime(),
			Visits:   []counting.Visit{{Page: "home", Count: 1}},
			IDEvents: []counting.IDEvent{{ID: counting.ID(seq), Endpoint: "http://a.example/", Table: 1}},
			Keyed:    []counting.KeyedVisit{{Visit: counting.Visit{Page: "home", Count: 1}, RequestKey: counting.RequestKey{Key: counting.Key{byte(seq)}}}},
		}
		n.do(t, "acl", "setuser", "footfall", "-"+right)
		for range 2 {
			_, _ = apply(b)
		}
		fresh := openAs(t, "redis_7070", server, "footfall", "secret")
		check.Says(t, check.Err(fresh.RingState(t.Context())), "the user may not run "+strings.ToUpper(right))
		n.do(t, "acl", "setuser", "footfall", "+"+right)
		r, err := apply(b)
		check.Must(t, err, "with %s again", right)
		refused := make(map[int]bool)
		for _, x := range r.Refused {
			refused[x.Item] = true
		}
		for _, item := range []int{0, 2} {
			if !refused[item] {
				home++
			}
		}
		if !refused[1] {
			ids++
		}
		tallies := check.Value(n.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Page: "home"}}))(t)
		check.Equal(t, tallies[0].Visits, home, "visits after %s was taken away", right)
		w := check.Value(n.Heartbeat(t.Context(), conformance.AnyTime()))(t).Current
		check.Equal(t, check.Value(n.Distinct(t.Context(), w))(t), ids, "ids after %s was taken away", right)
	}
	if home == 0 || home == 2*seq {
		t.Errorf("%d of %d visits were applied: no right was missed by a visit, or each by all", home, 2*seq)
	}
}
