package groupcommit_test

import (
	"context"
	"testing"
	"testing/synctest"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// addedAgain is a node that was in the ring until epoch 1, with a committer
// that tells what it does about batches. again makes it come back with epoch 2,
// as it was at first.
func addedAgain(t *testing.T) (n *node, c *groupcommit.Committer, again func(), orphans, lost *int64) {
	t.Helper()
	n = newNode(t)
	since, asked := counting.Epoch(0), 0
	orphans, lost = new(int64), new(int64)
	c = start(t, n, groupcommit.Options{
		Since: func() counting.Epoch { return since },
		Remembers: func(_ context.Context, e counting.Epoch) (bool, error) {
			if asked++; asked < 3 { // it may be away right then
				return false, errLost
			}
			return e >= since, nil
		},
		Lost:     func(batches int64) { *lost += batches },
		Orphaned: func(b *counting.Batch, _ []counting.Refusal, _ bool) { *orphans += int64(b.Len()) },
	})
	before := n.Snapshot()
	return n, c, func() {
		n.Restore(before)
		second := next(t, n.ring)
		check.OK(t, check.Err(n.Fence(context.Background(), second)))
		check.OK(t, n.Open(context.Background(), second))
		since = second.Epoch()
	}, orphans, lost
}

// P1: what a node was sent before it was removed was handed over.
func TestANodeThatIsAddedAgainHasForgottenNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c, again, orphans, lost := addedAgain(t)
		for range 3 {
			wantVisit(t, c, "home", nil)
		}
		again()
		for range 2 {
			ticket := check.Value(c.Visit(2, 0, "home", 1))(t)
			check.OK(t, ticket.Wait())
		}
		wantCount(t, n, "home", 2)
		if *orphans != 0 || *lost != 0 {
			t.Errorf("%d items were routed again, %d batches reported as lost", *orphans, *lost)
		}
	})
}

// P1, P2: no node knows any more whether a batch in doubt was applied before the
// node was removed.
func TestABatchInDoubtStaysSoWhenTheNodeIsAddedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c, again, orphans, lost := addedAgain(t)
		n.fail(nil, func(_ context.Context, call int) error {
			if call > 1 {
				return nil
			}
			again()
			return errLost
		})
		wantVisit(t, c, "home", counting.ErrInDoubt)
		if *orphans != 0 || *lost != 1 {
			t.Errorf("%d items were routed again, %d batches reported as lost, want none and 1", *orphans, *lost)
		}
	})
}
