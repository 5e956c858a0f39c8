package groupcommit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

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

// X5, P1, P2: no node knows any more whether a batch in doubt was applied before the node
// was removed. If it was, its counts were handed over. So it is no loss, and it is never
// applied to the node that was added again.
func TestX5ABatchInDoubtOfAnEarlierMembershipIsNoLoss(t *testing.T) {
	for name, c := range map[string]struct {
		applied bool          // before the removal
		removed time.Duration // after the batch was sent
	}{
		"applied, and its callers wait":     {true, 0},
		"not applied, and its callers wait": {false, 0},
		"applied, and its callers have 504": {true, 3 * time.Second},
		"not applied, its callers have 504": {false, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			returning(t, func(t *testing.T, n *node, committer *groupcommit.Committer, again func()) {
				for range 3 {
					wantVisit(t, committer, "home", nil)
				}
				removal := time.Now().Add(c.removed)
				left := false
				gone := func(context.Context, int) error {
					if left {
						return nil
					}
					if !time.Now().Before(removal) {
						again()
						left = true
					}
					return errLost
				}
				if c.applied {
					n.fail(nil, gone)
				} else {
					n.fail(gone, nil)
				}
				wantVisit(t, committer, "doubt", counting.ErrInDoubt)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				check.Equal(t, left, true, "the node was added again")
				check.OK(t, committer.AddVisit(2, 0, "home", 1).Wait())
				wantCount(t, n, "home", 1)
				wantCount(t, n, "doubt", 0)
			})
		})
	}
}
