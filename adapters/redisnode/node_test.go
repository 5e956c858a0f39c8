package redisnode_test

import (
	"fmt"
	"log/slog"
	"testing"

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
	n := redisnode.New(redisnode.Options{ID: id, Addr: server.Addr, Log: slog.New(slog.DiscardHandler)})
	tb.Cleanup(func() { _ = n.Close() })
	return node{n, server}
}

// do is a command of the test's own.
func (n node) do(t *testing.T, args ...any) {
	t.Helper()
	c := n.server.Client()
	defer func() { _ = c.Close() }()
	check.Must(t, c.Do(t.Context(), args...).Err())
}

func TestRedisIsANode(t *testing.T) {
	t.Parallel()
	conformance.TestNode(t, conformance.Harness{
		Open:  func(t *testing.T) conformance.Node { return open(t, "redis_7070", servers.StartRedis(t)) },
		Close: func(t *testing.T, n conformance.Node) { check.OK(t, n.(node).Close()) },
		Reopen: func(t *testing.T, n conformance.Node) conformance.Node {
			server := n.(node).server
			check.OK(t, n.(node).Close())
			server.Kill()
			check.Must(t, server.Start())
			return open(t, n.ID(), server)
		},
		Impostor: func(t *testing.T, n conformance.Node) conformance.Node { return open(t, "redis_8080", n.(node).server) },
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
