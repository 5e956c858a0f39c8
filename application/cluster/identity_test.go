package cluster_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/test/check"
)

// logged starts a cluster on nodes and keeps its log.
func logged(t *testing.T, nodes []*node) (*cluster.Cluster, *check.Log) {
	t.Helper()
	l := &check.Log{}
	c := newClusterOf(t, cluster.Options{Nodes: asNodes(nodes), Log: slog.New(slog.NewTextHandler(l, nil))})
	mustStart(t, c)
	return c, l
}

// F1: a node whose store became that of another deployment answers nothing of it. The
// instance changes nothing there, says why once, and goes on when its store is back.
func TestF1AnInstanceNeverAdoptsAnotherDeployment(t *testing.T) {
	for _, n := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			others, other := started(t, n)
			nodes := newNodes(n)
			c, log := logged(t, nodes)
			check.Equal(t, log.Lines("level=WARN", "new deployment"), 1, "lines about the first start")
			before := c.View().Ring
			check.Must(t, c.View().SendVisit("home", 7).Wait())
			own := snapshots(nodes)
			change(t, others, true) // so that the epoch of the other one is later
			restore(nodes, snapshots(others))
			refuses(t, c, log, "other_deployment", "another deployment ("+other.View().Deployment()+", not "+before.Deployment()+")")
			for i, n := range copies(nodes) {
				check.Equal(t, n.ring().ChangeID(), others[i].ring().ChangeID(), "the ring of the other deployment")
			}
			restore(nodes, own)
			time.Sleep(time.Minute)
			check.Equal(t, log.Lines("node takes calls again"), n, "lines about the return")
			check.Must(t, c.View().SendVisit("home", 1).Wait())
			arc := before.Arc("home")
			got := check.Value(c.View().Nodes[before.Owner(arc)].Read(t.Context(), counting.Expected{Epoch: before.Epoch()}, []counting.Located{{Arc: arc, Page: "home"}}))(t)
			check.Equal(t, got[0].Visits, 8, "visits")
		})
	}
}

// F1: a running instance makes no deployment of a store that was emptied. If all nodes
// are empty, the next start makes one. If only some are, the start leaves them alone.
func TestF1OnlyAStartMakesADeployment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newNodes(3)
		c, log := logged(t, nodes)
		deployment := c.View().Deployment()
		nodes[0].Restore(localnode.Snapshot{})
		time.Sleep(time.Minute)
		check.Equal(t, log.Lines("level=ERROR", "reason=empty"), 1, "lines about the empty node")
		again, log := logged(t, nodes)
		check.Equal(t, again.View().Deployment(), deployment, "the deployment of a start beside an empty node")
		check.Equal(t, log.Lines("new deployment"), 0, "lines about a new deployment")
		time.Sleep(time.Minute)
		check.Equal(t, log.Lines("level=ERROR", "reason=empty"), 1, "lines about the empty node")
		for _, n := range nodes[1:] {
			n.Restore(localnode.Snapshot{})
		}
		time.Sleep(time.Minute)
		for _, n := range copies(nodes) {
			check.Is(t, check.Err(n.Node.RingState(t.Context())), counting.ErrUninitialized)
		}
	})
}

// F1: nodes of two deployments stop a start, which says which node has which.
func TestF1NodesOfTwoDeploymentsStopAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, first := started(t, 2)
		others, second := started(t, 2)
		err := startAll(t, newCluster(t, copies([]*node{nodes[0], others[1]})))[0]
		check.Says(t, err, "node n2", "another deployment", "node n1", first.View().Deployment(), second.View().Deployment(), "FOOTFALL_STORE")
	})
}

// F1: the store has the data of another node, such as after a change of its port. No wait
// helps a start without any other node.
func TestF1AStoreOfAnotherNodeStopsAFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := started(t, 1)
		moved := newNodes(2)[1:]
		restore(moved, snapshots(nodes))
		began := time.Now()
		err := startAll(t, newCluster(t, moved))[0]
		check.Is(t, err, counting.ErrWrongNode)
		check.Says(t, err, "on n2", "it is n1", "FOOTFALL_STORE")
		check.Equal(t, time.Since(began), 0, "the time that the start took")
	})
}

// refuses waits until an instance has logged of every node, once, why it refuses all calls.
func refuses(t *testing.T, c *cluster.Cluster, log *check.Log, reason, text string) {
	t.Helper()
	ring := c.View().Ring
	time.Sleep(time.Minute)
	check.Equal(t, log.Lines("level=ERROR", "reason="+reason, text), len(ring.Members()), "lines about the reason")
	check.Equal(t, c.View().ChangeID(), ring.ChangeID(), "the ring of the instance")
	for _, n := range c.Nodes(t.Context()) {
		if n.Answers || !strings.Contains(n.Why, text) {
			t.Errorf("node %s: answers %t, %q", n.ID, n.Answers, n.Why)
		}
	}
	check.Is(t, c.View().SendVisit("home", 1).Wait(), counting.ErrUnavailable)
}

func snapshots(nodes []*node) (all []localnode.Snapshot) {
	for _, n := range nodes {
		all = append(all, n.Snapshot())
	}
	return all
}

func restore(nodes []*node, to []localnode.Snapshot) {
	for i, n := range nodes {
		n.Restore(to[i])
	}
}

// copies are nodes with the same stores, as another process has them.
func copies(nodes []*node) []*node {
	all := make([]*node, len(nodes))
	for i, n := range nodes {
		all[i] = &node{Node: localnode.New(localnode.Options{ID: n.ID(), Addr: n.Addr()})}
		all[i].Restore(n.Snapshot())
	}
	return all
}
