package redisnode_test

import (
	"log/slog"
	"testing"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
	"footfall/test/servers"
)

// P1, P2: a node whose server is at another address goes on there. A batch that the copy has
// is not counted again.
func TestANodeConnectsToAnotherAddress(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	n := joined(t, server)
	check.Value(n.Apply(t.Context(), visits(1)))(t)
	first := check.Value(n.Server(t.Context()))(t)
	server.Kill()
	moved := server.Copy(t)
	n.Move(moved.Addr)
	check.Equal(t, n.Addr(), moved.Addr, "the address")
	receipt := check.Value(n.Apply(t.Context(), visits(1)))(t)
	check.Equal(t, receipt.Duplicate, true, "the batch was applied before")
	if second := check.Value(n.Server(t.Context()))(t); second == first || second == "" {
		t.Errorf("the server is %q, was %q", second, first)
	}
	check.Must(t, n.Close())
	n.Move(server.Addr) // it stays closed
	check.Is(t, check.Err(n.RingSummary(t.Context())), counting.ErrClosed)
}

// P3: by a list with the new address, a server that has moved keeps its id, which is not that of
// its port. One that has not moved is another node there.
func TestAServerThatHasMovedKeepsItsID(t *testing.T) {
	t.Parallel()
	server, other := servers.StartRedis(t), servers.StartRedis(t)
	n := joined(t, server)
	ring := check.Value(n.RingState(t.Context()))(t).Opened
	name := n.ID()
	list := func(addrs ...string) []counting.NodeID {
		t.Helper()
		var nodes []*redisnode.Node
		for i, addr := range addrs {
			n := redisnode.New(redisnode.Options{ID: []counting.NodeID{"first", name}[i], Addr: addr, Log: slog.New(slog.DiscardHandler)})
			t.Cleanup(func() { _ = n.Close() })
			nodes = append(nodes, n)
		}
		check.Must(t, redisnode.Identify(t.Context(), nodes))
		var ids []counting.NodeID
		for _, n := range nodes {
			ids = append(ids, n.ID())
		}
		return ids
	}
	check.Equal(t, list(server.Addr)[0], "first", "the id of a server that has not moved")
	next := check.Value(ring.MoveAddress(sharding.Change{ID: "move"}, name, server.Addr+"0"))(t)
	check.Value(n.Fence(t.Context(), next))(t)
	check.Must(t, n.Open(t.Context(), next))
	check.Equal(t, list(server.Addr)[0], name, "the id of a server that has moved")
	check.Equal(t, list(server.Addr, other.Addr)[0], "first", "the id when another node has the name")
}
