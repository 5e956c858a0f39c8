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
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		check.Value(n.Fence(t.Context(), next(t, n.ring)))(t)
		wantVisit(t, c, "home", groupcommit.ErrMoved)
	})
}

// A batch in doubt that was applied before its epoch was over is counted.
func TestABatchInDoubtIsKnownInALaterEpoch(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(nil, func(ctx context.Context, call int) error {
			if call > 1 {
				return nil
			}
			check.OK(t, check.Err(n.Fence(ctx, next(t, n.ring))))
			return errLost
		})
		wantVisit(t, c, "home", nil)
		wantVisit(t, c, "home", groupcommit.ErrMoved)
	})
}

func TestANodeThatIsBehindIsBroughtUpAndTheBatchRepeatedUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, behind := newNode(t), 0
		c := start(t, n, groupcommit.Options{CatchUp: func(context.Context) {
			if behind++; behind == 3 {
				n.openNext(t)
			}
		}})
		check.Must(t, c.AddVisit(2, 0, "home", 1).Wait())
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

// P1, P3, P10: what a node has lost is repeated when the node is back, without any caller,
// and also by a stop.
func TestARepairThatWasInterruptedGoesOn(t *testing.T) {
	for _, stops := range []bool{false, true} {
		scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
			forget(t, n, c, 0)
			gap := len(n.calls()) + 1
			refused := 0
			n.fail(func(_ context.Context, call int) error {
				if call > gap && call <= gap+2 {
					refused++
					return fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
				}
				return nil
			}, nil)
			wantVisit(t, c, "home", counting.ErrUnavailable)
			check.Equal(t, refused, 2, "calls that were refused")
			if stops {
				check.OK(t, c.Stop(t.Context()))
			} else {
				time.Sleep(5 * time.Second)
			}
			wantCount(t, n, "home", 5)
		})
	}
}

// forget counts five visits, apart from each other, and rolls the node back to where it
// had counted two.
func forget(t *testing.T, n *node, c *groupcommit.Committer, apart time.Duration) {
	t.Helper()
	for range 2 {
		wantVisit(t, c, "home", nil)
	}
	before := n.Snapshot()
	for range 3 {
		wantVisit(t, c, "home", nil)
		time.Sleep(apart)
	}
	n.Restore(before)
}

func TestANodeThatForgotIsRepairedByTheKeptBatches(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, time.Second)
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 6)
	})
}

func TestBatchesAreKeptAsLongAsTheOptionsSay(t *testing.T) {
	scenario(t, groupcommit.Options{KeepFor: 30 * time.Second}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, 11*time.Second)
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 6)
	})
	scenario(t, groupcommit.Options{KeepBytes: 1}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, time.Second)
		wantVisit(t, c, "home", nil)
		wantLost(t, n, 2)
		wantCount(t, n, "home", 4) // the last batch is always kept
	})
}

// P1: what was repeated is as young as what is counted for the first time, and may be
// forgotten like it.
func TestWhatWasRepeatedIsKeptAsIfItWereNew(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
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
	})
}

func TestARepairGoesOnWhenTheNodeFailsInTheMiddle(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, 0)
		n.fail(until(len(n.calls())+2, errLost), until(len(n.calls())+4, errLost))
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 6)
	})
}

func TestARepairGoesOnWhenTheNodeForgetsMoreInTheMiddle(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, 0)
		again, first := n.Snapshot(), len(n.calls())
		n.fail(nil, func(_ context.Context, call int) error {
			if call == first+3 { // the second repetition
				n.Restore(again)
			}
			return nil
		})
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 6)
	})
}

// An idle hour ends with an empty batch, which finds what the node forgot.
func TestAnIdleSessionFindsThatTheNodeForgot(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, 0)
		wantCount(t, n, "home", 2)
		time.Sleep(time.Hour + time.Second)
		wantCount(t, n, "home", 5)
		calls := n.calls()
		if last := calls[len(calls)-1]; last.Len() != 0 {
			t.Errorf("the last batch has %d items, want none", last.Len())
		}
	})
}

// F33: the batches that are kept are counted, however many are not.
func TestF33WhatNoKeptBatchCoversIsReportedAndANewSessionGoesOn(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, 11*time.Second)
		old := n.calls()[0].Session
		wantVisit(t, c, "home", nil)
		wantLost(t, n, 2)
		wantCount(t, n, "home", 4)
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 5)
		calls := n.calls()
		if last := calls[len(calls)-1]; last.Session == old || last.Seq != 3 {
			t.Errorf("the last batch is %d of session %s, want 3 of another than %s", last.Seq, last.Session, old)
		}
	})
}

// What is repeated after others may not fit any more: that is a loss, too.
func TestARepetitionThatIsRefusedInPartIsReportedAsLost(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, 0)
		ahead := &counting.Batch{Epoch: 1, Session: "another", Seq: 1, Visits: []counting.Visit{{Page: "home", Count: math.MaxInt64 - 4}}}
		check.Value(n.Node.Apply(t.Context(), ahead))(t)
		wantVisit(t, c, "other", nil)
		wantLost(t, n, 1)
		wantCount(t, n, "home", math.MaxInt64)
	})
}

func TestAnItemThatWasRefusedBeforeIsNoLossWhenItIsRefusedAgain(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		check.Must(t, c.AddVisit(1, 0, "home", math.MaxInt64).Wait())
		before := n.Snapshot()
		wantVisit(t, c, "home", counting.Overflow)
		n.Restore(before)
		wantVisit(t, c, "other", nil)
	})
}

// A node that came back empty is lost, not zero: nothing is counted on it.
func TestANodeThatCameBackEmptyTakesNothing(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, 0)
		n.Restore(localnode.Snapshot{})
		wantVisit(t, c, "home", counting.ErrUnavailable)
		wantLost(t, n) // the node may come back
	})
}

// What is kept has a bound in bytes: long endpoints push older batches out.
func TestWhatIsKeptIsBoundedInBytes(t *testing.T) {
	scenario(t, groupcommit.Options{EndpointLimit: 1 << 20}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		before := n.Snapshot()
		wantVisit(t, c, "home", nil)
		long := strings.Repeat("x", 2000)
		for i := range 40 { // 16 MiB and more
			var last groupcommit.Ticket
			for j := range 300 {
				last = c.AddID(1, counting.IDEvent{ID: counting.ID(i*300 + j), Endpoint: fmt.Sprint(i, j, long), Table: 1})
			}
			check.Must(t, last.Wait())
		}
		n.Restore(before)
		wantVisit(t, c, "home", nil)
		check.Equal(t, len(n.lost), 1, "the number of losses in %v", n.lost)
		n.lost = nil
	})
}

// P2: what was answered as not counted is not counted by a repetition either,
// though no limit refuses it then. What was acknowledged is, whatever came first.
func TestARepetitionHasNeitherLimitsNorWhatWasRefused(t *testing.T) {
	scenario(t, groupcommit.Options{PageLimit: 2}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		wantVisit(t, c, "home", nil)
		before := n.Snapshot()
		wantVisit(t, c, "about", nil)
		wantVisit(t, c, "other", counting.PageLimit)
		n.Restore(before)
		ahead := &counting.Batch{Epoch: 1, Session: "another", Seq: 1, Visits: []counting.Visit{{Page: "ahead", Count: 1}}}
		check.Value(n.Node.Apply(t.Context(), ahead))(t)
		wantVisit(t, c, "home", nil)
		wantLost(t, n)
		wantCount(t, n, "home", 2)
		wantCount(t, n, "about", 1)
		wantCount(t, n, "other", 0)
	})
}
