package redisnode_test

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// node is a Node with the server behind it.
type node struct {
	*redisnode.Node
	server *servers.Redis
}

func open(tb testing.TB, id counting.NodeID, server *servers.Redis) node {
	tb.Helper()
	return openAs(tb, id, server, "", "")
}

func openAs(tb testing.TB, id counting.NodeID, server *servers.Redis, user, password string) node {
	tb.Helper()
	n := redisnode.New(redisnode.Options{
		ID: id, Addr: server.Addr, Username: user, Password: password, Log: slog.New(slog.DiscardHandler),
	})
	tb.Cleanup(func() { _ = n.Close() })
	return node{n, server}
}

// documentedUser is the user with the rights that are documented, as arguments of a server.
func documentedUser(t *testing.T) []string {
	t.Helper()
	docs := check.Value(os.ReadFile("../../docs/redis.md"))(t)
	rights := func(line string) []string {
		found := regexp.MustCompile(`(?m)^ACL SETUSER footfall ` + line + `$`).FindSubmatch(docs)
		if found == nil {
			t.Fatal("docs/redis.md does not list " + line)
		}
		return strings.Fields(string(found[1]))
	}
	user := append([]string{"--user", "footfall", "on", ">secret"}, rights(`on >PASSWORD (.+)`)...)
	if servers.HasWaitAOF(t) {
		user = append(user, rights(`(\+waitaof .+)`)...)
	}
	return user
}

// do is a command of the test's own.
func (n node) do(t *testing.T, args ...any) {
	t.Helper()
	c := n.server.Client()
	defer func() { _ = c.Close() }()
	check.Must(t, c.Do(t.Context(), args...).Err())
}

// onServer adds to a harness what nodes on one server have in common.
func onServer(h conformance.Harness) conformance.Harness {
	h.Advance = func(t *testing.T, n conformance.Node, d time.Duration) { n.(node).server.Clock.Stop(t, d) }
	h.Close = func(t *testing.T, n conformance.Node) { check.OK(t, n.(node).Close()) }
	h.CorruptPage = func(t *testing.T, n conformance.Node, at counting.Located) {
		n.(node).do(t, "hset", fmt.Sprintf("ff:c:%d", at.Arc), string(at.Page), "many")
	}
	h.CorruptHistory = func(t *testing.T, n conformance.Node, at counting.Located) {
		n.(node).do(t, "hset", fmt.Sprintf("ff:hp:%d", at.Arc), string(at.Page), "x")
	}
	h.CorruptWindow = func(t *testing.T, n conformance.Node, w counting.Window) {
		n.(node).do(t, "del", fmt.Sprintf("ff:n:%d", w))
		n.(node).do(t, "lpush", fmt.Sprintf("ff:n:%d", w), "x")
		n.(node).do(t, "set", fmt.Sprintf("ff:eps:%d", w), "x")
	}
	h.CorruptEntry = func(t *testing.T, n conformance.Node, w counting.Window) {
		n.(node).do(t, "set", fmt.Sprintf("ff:win:%d", w), "x")
		n.(node).do(t, "zadd", "ff:wins", int64(w), int64(w))
	}
	return h
}

// F29: a user with the rights that are documented is enough.
func TestF29RedisIsANodeForTheDocumentedUser(t *testing.T) {
	t.Parallel()
	user := documentedUser(t)
	conformance.TestNode(t, onServer(conformance.Harness{
		Open: func(t *testing.T) conformance.Node {
			server := servers.StartRedisWithClock(t, user...)
			server.Clock.Stop(t, 0)
			return openAs(t, "redis_7070", server, "footfall", "secret")
		},
		Reopen: func(t *testing.T, n conformance.Node) conformance.Node {
			server := n.(node).server
			check.OK(t, n.(node).Close())
			server.Kill()
			check.Must(t, server.Start())
			return openAs(t, n.ID(), server, "footfall", "secret")
		},
		Impostor: func(t *testing.T, n conformance.Node) conformance.Node {
			return openAs(t, "redis_8080", n.(node).server, "footfall", "secret")
		},
	}))
}
