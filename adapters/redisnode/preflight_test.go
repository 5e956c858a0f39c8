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

func TestAnOldServerIsRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check.Must(t, err)
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerAsOld(c)
		}
	}()
	n := redisnode.New(redisnode.Options{ID: "redis_7070", Addr: l.Addr().String(), Log: slog.New(slog.DiscardHandler)})
	defer func() { _ = n.Close() }()
	_, err = n.Apply(t.Context(), visits(1))
	wantNotApplied(t, err, "redis 6.2.14 is too old")
}

// answerAsOld knows INFO, and no other command.
func answerAsOld(c net.Conn) {
	defer func() { _ = c.Close() }()
	const info = "# Server\r\nredis_version:6.2.14\r\n"
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
