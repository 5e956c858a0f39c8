package groupcommit_test

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

func TestABatchOfAnEpochThatIsOverHasMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		check.Value(n.Fence(t.Context(), next(t, n.ring)))(t)
		c := start(t, n, groupcommit.Options{})
		wantVisit(t, c, "home", groupcommit.ErrMoved)
	})
}

// A batch in doubt that was applied before its epoch was over is counted.
func TestABatchInDoubtIsKnownInALaterEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.fail(nil, func(ctx context.Context, call int) error {
			if call > 1 {
				return nil
			}
			check.OK(t, check.Err(n.Fence(ctx, next(t, n.ring))))
			return errLost
		})
		c := start(t, n, groupcommit.Options{})
		wantVisit(t, c, "home", nil)
		wantVisit(t, c, "home", groupcommit.ErrMoved)
	})
}

func TestANodeThatIsBehindIsBroughtUpAndTheBatchRepeatedUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		second := next(t, n.ring)
		behind := 0
		c := start(t, n, groupcommit.Options{CatchUp: func(ctx context.Context) {
			if behind++; behind < 3 {
				return
			}
			check.OK(t, check.Err(n.Fence(ctx, second)))
			check.OK(t, n.Open(ctx, second))
		}})
		ticket := check.Value(c.Visit(second.Epoch(), 0, "home", 1))(t)
		check.Must(t, ticket.Wait())
		wantCount(t, n, "home", 1)
		calls := n.calls()
		if behind != 3 || len(calls) != 4 {
			t.Errorf("brought up %d times, sent %d times; want 3 and 4", behind, len(calls))
		}
		for _, b := range calls[1:] {
			if !reflect.DeepEqual(b, calls[0]) {
				t.Errorf("the repetition %+v is not %+v", b, calls[0])
			}
		}
	})
}

// forgetting is a node that has counted five visits and is rolled back to
// where it had counted two, with a committer that tells of losses.
func forgetting(t *testing.T, apart time.Duration) (*node, *groupcommit.Committer, *[]int64) {
	t.Helper()
	n := newNode(t)
	lost := new([]int64)
	c := start(t, n, groupcommit.Options{Lost: func(batches int64) { *lost = append(*lost, batches) }})
	for range 2 {
		wantVisit(t, c, "home", nil)
	}
	before := n.Snapshot()
	for range 3 {
		wantVisit(t, c, "home", nil)
		time.Sleep(apart)
	}
	n.Restore(before)
	return n, c, lost
}

func TestANodeThatForgotIsRepairedByTheKeptBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c, lost := forgetting(t, time.Second)
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 6)
		check.Equal(t, len(*lost), 0, "lost batches: %v", *lost)
	})
}

// P1: what was repeated is as young as what is counted for the first time, and may be
// forgotten like it.
func TestWhatWasRepeatedIsKeptAsIfItWereNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		var lost int64
		c := start(t, n, groupcommit.Options{Lost: func(batches int64) { lost += batches }})
		wantVisit(t, c, "home", nil)
		before := n.Snapshot()
		wantVisit(t, c, "home", nil)
		n.Restore(before)
		time.Sleep(9 * time.Second)
		wantVisit(t, c, "home", nil) // and the one before, again
		time.Sleep(1500 * time.Millisecond)
		wantVisit(t, c, "home", nil)
		n.Restore(before)
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 5)
		check.Equal(t, lost, 0, "batches that are reported as lost")
	})
}

func TestARepairGoesOnWhenTheNodeFailsInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c, lost := forgetting(t, 0)
		n.fail(until(len(n.calls())+2, errLost), until(len(n.calls())+4, errLost))
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 6)
		check.Equal(t, len(*lost), 0, "lost batches: %v", *lost)
	})
}

func TestARepairGoesOnWhenTheNodeForgetsMoreInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c, lost := forgetting(t, 0)
		again, first := n.Snapshot(), len(n.calls())
		n.fail(nil, func(_ context.Context, call int) error {
			if call == first+3 { // the second repetition
				n.Restore(again)
			}
			return nil
		})
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 6)
		check.Equal(t, len(*lost), 0, "lost batches: %v", *lost)
	})
}

// An idle hour ends with an empty batch, which finds what the node forgot.
func TestAnIdleSessionFindsThatTheNodeForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, lost := forgetting(t, 0)
		wantCount(t, n, "home", 2)
		time.Sleep(time.Hour + time.Second)
		wantCount(t, n, "home", 5)
		check.Equal(t, len(*lost), 0, "lost batches: %v", *lost)
		calls := n.calls()
		if last := calls[len(calls)-1]; last.Len() != 0 {
			t.Errorf("the last batch has %d items, want none", last.Len())
		}
	})
}

func TestWhatNoKeptBatchCoversIsReportedAndANewSessionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c, lost := forgetting(t, 11*time.Second)
		old := n.calls()[0].Session
		wantVisit(t, c, "home", nil)
		if len(*lost) != 1 || (*lost)[0] != 3 {
			t.Errorf("lost batches: %v, want 3 in one call", *lost)
		}
		wantCount(t, n, "home", 3)
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 4)
		calls := n.calls()
		if last := calls[len(calls)-1]; last.Session == old || last.Seq != 2 {
			t.Errorf("the last batch is %d of session %s, want 2 of another than %s", last.Seq, last.Session, old)
		}
	})
}

// Kept batches of an epoch that is over can't be repeated.
func TestWhatIsOfAnOldEpochIsReportedAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c, lost := forgetting(t, 0)
		second := next(t, n.ring)
		check.Value(n.Fence(t.Context(), second))(t)
		check.Must(t, n.Open(t.Context(), second))
		ticket := check.Value(c.Visit(second.Epoch(), 0, "home", 1))(t)
		check.Must(t, ticket.Wait())
		if len(*lost) != 1 || (*lost)[0] != 3 {
			t.Errorf("lost batches: %v, want 3 in one call", *lost)
		}
		wantCount(t, n, "home", 3)
	})
}

// What is repeated after others may not fit any more: that is a loss, too.
func TestARepetitionThatIsRefusedInPartIsReportedAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c, lost := forgetting(t, 0)
		ahead := &counting.Batch{Epoch: 1, Session: "another", Seq: 1, Visits: []counting.Visit{{Page: "home", Count: math.MaxInt64 - 4}}}
		check.Value(n.Node.Apply(t.Context(), ahead))(t)
		wantVisit(t, c, "other", nil)
		if len(*lost) != 1 || (*lost)[0] != 1 {
			t.Errorf("lost batches: %v, want 1", *lost)
		}
		wantCount(t, n, "home", math.MaxInt64)
	})
}

func TestAnItemThatWasRefusedBeforeIsNoLossWhenItIsRefusedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		c := start(t, n, groupcommit.Options{Lost: func(batches int64) { t.Errorf("%d lost batches", batches) }})
		ticket, err := c.Visit(1, 0, "home", math.MaxInt64)
		if err != nil || ticket.Wait() != nil {
			t.Fatal(err)
		}
		before := n.Snapshot()
		wantVisit(t, c, "home", counting.Overflow)
		n.Restore(before)
		wantVisit(t, c, "other", nil)
	})
}

// A node that came back empty is lost, not zero: nothing is counted on it.
func TestANodeThatCameBackEmptyTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c, lost := forgetting(t, 0)
		n.Restore(localnode.Snapshot{})
		wantVisit(t, c, "home", counting.ErrUnavailable)
		check.Equal(t, len(*lost), 0, "lost batches: %v, though the node may come back", *lost)
	})
}

// What is kept has a bound in bytes: long endpoints push older batches out.
func TestWhatIsKeptIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		var lost []int64
		c := start(t, n, groupcommit.Options{EndpointLimit: 1 << 20, Lost: func(batches int64) { lost = append(lost, batches) }})
		before := n.Snapshot()
		wantVisit(t, c, "home", nil)
		long := strings.Repeat("x", 2000)
		for i := range 40 { // 16 MiB and more
			var last groupcommit.Ticket
			for j := range 300 {
				ticket := check.Value(c.Arrive(1, counting.IDEvent{ID: counting.ID(i*300 + j), Endpoint: fmt.Sprint(i, j, long), Table: 1}))(t)
				last = ticket
			}
			check.Must(t, last.Wait())
		}
		n.Restore(before)
		wantVisit(t, c, "home", nil)
		check.Equal(t, len(lost), 1, "the number of losses in %v", lost)
	})
}
