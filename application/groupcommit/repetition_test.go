package groupcommit_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// S4, S5, P6: the endpoints of others come first when a node has lost an acknowledged id. It
// is added all the same.
func TestARepeatedIDPassesTheLimitOfEndpoints(t *testing.T) {
	scenario(t, groupcommit.Options{EndpointLimit: 1}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		wantVisit(t, c, "home", nil)
		before := n.Snapshot()
		check.Must(t, c.AddID(1, counting.IDEvent{ID: 7, Endpoint: "http://a", Table: 1}).Wait())
		n.Restore(before)
		ahead := &counting.Batch{Epoch: 1, Session: "another", Seq: 1, EndpointLimit: 1, IDEvents: []counting.IDEvent{{ID: 8, Endpoint: "http://b", Table: 1}}}
		ahead.Clock = counting.Clock{Now: time.Now(), MaxSkew: time.Hour}
		check.Value(n.Node.Apply(t.Context(), ahead))(t)
		wantVisit(t, c, "home", nil)
		wantLost(t, n)
	})
}

// P6: a batch of which an item was refused is repeated to a server that lacks it, and meets
// one that has it. What was refused then says nothing about the items of the repetition.
func TestADuplicateOfTheOriginalBatchOrphansNothing(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		wantVisit(t, c, "home", nil)
		before := n.Snapshot()
		open := hold(t, n, c)
		refused := c.AddID(1, counting.IDEvent{ID: 6, Table: 9})
		good := c.AddID(1, counting.IDEvent{ID: 7, Table: 1})
		var both sync.WaitGroup
		both.Go(func() { check.Is(t, refused.Wait(), counting.WrongTable, "an id of another table") })
		both.Go(func() { check.OK(t, good.Wait()) })
		open()
		both.Wait()
		after := n.Snapshot()
		n.Restore(before)
		gap := len(n.calls()) + 1
		n.fail(func(_ context.Context, call int) error {
			if call == gap+1 {
				n.Restore(after)
			}
			return nil
		}, nil)
		wantVisit(t, c, "home", nil)
	})
}
