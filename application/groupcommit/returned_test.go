package groupcommit_test

import (
	"context"
	"testing"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// returning runs a test of a node that was in the ring until epoch 1. again has it come
// back with epoch 2, as it was at first.
func returning(t *testing.T, test func(t *testing.T, n *node, c *groupcommit.Committer, again func())) {
	t.Helper()
	since, asked := counting.Epoch(0), 0
	o := groupcommit.Options{
		Since: func() counting.Epoch { return since },
		Remembers: func(_ context.Context, e counting.Epoch) (bool, error) {
			if asked++; asked < 3 { // it may be away right then
				return false, errLost
			}
			return e >= since, nil
		},
	}
	scenario(t, o, func(t *testing.T, n *node, c *groupcommit.Committer) {
		before := n.Snapshot()
		test(t, n, c, func() {
			n.Restore(before)
			n.openNext(t)
			since = 2
		})
	})
}

// P1: what a node was sent before it was removed was handed over.
func TestANodeThatIsAddedAgainHasForgottenNothing(t *testing.T) {
	returning(t, func(t *testing.T, n *node, c *groupcommit.Committer, again func()) {
		for range 3 {
			wantVisit(t, c, "home", nil)
		}
		again()
		for range 2 {
			check.OK(t, c.AddVisit(2, 0, "home", 1).Wait())
		}
		wantCount(t, n, "home", 2)
	})
}

// P1, P2: no node knows any more whether a batch in doubt was applied before the
// node was removed.
func TestABatchInDoubtStaysSoWhenTheNodeIsAddedAgain(t *testing.T) {
	returning(t, func(t *testing.T, n *node, c *groupcommit.Committer, again func()) {
		n.fail(nil, func(_ context.Context, call int) error {
			if call > 1 {
				return nil
			}
			again()
			return errLost
		})
		wantVisit(t, c, "home", counting.ErrInDoubt)
		wantLost(t, n, 1)
	})
}
