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
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		var orphans int64
		epoch := counting.Epoch(1)
		c := start(t, n, groupcommit.Options{
			Epoch: func() counting.Epoch { return epoch },
			Orphaned: func(b *counting.Batch, refused []counting.Refusal, acknowledged bool) {
				for _, v := range b.Visits {
					orphans += v.Count
				}
				if refused != nil || !acknowledged {
					t.Errorf("refused %v, acknowledged %v", refused, acknowledged)
				}
			},
			Lost: func(batches int64) { t.Errorf("%d lost batches", batches) },
		})
		before := n.Snapshot()
		for range 3 {
			wantVisit(t, c, "home", nil)
		}
		n.Restore(before)
		second := next(t, n.ring)
		check.Value(n.Fence(t.Context(), second))(t)
		check.Must(t, n.Open(t.Context(), second))
		epoch = 2
		c.Check()
		time.Sleep(time.Second)
		synctest.Wait()
		check.Equal(t, orphans, 3, "visits to route again")
	})
}

// A batch in doubt whose callers have left is routed again when the node says
// that it never took it.
func TestABatchInDoubtThatWasNotAppliedIsRoutedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.fail(until(100, errLost), nil)
		orphans := 0
		c := start(t, n, groupcommit.Options{Orphaned: func(b *counting.Batch, _ []counting.Refusal, acknowledged bool) {
			orphans += b.Len()
			if acknowledged {
				t.Error("a batch in doubt is taken for acknowledged")
			}
		}})
		wantVisit(t, c, "home", counting.ErrInDoubt)
		check.Value(n.Fence(t.Context(), next(t, n.ring)))(t)
		n.fail(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		check.Equal(t, orphans, 1, "items to route again")
	})
}
