package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
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
	conformance.TestNode(t, conformance.Harness{
		Open: func(t *testing.T) conformance.Node {
			server := servers.StartRedisWithClock(t, user...)
			server.Clock.Stop(t, 0)
			return openAt(t, watch(t, server), server)
		},
		Advance: func(t *testing.T, n conformance.Node, d time.Duration) { n.(node).server.Clock.Stop(t, d) },
		Close:   func(t *testing.T, n conformance.Node) { check.OK(t, n.(node).Close()) },
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
		CorruptPage: func(t *testing.T, n conformance.Node, at counting.Located) {
			n.(node).do(t, "hset", fmt.Sprintf("ff:c:%d", at.Arc), string(at.Page), "many")
		},
		CorruptWindow: func(t *testing.T, n conformance.Node, w counting.Window) {
			n.(node).do(t, "del", fmt.Sprintf("ff:n:%d", w))
			n.(node).do(t, "lpush", fmt.Sprintf("ff:n:%d", w), "x")
			n.(node).do(t, "set", fmt.Sprintf("ff:eps:%d", w), "x")
		},
		CorruptEntry: func(t *testing.T, n conformance.Node, w counting.Window) {
			n.(node).do(t, "set", fmt.Sprintf("ff:win:%d", w), "x")
			n.(node).do(t, "zadd", "ff:wins", int64(w), int64(w))
		},
	})
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

// F38: a start that names wrong things says so at once, and what is right.
func TestF38AMasterThatCanNotBeFoundSaysWhy(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	replica := servers.StartRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(server.Port()))
	promoted := servers.StartRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(server.Port()))
	member := servers.StartRedis(t, "--cluster-enabled", "yes")
	secured := servers.StartRedis(t, "--requirepass", "right")
	open, locked := servers.StartSentinels(t, 1, ""), servers.StartSentinels(t, 1, "sesame")
	for name, s := range map[string]*servers.Redis{"good": server, "other": server, "replica": promoted, "member": member, "secured": secured} {
		open.Watch(t, name, s)
		locked.Watch(t, name, s)
	}
	limited := locked.All[0]
	limited.Do(t, "acl", "setuser", "asks", "on", ">sesame", "+@connection", "+sentinel|get-master-addr-by-name")
	limited.Do(t, "acl", "setuser", "nothing", "on", ">sesame", "+@connection")
	s, l := open.Addrs(), locked.Addrs()
	for _, c := range []struct {
		url  string
		says []string
	}{
		{s + "/none", []string{"the Sentinel " + s + " knows no master none", "it knows good, member, other, replica, secured"}},
		{l + "/none?sentinel_user=asks&sentinel_password=sesame", []string{"the Sentinel " + l + " knows no master none"}},
		{l + "/good", []string{"the Sentinel " + l, "NOAUTH", "sentinel_password"}},
		{l + "/good?sentinel_password=wr0ng", []string{"the Sentinel " + l, "WRONGPASS", "sentinel_password"}},
		{l + "/good?sentinel_user=nothing&sentinel_password=sesame", []string{"the Sentinel " + l, "may not run SENTINEL GET-MASTER-ADDR-BY-NAME"}},
		{server.Addr + "/good", []string{server.Addr + " is no Sentinel", "redis://" + server.Addr}},
		{replica.Addr + "/good", []string{replica.Addr + " is no Sentinel", "redis://" + server.Addr}},
		{member.Addr + "/good", []string{member.Addr + " is no Sentinel", "redis+cluster://" + member.Addr}},
		{s + "/member", []string{member.Addr + " is a member of a Redis Cluster", "redis+cluster://" + member.Addr}},
		{"me:wr0ng@" + s + "/secured", []string{"WRONGPASS", "correct user and password"}},
	} {
		t.Run(c.url, func(t *testing.T) {
			t.Parallel()
			n, _ := openMaster(t, c.url, nil)
			wantUnusable(t, n, c.says[0])
			_, err := n.RingState(t.Context())
			check.Says(t, err, c.says...)
			if strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
	t.Run("a replica is asked for again", func(t *testing.T) {
		t.Parallel()
		n, _ := openMaster(t, s+"/replica", promoted)
		_, err := n.RingState(t.Context())
		wantNotApplied(t, err, "master replica is "+promoted.Addr+" by the Sentinel "+s+", which is a replica")
		check.Equal(t, errors.Is(err, counting.ErrUnusable), false, "that can't heal by itself")
		n.do(t, "replicaof", "no", "one")
		_, err = n.RingState(t.Context())
		check.Is(t, err, counting.ErrUninitialized)
	})
	t.Run("no Sentinel is there", func(t *testing.T) {
		t.Parallel()
		away := servers.FreeAddr(t)
		n, _ := openMaster(t, away+"/good", nil)
		_, err := n.Apply(t.Context(), visits(1))
		wantNotApplied(t, err, "no Sentinel says where master good is: the Sentinel "+away)
		check.Says(t, err, "connection refused")
	})
	t.Run("two names are one server", func(t *testing.T) {
		t.Parallel()
		one, _ := openMaster(t, s+"/good", server)
		two, _ := openMaster(t, s+"/other", server)
		check.Says(t, redisnode.Identify(t.Context(), []*redisnode.Node{one.Node, two.Node}), "sentinel/good and sentinel/other are the same server")
	})
}

// F38: redis:// that names a server of another kind says which URL is right.
func TestF38AServerOfAnotherKindIsNamedWithItsURL(t *testing.T) {
	t.Parallel()
	primary := servers.StartRedis(t)
	replica := servers.StartRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(primary.Port()))
	member := servers.StartRedis(t, "--cluster-enabled", "yes")
	empty, sentinels := servers.StartSentinels(t, 1, ""), servers.StartSentinels(t, 1, "")
	sentinels.Watch(t, "b", primary)
	sentinels.Watch(t, "a", primary)
	for _, db := range []string{"", "/1"} { // the others refuse SELECT
		for addr, says := range map[string]string{
			replica.Addr:      "name the primary: redis://" + primary.Addr,
			member.Addr:       "redis+cluster://" + member.Addr,
			empty.Addrs():     "redis+sentinel://" + empty.Addrs() + "/NAME",
			sentinels.Addrs(): "redis+sentinel://" + sentinels.Addrs() + "/a,b",
		} {
			wantUnusable(t, openURL(t, nil, "redis://"+addr+db), says)
		}
	}
	wantUnusable(t, openURL(t, nil, "redis://"+primary.Addr+"/99"), "DB index is out of range")
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

// A master that goes on without its replicas loses what it takes when it is cut off.
func TestAMasterThatWritesWithoutReplicasIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	sentinels, primary, _ := watched(t, 1)
	for _, c := range []struct {
		query string
		least int
		want  int
	}{{"", 0, 1}, {"?wait=1", 0, 0}, {"", 1, 0}} {
		check.Must(t, doOn(t, primary, "config", "set", "min-replicas-to-write", c.least))
		n, log := openMaster(t, sentinels.Addrs()+"/m"+c.query, primary)
		var calls sync.WaitGroup
		for range 8 { // on several connections
			calls.Go(func() { _, _ = n.RingState(t.Context()) })
		}
		calls.Wait()
		check.Equal(t, log.Lines("min-replicas-to-write"), c.want, "%+v: warnings in\n%s", c, log.String())
	}
}

// The Sentinels go away: the node goes on, and says so once.
func TestSentinelsThatGoAwayAreLoggedOnceAndStopNothing(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	sentinels := servers.StartSentinels(t, 1, "")
	sentinels.Watch(t, "m", server)
	n, log := openMaster(t, sentinels.Addrs()+"/m", server)
	join(t, n)
	sentinels.All[0].Kill()
	seq := int64(0)
	const warning = "no Sentinel answers"
	eventually(t, func() bool {
		seq++
		check.Value(n.Apply(t.Context(), visits(seq)))(t)
		return log.Lines(warning) > 0
	})
	time.Sleep(2100 * time.Millisecond) // two more questions
	check.Equal(t, log.Lines(warning, sentinels.Addrs(), "node=redis_m"), 1, "lines of\n%s", log.String())
	check.Must(t, sentinels.All[0].Start())
	eventually(t, func() bool { return log.Lines("a Sentinel answers again") == 1 })
}

func TestTLSIsForServersAndSentinels(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t)
	server := servers.StartRedisTLS(t, a)
	sentinels := servers.StartSentinelsTLS(t, 1, a)
	sentinels.Watch(t, "m", server)
	cert, key := a.Issue(t, "footfall")
	base := "rediss+sentinel://" + sentinels.Addrs() + "/m"
	n, _ := openMaster(t, base+"?ca="+a.File+"&cert="+cert+"&key="+key, server)
	join(t, n)
	check.Value(n.Apply(t.Context(), visits(1)))(t)
	n.wantVisits(t, 1)
	n, _ = openMaster(t, base+"?cert="+cert+"&key="+key, server)
	wantUnusable(t, n, "the Sentinel "+sentinels.Addrs())
	wantUnusable(t, n, "unknown authority")
}

// Close ends the watching, at any time and twice.
func TestANodeOfSentinelsMayBeClosedAtAnyTime(t *testing.T) {
	t.Parallel()
	sentinels := servers.StartSentinels(t, 1, "")
	sentinels.Watch(t, "m", servers.StartRedis(t))
	sentinels.All[0].Freeze()
	n, _ := openMaster(t, sentinels.Addrs()+"/m", nil)
	called := make(chan error)
	go func() { _, err := n.RingState(context.WithoutCancel(t.Context())); called <- err }()
	check.OK(t, n.Close())
	check.OK(t, n.Close())
	check.Fails(t, <-called)
	_, err := n.RingState(t.Context())
	check.Is(t, err, counting.ErrClosed)
	sentinels.All[0].Thaw()
}
