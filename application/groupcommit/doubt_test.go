package groupcommit_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// V3: a retry after a lost reply does not count twice.
func TestALostReplyIsRepeatedUnchangedAndCountsOnce(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(nil, until(3, errLost))
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 1)
		calls := n.calls()
		for _, b := range calls[1:] {
			if !reflect.DeepEqual(b, calls[0]) {
				t.Errorf("the repetition %+v is not %+v", b, calls[0])
			}
		}
		check.Equal(t, len(calls), 4, "calls")
	})
}

// V2, V6: a flush that fails loses nothing, and the flusher goes on.
func TestALostRequestIsRepeated(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(until(3, errLost), nil)
		wantVisit(t, c, "home", nil)
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 2)
	})
}

// P2: 504 may be counted, and is so once.
func TestABatchWithoutAnAnswerIsInDoubtAndResolvedLater(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(nil, until(2, nil))
		begin := time.Now()
		wantVisit(t, c, "home", counting.ErrInDoubt)
		check.Equal(t, time.Since(begin), groupcommit.Deadline, "the caller waited")
		time.Sleep(5 * time.Second)
		wantCount(t, n, "home", 1)
		if calls := n.calls(); len(calls) != 3 {
			t.Errorf("%d calls, want 3: it is repeated until it is known", len(calls))
		}
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 2)
	})
}

// P2: 503 is not counted and never will be.
func TestWhatIsNotSentInTimeIsWithdrawn(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(func(context.Context, int) error { time.Sleep(2 * groupcommit.Deadline); return nil }, nil)
		go func() { _ = visit(c, "first") }()
		synctest.Wait()
		begin := time.Now()
		wantVisit(t, c, "home", counting.ErrUnavailable)
		check.Equal(t, time.Since(begin), groupcommit.Deadline, "the caller waited")
		check.Equal(t, c.Queued(), 0, "what is queued")
		time.Sleep(time.Minute)
		wantCount(t, n, "home", 0)
		wantCount(t, n, "first", 1)
	})
}

func TestABatchThatWasSurelyNotAppliedIsDissolvedAndItsNumberReused(t *testing.T) {
	for _, err := range []error{counting.ErrNotApplied, counting.ErrUninitialized, counting.ErrWrongNode, counting.ErrOtherDeployment} {
		scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
			n.fail(until(1, err), nil)
			begin := time.Now()
			wantVisit(t, c, "home", counting.ErrUnavailable)
			check.Equal(t, time.Since(begin), 0, "%v: the caller waited", err)
			wantVisit(t, c, "other", nil)
			calls := n.calls()
			if len(calls) != 2 || calls[0].Seq != 1 || calls[1].Seq != 1 || calls[0].Session != calls[1].Session {
				t.Errorf("%v: the calls were %+v", err, calls)
			}
			wantCount(t, n, "home", 0)
			wantCount(t, n, "other", 1)
		})
	}
}

// A batch in doubt stays bound to its number, whatever comes later.
func TestABatchInDoubtIsNotDissolved(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(func(_ context.Context, call int) error {
			if call == 2 {
				return counting.ErrNotApplied
			}
			return nil
		}, until(1, errLost))
		wantVisit(t, c, "home", nil)
		wantVisit(t, c, "home", nil)
		wantCount(t, n, "home", 2)
	})
}

// V18, P9: callers of a node that is down don't wait for it.
func TestANodeThatIsDownRefusesAtOnceAndHeals(t *testing.T) {
	for name, failure := range map[string]error{"surely not applied": counting.ErrNotApplied, "in doubt": errLost} {
		scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
			n.fail(until(1<<30, failure), nil)
			for range 5 {
				if err := visit(c, "home"); err == nil {
					t.Fatalf("%s: a visit is acknowledged", name)
				}
				time.Sleep(groupcommit.Deadline)
			}
			var refused bool
			for range 100 { // at some time between two attempts
				before := len(n.calls())
				begin := time.Now()
				err := visit(c, "home")
				if errors.Is(err, counting.ErrUnavailable) && time.Since(begin) == 0 && len(n.calls()) == before {
					refused = true
				}
				time.Sleep(10 * time.Millisecond)
			}
			if !refused {
				t.Errorf("%s: no item was refused without a call", name)
			}
			n.fail(nil, nil)
			time.Sleep(15 * time.Second)
			stored := n.count(t, "home")
			wantVisit(t, c, "home", nil)
			wantCount(t, n, "home", stored+1)
			if most := int64(1); stored > most {
				t.Errorf("%s: %d visits, want %d at most: all but the pinned batch were refused", name, stored, most)
			}
		})
	}
}

func TestAnAnswerHealsANodeAtOnce(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(until(6, errLost), nil)
		_ = visit(c, "home")
		for len(n.calls()) < 7 {
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		wantVisit(t, c, "home", nil)
	})
}
