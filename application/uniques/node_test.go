package uniques_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/chaos"
	"footfall/test/check"
)

// deployment is three nodes, which any number of instances join.
type deployment struct {
	nodes []*localnode.Node
	mu    sync.Mutex
	away  map[counting.NodeID]bool
	skew  map[counting.NodeID]time.Duration
	// partitions: no arc moves between the nodes.
	partitions bool
}

func newDeployment() *deployment {
	d := &deployment{away: make(map[counting.NodeID]bool), skew: make(map[counting.NodeID]time.Duration)}
	for range 3 {
		d.addNode()
	}
	return d
}

// addNode makes one more node; only instances that are made later know it.
func (d *deployment) addNode() {
	id := counting.NodeID(fmt.Sprintf("n%d", len(d.nodes)+1))
	d.nodes = append(d.nodes, localnode.New(localnode.Options{ID: id, Addr: string(id) + ":6379", Now: func() time.Time {
		d.mu.Lock()
		defer d.mu.Unlock()
		return time.Now().Add(d.skew[id])
	}}))
}

// open makes a ring that of all nodes.
func (d *deployment) open(t *testing.T, r *sharding.Ring) {
	t.Helper()
	for _, n := range d.nodes {
		check.Value(n.Fence(t.Context(), r))(t)
	}
	for _, n := range d.nodes {
		check.Must(t, n.Open(t.Context(), r))
	}
}

// setAway lets a node be away or back, for all instances.
func (d *deployment) setAway(id counting.NodeID, away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away[id] = away
}

// setSkew lets a node's clock be ahead of the true time.
func (d *deployment) setSkew(id counting.NodeID, ahead time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.skew[id] = ahead
}

// link is how one instance reaches a node. Its fail is called before every
// call that is named there and may make it fail without effect.
type link struct {
	chaos.Link
	deployment *deployment
	mu         sync.Mutex
	fail       func(call string, w counting.Window) error
}

func (d *deployment) link(n *localnode.Node) *link {
	l := &link{deployment: d}
	l.Link = chaos.Link{Far: n, Around: func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
		switch c.Method {
		case "read", "list", "lose", "ringstate", "fence", "accept", "open": // have no faults here
		default:
			if err := l.reach(c.Method, c.Window); err != nil {
				return nil, err
			}
		}
		return do(ctx)
	}}
	return l
}

// member is the node of a link as instances see it.
func (d *deployment) member(l *link) cluster.Node {
	if d.partitions {
		return chaos.NewPartition(l, "redis_10.0.0.1_6379")
	}
	return l
}

func (l *link) reach(call string, w counting.Window) error {
	l.deployment.mu.Lock()
	away := l.deployment.away[l.ID()]
	l.deployment.mu.Unlock()
	if away {
		return fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
	}
	l.mu.Lock()
	fail := l.fail
	l.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(call, w)
}

func (l *link) setFail(fail func(call string, w counting.Window) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = fail
}

// idOn is an id, from least on, that a node of the deployment collects.
func idOn(t *testing.T, c *cluster.Cluster, node counting.NodeID, least counting.ID) counting.ID {
	t.Helper()
	v := c.View()
	for id := least; ; id++ {
		if owner, _ := v.IDOwner(id, 0); v.Nodes[owner].ID() == node {
			return id
		}
	}
}
