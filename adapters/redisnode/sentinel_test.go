package redisnode_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/servers"
)

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
	limited.Do(t, "acl", "setuser", "asks", "on", ">sesame", "+sentinel|get-master-addr-by-name", "+sentinel|replicas")
	limited.Do(t, "acl", "setuser", "nothing", "on", ">sesame")
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
		check.Equal(t, counting.WhySilent(err), "no Sentinel says where its master is", "why it is silent")
	})
	t.Run("the master is away", func(t *testing.T) {
		t.Parallel()
		hangs := servers.StartRedis(t)
		lone := servers.StartSentinels(t, 1, "")
		lone.Watch(t, "m", hangs)
		n, _ := openMaster(t, lone.Addrs()+"/m", hangs)
		hangs.Freeze()
		_, err := n.Apply(t.Context(), visits(1))
		wantNotApplied(t, err, "master m at "+hangs.Addr+": no answer in time")
		check.Equal(t, counting.WhySilent(err), "connected, but no answer in time", "why it is silent")
		hangs.Thaw()
		hangs.Kill()
		_, err = n.Apply(t.Context(), visits(1))
		wantNotApplied(t, err, "master m at "+hangs.Addr)
		check.Equal(t, counting.WhySilent(err), "connection refused", "why it is silent")
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
