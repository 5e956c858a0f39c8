package visits_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/application/visits"
	"footfall/domain/counting"
	"footfall/test/check"
)

// node is a memory node that can be away, and counts its reads. Instances also read no pages, to
// see whether a node has all batches: these are not counted.
type node struct {
	*localnode.Node
	away, hung atomic.Bool
	reads      atomic.Int64
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
	return n.Node.Apply(ctx, b)
}

func (n *node) Read(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Tally, error) {
	if len(pages) > 0 {
		n.reads.Add(1)
	}
	if err := n.reach(ctx); err != nil {
		return nil, err
	}
	return n.Node.Read(ctx, e, pages)
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
	c := cluster.New(cluster.Options{
		Nodes: nodes, Length: counting.WindowLength(time.Minute), EndpointLimit: 10, KeyLimit: 1, Log: slog.New(slog.DiscardHandler),
	})
	check.Must(t, c.Start(t.Context()))
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Stop(now)
	})
	return visits.New(c), c
}

// scenario runs a test of a deployment with one instance in virtual time.
func scenario(t *testing.T, test func(t *testing.T, d deployment, s *visits.Service, c *cluster.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment()
		s, c := d.instance(t)
		test(t, d, s, c)
	})
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
	wantAll(t, s, []counting.Page{page}, want)
}

// wantAll is wantVisits for many pages; -1 is one that is unavailable.
func wantAll(t *testing.T, s *visits.Service, pages []counting.Page, want ...int64) {
	t.Helper()
	for i, got := range s.Read(t.Context(), pages) {
		if want[i] < 0 {
			check.Is(t, got.Err, counting.ErrUnavailable, "a read of %s", pages[i])
			check.Equal(t, got.Visits, 0, "visits of %s, which is unavailable", pages[i])
			continue
		}
		check.OK(t, got.Err, "a read of %s", pages[i])
		check.Equal(t, got.Visits, want[i], "visits of %s", pages[i])
	}
}
