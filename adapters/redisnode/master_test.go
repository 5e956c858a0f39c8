package redisnode_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// openMaster opens the only node of a URL after redis+sentinel://, with a log.
func openMaster(t *testing.T, url string, server *servers.Redis) (node, *check.Log) {
	t.Helper()
	if !strings.Contains(url, "://") {
		url = "redis+sentinel://" + url
	}
	options := check.Value(redisnode.ParseSentinelURL(url))(t)
	log := &check.Log{}
	options[0].Log = slog.New(slog.NewTextHandler(log, nil))
	n := redisnode.New(options[0])
	t.Cleanup(func() { _ = n.Close() })
	return node{n, server}, log
}

// watched is a primary with a replica that is up to date, which n Sentinels watch as m.
func watched(t *testing.T, n int) (s *servers.Sentinels, primary, replica *servers.Redis) {
	t.Helper()
	s = servers.StartSentinels(t, n, "")
	primary, replica = replicated(t)
	s.Watch(t, "m", primary)
	s.AwaitReplica(t, "m", replica)
	return s, primary, replica
}

// F37: a master that Sentinels watch is a node as any other.
func TestF37AMasterOfSentinelsIsANode(t *testing.T) {
	t.Parallel()
	sentinels := servers.StartSentinels(t, 1, "sesame")
	var mu sync.Mutex
	watched := 0
	user := documentedUser(t)
	watch := func(t *testing.T, server *servers.Redis) (name string) {
		mu.Lock()
		watched++
		name = fmt.Sprint("m", watched)
		mu.Unlock()
		sentinels.Watch(t, name, server)
		return name
	}
	openAt := func(t *testing.T, name string, server *servers.Redis) conformance.Node {
		n, _ := openMaster(t, "footfall:secret@"+sentinels.Addrs()+"/"+name+"?sentinel_password=sesame", server)
		return n
	}
	conformance.TestNode(t, onServer(conformance.Harness{
		Open: func(t *testing.T) conformance.Node {
			server := servers.StartRedisWithClock(t, user...)
			server.Clock.Stop(t, 0)
			return openAt(t, watch(t, server), server)
		},
		Reopen: func(t *testing.T, n conformance.Node) conformance.Node {
			server := n.(node).server
			check.OK(t, n.(node).Close())
			server.Kill()
			check.Must(t, server.Start())
			return openAt(t, strings.TrimPrefix(n.Addr(), "sentinel/"), server)
		},
		Impostor: func(t *testing.T, n conformance.Node) conformance.Node {
			server := n.(node).server
			return openAt(t, watch(t, server), server)
		},
	}))
}

// F37: the master is killed, and the Sentinels promote its replica. The node goes on under
// its address and id, with all counts.
func TestF37ANodeFollowsItsMasterToAnotherServer(t *testing.T) {
	t.Parallel()
	sentinels, primary, replica := watched(t, 3)
	n, log := openMaster(t, sentinels.Addrs()+"/m", primary)
	join(t, n)
	check.Value(n.Apply(t.Context(), visits(1)))(t)
	n.wantVisits(t, 1)
	waitForOffset(t, primary, replica)
	primary.Kill()
	_, err := n.Apply(t.Context(), visits(2))
	check.Fails(t, err, "while there is no master")
	eventually(t, func() bool {
		_, err = n.Apply(t.Context(), visits(2))
		return err == nil
	})
	n.server = replica
	n.wantVisits(t, 2)
	check.Equal(t, sentinels.Master(t, "m"), replica.Addr, "the master")
	check.Equal(t, n.Addr(), "sentinel/m", "the address of the node")
	check.Equal(t, n.ID(), "redis_m", "the id of the node")
	check.Equal(t, log.Lines("master moved"), 1, "lines of\n%s", log.String())
	check.Equal(t, log.Lines("master moved", "node=redis_m", "from="+primary.Addr, "to="+replica.Addr), 1, "lines of\n%s", log.String())
}

// waitForOffset returns when a replica has all that its primary was sent so far.
func waitForOffset(t *testing.T, primary, replica *servers.Redis) {
	t.Helper()
	offset := func(s *servers.Redis) string {
		c := s.Client()
		defer func() { _ = c.Close() }()
		return check.Value(c.InfoMap(t.Context(), "replication").Result())(t)["Replication"]["master_repl_offset"]
	}
	eventually(t, func() bool { return offset(primary) == offset(replica) })
}

// F37: the primary is demoted while it lives, so all connections are good. They are
// replaced, and no call fails but those that meet the change.
func TestF37ALivingMasterIsLeftWhenItIsDemoted(t *testing.T) {
	t.Parallel()
	sentinels, primary, replica := watched(t, 3)
	n, log := openMaster(t, sentinels.Addrs()+"/m", primary)
	join(t, n)
	check.Value(n.Apply(t.Context(), visits(1)))(t)
	sentinels.All[0].Do(t, "sentinel", "failover", "m")
	eventually(t, func() bool { return log.Lines("master moved") == 1 }) // no call has asked
	n.server = replica
	eventually(t, func() bool {
		_, err := n.Apply(t.Context(), visits(2))
		if err != nil && !errors.Is(err, counting.ErrNotApplied) {
			t.Errorf("%v, want that nothing was done", err)
		}
		return err == nil
	})
	n.wantVisits(t, 2)
}

// F37: the former master lives on and takes writes, because it is cut off from the Sentinels.
// All connections to it are replaced.
func TestF37AMasterThatIsCutOffIsLeft(t *testing.T) {
	t.Parallel()
	old, now := servers.StartRedis(t), servers.StartRedis(t)
	for _, s := range []*servers.Redis{old, now} {
		join(t, open(t, "redis_m", s))
	}
	sentinels := servers.StartSentinels(t, 1, "")
	sentinels.Watch(t, "m", old)
	n, log := openMaster(t, sentinels.Addrs()+"/m", old)
	calls := func(from int64) {
		var all sync.WaitGroup
		for i := range int64(12) { // on as many connections
			all.Go(func() {
				b := visits(1)
				b.Session = counting.Session(fmt.Sprint("session", from+i))
				_, err := n.Apply(t.Context(), b)
				check.OK(t, err)
			})
		}
		all.Wait()
	}
	calls(0)
	n.wantVisits(t, 12)
	sentinels.All[0].Do(t, "sentinel", "remove", "m")
	sentinels.Watch(t, "m", now)
	eventually(t, func() bool { return log.Lines("master moved", "from="+old.Addr, "to="+now.Addr) == 1 })
	calls(12)
	n.wantVisits(t, 12)
	open(t, "redis_m", old).wantVisits(t, 12)
	open(t, "redis_m", now).wantVisits(t, 12)
}

// F39: one Sentinel that hangs, or is cut off with a server that is the master no more,
// keeps no node from its master.
func TestF39OneSentinelThatIsWrongKeepsNoNodeFromItsMaster(t *testing.T) {
	t.Parallel()
	t.Run("it hangs", func(t *testing.T) {
		t.Parallel()
		server := servers.StartRedis(t)
		sentinels := servers.StartSentinels(t, 3, "")
		sentinels.Watch(t, "m", server)
		sentinels.All[0].Freeze()
		sentinels.All[1].Kill()
		n, _ := openMaster(t, sentinels.Addrs()+"/m", server)
		eventually(t, func() bool { // a busy machine
			_, err := n.RingState(t.Context())
			return errors.Is(err, counting.ErrUninitialized)
		})
		join(t, n)
		for range 20 { // each dials again, and asks the one that answered
			n.do(t, "client", "kill", "type", "normal")
			began := time.Now()
			_, _ = n.RingState(t.Context())
			if took := time.Since(began); took < 200*time.Millisecond {
				return
			}
		}
		t.Error("each question waits for the Sentinel that hangs")
	})
	for _, c := range []struct{ name, reason string }{{"its master is a replica", "--replicaof"}, {"its master has no replica", "--min-replicas-to-write"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// Sentinels know each other by the master that they share: these share none.
			stale, right := servers.StartSentinels(t, 1, ""), servers.StartSentinels(t, 1, "")
			old := servers.StartRedis(t)
			join(t, open(t, "redis_m", old))
			now := servers.StartRedis(t)
			join(t, open(t, "redis_m", now))
			if c.reason == "--replicaof" {
				check.Must(t, doOn(t, old, "replicaof", "127.0.0.1", "1"))
			} else {
				check.Must(t, doOn(t, old, "config", "set", "min-replicas-to-write", "1"))
			}
			stale.Watch(t, "m", old)
			right.Watch(t, "m", now)
			n, log := openMaster(t, stale.Addrs()+","+right.Addrs()+"/m", now)
			_, err := n.Apply(t.Context(), visits(1))
			check.Is(t, err, counting.ErrNotApplied)
			eventually(t, func() bool { _, err := n.Apply(t.Context(), visits(1)); return err == nil })
			n.wantVisits(t, 1)
			check.Equal(t, log.Lines("master moved"), 1, "lines of\n%s", log.String())
		})
	}
}

func doOn(t *testing.T, s *servers.Redis, args ...any) error {
	t.Helper()
	c := s.Client()
	defer func() { _ = c.Close() }()
	return c.Do(t.Context(), args...).Err()
}
