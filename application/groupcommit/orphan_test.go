package groupcommit_test

import (
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// A node that fell back behind a change of the ring will never take what it
// has lost: that is handed on, even when no other batch comes.
func TestWhatANodeLostBeforeAChangeIsRoutedAgain(t *testing.T) {
	epoch := counting.Epoch(1)
	o := groupcommit.Options{Epoch: func() counting.Epoch { return epoch }}
	scenario(t, o, func(t *testing.T, n *node, c *groupcommit.Committer) {
		before := n.Snapshot()
		for range 3 {
			wantVisit(t, c, "home", nil)
		}
		n.Restore(before)
		n.openNext(t)
		epoch = 2
		c.Check()
		time.Sleep(time.Second)
		synctest.Wait()
		wantOrphans(t, n, map[bool]int{true: 3})
	})
}

// A batch in doubt whose callers have left is routed again when the node says
// that it never took it.
func TestABatchInDoubtThatWasNotAppliedIsRoutedAgain(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(until(100, errLost), nil)
		wantVisit(t, c, "home", counting.ErrInDoubt)
		check.Value(n.Fence(t.Context(), next(t, n.ring)))(t)
		n.fail(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantOrphans(t, n, map[bool]int{false: 1})
	})
}
