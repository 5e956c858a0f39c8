package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/check"
)

// P3: a poll finds what a node forgot, and it is repeated without a reader or another visit.
// Until then the node says why its pages can't be read.
func TestAPollFindsWhatANodeForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(1)[0]
		var full atomic.Bool
		c := newClusterOf(t, cluster.Options{Nodes: []cluster.Node{&chaos.Link{
			Far: n.Node, Around: func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
				if full.Load() && c.Method == "apply" {
					return nil, fmt.Errorf("%w: OOM", counting.ErrNotApplied)
				}
				return do(ctx)
			},
		}}})
		mustStart(t, c)
		v := c.View()
		check.Must(t, v.SendVisit("home", 1).Wait())
		before := n.Snapshot()
		check.Must(t, v.SendVisit("home", 2).Wait())
		stored := func() int64 {
			home := []counting.Located{{Arc: v.Arc("home"), Page: "home"}}
			return check.Value(n.Node.Read(t.Context(), counting.Expected{Epoch: v.Epoch()}, home))(t)[0].Visits
		}
		full.Store(true)
		n.Restore(before)
		time.Sleep(3 * time.Second)
		check.Equal(t, stored(), 1, "visits of a node that takes no batch")
		why := c.Nodes(t.Context())[0].Why
		check.Equal(t, strings.HasPrefix(why, "it has lost acknowledged batches"), true, "%q says what is missing", why)
		full.Store(false)
		time.Sleep(3 * time.Second)
		check.Equal(t, stored(), 3, "visits")
		check.Equal(t, c.Nodes(t.Context())[0].Why, "", "why it does not serve")
	})
}
