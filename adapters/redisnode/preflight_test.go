package redisnode_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/servers"
)

// wantNotApplied checks that a call says it did nothing, and why.
func wantNotApplied(t *testing.T, err error, why string) {
	t.Helper()
	if !errors.Is(err, counting.ErrNotApplied) || !strings.Contains(err.Error(), why) {
		t.Errorf("%v, want ErrNotApplied and %q", err, why)
	}
}

// A server that may delete what it keeps is not used; one with the same
// policy and no limit never does so.
func TestAServerThatEvictsIsRefused(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t, "--maxmemory-policy", "allkeys-lru")
	joined(t, server)
	n := open(t, "redis_7070", server)
	n.do(t, "config", "set", "maxmemory", "100mb")
	_, err := n.Apply(t.Context(), visits(1))
	wantNotApplied(t, err, "maxmemory-policy is allkeys-lru")
	n.do(t, "config", "set", "maxmemory-policy", "noeviction")
	check.OK(t, check.Err(n.Apply(t.Context(), visits(1))), "after that was mended")
}

func TestAServerWithoutAnAppendOnlyFileIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t, "--appendonly", "no")
	var log bytes.Buffer
	n := redisnode.New(redisnode.Options{ID: "redis_7070", Addr: server.Addr, Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer func() { _ = n.Close() }()
	var calls sync.WaitGroup
	for range 8 { // on several connections
		calls.Go(func() { _, _ = n.RingState(t.Context()) })
	}
	calls.Wait()
	if got := strings.Count(log.String(), "append-only file"); got != 1 {
		t.Errorf("%d warnings, want 1:\n%s", got, log.String())
	}
}

// Managed services have no CONFIG, SHUTDOWN and DEBUG.
func TestAServerWithoutAdministrativeCommandsCounts(t *testing.T) {
	t.Parallel()
	without := []string{"--rename-command", "CONFIG", "", "--rename-command", "SHUTDOWN", "", "--rename-command", "DEBUG", ""}
	server := servers.StartRedis(t, without...)
	client := server.Client()
	defer func() { _ = client.Close() }()
	if err := client.ConfigGet(t.Context(), "appendfsync").Err(); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Fatalf("CONFIG is there: %v", err)
	}
	n := joined(t, server)
	check.Value(n.Apply(t.Context(), visits(1)))(t)
	check.Equal(t, check.Value(n.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Arc: 1, Page: page(1)}}))(t)[0].Visits, 1, "visits")
}

func TestAnOldServerIsRefused(t *testing.T) {
	t.Parallel()
	n := redisnode.New(redisnode.Options{
		ID: "redis_7070", Addr: saysOfItself(t, "# Server\r\nredis_version:6.2.14\r\n"), Log: slog.New(slog.DiscardHandler),
	})
	defer func() { _ = n.Close() }()
	_, err := n.Apply(t.Context(), visits(1))
	wantNotApplied(t, err, "redis 6.2.14 is too old")
}

// F38: a server of another kind than the URL says is refused at the first call, with the URL
// that is right. ErrUnusable ends a start immediately.
func TestF38AServerOfAnotherKindIsRefusedWithTheURLThatIsRight(t *testing.T) {
	t.Parallel()
	single, member := servers.StartRedis(t).Addr, servers.StartCluster(t, 1, 0).Servers[0].Addr
	sentinel := saysOfItself(t, "# Server\r\nredis_version:7.0.15\r\nredis_mode:sentinel\r\n")
	for url, want := range map[string]string{
		"redis://" + member:           "a member of a Redis Cluster, whose keys lie on many servers; want FOOTFALL_STORE=redis+cluster://" + member,
		"redis://" + sentinel:         "a Sentinel, which has no counts; want FOOTFALL_STORE=redis+sentinel://" + sentinel + "/NAME",
		"redis+cluster://" + single:   "a single server, and no member of a Redis Cluster; want FOOTFALL_STORE=redis://" + single,
		"redis+cluster://" + sentinel: "a Sentinel, which has no counts; want FOOTFALL_STORE=redis+sentinel://" + sentinel + "/NAME",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			_, err := openStore(t, url).RingState(t.Context())
			if wantNotApplied(t, err, want); !errors.Is(err, counting.ErrUnusable) {
				t.Errorf("%v, want ErrUnusable", err)
			}
		})
	}
}

// openStore opens a node of a store of either kind.
func openStore(t *testing.T, url string) sharding.RingStore {
	t.Helper()
	if strings.HasPrefix(url, "redis+cluster:") {
		o := check.Value(redisnode.ParseClusterURL(url))(t)
		o.Log = slog.New(slog.DiscardHandler)
		c := redisnode.NewCluster(o)
		t.Cleanup(func() { _ = c.Close() })
		return c.Partitions()[0]
	}
	o := check.Value(redisnode.ParseURL(url))(t)[0]
	o.ID, o.Log = "redis_7070", slog.New(slog.DiscardHandler)
	n := redisnode.New(o)
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// saysOfItself starts a server that knows INFO, and no other command. It returns the address.
func saysOfItself(t *testing.T, info string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check.Must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerInfo(c, info)
		}
	}()
	return l.Addr().String()
}

func answerInfo(c net.Conn, info string) {
	defer func() { _ = c.Close() }()
	for in := bufio.NewScanner(c); in.Scan(); {
		switch strings.ToLower(in.Text()) {
		case "info":
			_, _ = fmt.Fprintf(c, "$%d\r\n%s\r\n", len(info), info)
		case "hello", "ping":
			_, _ = fmt.Fprint(c, "-ERR unknown command\r\n")
		}
	}
}

// A user who may not run WAITAOF could not move arcs, so a server that has it and syncs
// once a second refuses that user. One that hides how it syncs is taken for such a server.
func TestTheRightToWaitForTheDiskIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sync, right string
		needed      bool
	}{{"everysec", "+config|get", true}, {"always", "-config|get", true}, {"always", "+config|get", false}, {"no", "+config|get", false}} {
		t.Run(c.sync+" "+c.right, func(t *testing.T) {
			t.Parallel()
			server := servers.StartRedis(t, "--appendfsync", c.sync)
			n := openAs(t, "redis_7070", server, "ff", "pw")
			n.do(t, "acl", "setuser", "ff", "on", ">pw", "~ff:*", "+@all", c.right)
			if !servers.HasWaitAOF(t) {
				check.Is(t, check.Err(n.RingState(t.Context())), counting.ErrUninitialized)
				return
			}
			n.do(t, "acl", "setuser", "ff", "-waitaof")
			err := check.Err(n.RingState(t.Context()))
			if !c.needed {
				check.Is(t, err, counting.ErrUninitialized)
				return
			}
			check.Is(t, err, counting.ErrUnusable)
			check.Says(t, err, "the user may not run WAITAOF")
			n.do(t, "acl", "setuser", "ff", "+waitaof")
			eventually(t, func() bool { _, err := n.RingState(t.Context()); return errors.Is(err, counting.ErrUninitialized) })
		})
	}
}
