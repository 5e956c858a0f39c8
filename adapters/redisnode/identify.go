package redisnode

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// Server is a name of the server process that the node is connected to, and its database.
func (n *Node) Server(ctx context.Context) (string, error) {
	info, err := n.server.client.Load().InfoMap(ctx, "server").Result()
	if err != nil {
		return "", n.failed(err)
	}
	return fmt.Sprint(info["Server"]["run_id"], "/", n.server.db), nil
}

// Identify asks the servers who they are, before any other call. A node whose server
// has the other name of its address (names) takes that name: the list of a configuration
// may be shorter or longer than that by which the server was named. So does one whose
// server has moved by its ring, unless another node has the name. Identify returns an
// error if two of the nodes that answer are one server under two addresses.
func Identify(ctx context.Context, nodes []*Node) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	runs := make([]string, len(nodes))
	stored := make([]counting.NodeID, len(nodes))
	moved := make([]bool, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			var ring *sharding.Ring
			runs[i], _ = n.Server(ctx)      // a node that is away is not compared
			stored[i], ring = n.stored(ctx) // and keeps its name
			moved[i] = hasMoved(ring, stored[i])
		})
	}
	all.Wait()
	for i, run := range runs {
		if j := slices.Index(runs, run); j < i && run != "" {
			return fmt.Errorf("%s and %s are the same server", nodes[j].Addr(), nodes[i].Addr())
		}
	}
	for i, n := range nodes {
		short, long := names(n.Addr())
		taken := slices.ContainsFunc(nodes, func(other *Node) bool { return other.id == stored[i] })
		if stored[i] != "" && (stored[i] == short || stored[i] == long || moved[i] && !taken) {
			n.id = stored[i]
		}
	}
	return nil
}

// stored is the name that the server has stored, and the ring that it has opened: empty and nil
// without, or if the server does not answer.
func (n *Node) stored(ctx context.Context) (id counting.NodeID, opened *sharding.Ring) {
	stored, err := n.server.client.Load().HMGet(ctx, "ff:T", "node", "opened").Result()
	if err != nil {
		return "", nil
	}
	opened, err = sharding.Decode([]byte(answer(stored).text(1)))
	if err != nil {
		opened = nil
	}
	return counting.NodeID(answer(stored).text(0)), opened
}

// hasMoved tells whether by a ring, which may be nil, a member is at another address than the one
// that it had at first.
func hasMoved(ring *sharding.Ring, id counting.NodeID) bool {
	return ring != nil && ring.Index(id) >= 0 && ring.Members()[ring.Index(id)].Moved > 0
}
