package visits_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/test/check"
)

// node is a memory node that can be away, and counts its reads.
type node struct {
	*localnode.Node
	away, hung, replyLost atomic.Bool
	reads                 atomic.Int64
}

func (n *node) reach(ctx context.Context) error {
	if n.hung.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if n.away.Load() {
		return fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
	}
	return nil
}

func (n *node) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	if err := n.reach(ctx); err != nil {
		return counting.Receipt{}, err
	}
	r, err := n.Node.Apply(ctx, b)
	if n.replyLost.CompareAndSwap(true, false) {
		return counting.Receipt{}, context.DeadlineExceeded
	}
	return r, err
}

func (n *node) Read(ctx context.Context, epoch counting.Epoch, pages []counting.Located) ([]counting.Tally, error) {
	n.reads.Add(1)
	if err := n.reach(ctx); err != nil {
		return nil, err
	}
	return n.Node.Read(ctx, epoch, pages)
}

// deployment is three nodes, which any number of instances join.
type deployment []*node

func newDeployment() deployment {
	d := make(deployment, 3)
	for i := range d {
		id := fmt.Sprintf("n%d", i+1)
		d[i] = &node{Node: localnode.New(localnode.Options{ID: counting.NodeID(id), Addr: id + ":6379"})}
	}
	return d
}

// instance starts one more instance, which ends with the test.
func (d deployment) instance(t *testing.T) (*visits.Service, *cluster.Cluster) {
	t.Helper()
	nodes := make([]cluster.Node, len(d))
	for i, n := range d {
		nodes[i] = n
	}
	c := check.Value(cluster.New(cluster.Options{
		Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, Log: slog.New(slog.DiscardHandler),
	}))(t)
	check.Must(t, c.Start(t.Context()))
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Stop(now)
	})
	return visits.New(c), c
}

// pageOf is a page that lies on a node of the deployment.
func pageOf(c *cluster.Cluster, node int) counting.Page {
	v := c.View()
	for i := 0; ; i++ {
		if page := counting.Page(fmt.Sprintf("page/%d", i)); v.Owner(v.Arc(page)) == node {
			return page
		}
	}
}

// mustRecord counts one visit.
func mustRecord(t *testing.T, s *visits.Service, page counting.Page) {
	t.Helper()
	check.Must(t, s.Record(t.Context(), page, 1), "record %s", page)
}

// wantVisits fails the test where a page reads otherwise.
func wantVisits(t *testing.T, s *visits.Service, page counting.Page, want int64) {
	t.Helper()
	got := s.Read(t.Context(), []counting.Page{page})[0]
	if got.Err != nil || got.Visits != want {
		t.Errorf("%s reads %d, %v; want %d", page, got.Visits, got.Err, want)
	}
}
