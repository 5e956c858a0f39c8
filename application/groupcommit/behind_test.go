package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// X11, P3: a node that was rolled back gives no number until all that was answered is repeated.
// A read is enough for that.
func TestX11AReadFindsWhatTheNodeForgot(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		r := groupcommit.NewReader(c)
		forget(t, n, c, 0)
		repeated := make(chan struct{})
		n.fail(func(_ context.Context, call int) error {
			if call > 6 { // the empty batch finds the gap
				<-repeated
			}
			return nil
		}, nil)
		for range 3 {
			var gap *counting.GapError
			if tally, err := r.Read(1, counting.Located{Page: "home"}); !errors.As(err, &gap) || gap.Last != 2 {
				t.Errorf("read %+v, %v; want a gap after batch 2", tally, err)
			}
			check.Equal(t, c.Behind(), true, "it is known to be behind")
			synctest.Wait()
		}
		close(repeated)
		synctest.Wait()
		tally := check.Value(r.Read(1, counting.Located{Page: "home"}))(t)
		check.Equal(t, tally.Visits, 5, "visits")
		check.Equal(t, c.Behind(), false, "it is known to be behind")
		check.Equal(t, len(n.calls()), 5+1+3+1, "calls: five visits, an empty batch that is sent twice, and three repetitions")
	})
}

// P3: what is repeated in a new session is not read before all of it is.
func TestNothingIsReadWhileANewSessionRepeats(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		r := groupcommit.NewReader(c)
		for range 4 {
			wantVisit(t, c, "home", nil)
			time.Sleep(6 * time.Second)
		}
		before := n.Snapshot()
		for range 6 {
			wantVisit(t, c, "home", nil)
			time.Sleep(4 * time.Second)
		}
		n.Restore(before)
		first, reads := len(n.calls()), 0
		n.fail(nil, func(_ context.Context, call int) error {
			if call > first+1 {
				if tally, err := r.Read(1, counting.Located{Page: "home"}); err == nil && call < first+5 {
					t.Errorf("reads %d during call %d", tally.Visits, call-first)
				}
				reads++
			}
			return nil
		})
		c.Verify(t.Context())
		synctest.Wait()
		wantLost(t, n, 3)
		check.Equal(t, reads > 3, true, "reads during the repetition")
		check.Equal(t, check.Value(r.Read(1, counting.Located{Page: "home"}))(t).Visits, 4+3, "visits")
	})
}

// X11, P3, P10: a stop asks the node, and repeats what it lacks. It does not wait for one that
// does not answer.
func TestX11AStopFindsWhatTheNodeForgot(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, 0)
		check.OK(t, c.Stop(t.Context()))
		wantCount(t, n, "home", 5)
	})
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		forget(t, n, c, 0)
		n.fail(until(1<<30, fmt.Errorf("%w: READONLY", counting.ErrNotApplied)), nil)
		check.Is(t, c.Stop(t.Context()), groupcommit.ErrNotRepeated, "stop")
		wantCount(t, n, "home", 2)
	})
	synctest.Test(t, func(t *testing.T) {
		hung, _ := newReads(newNode(t))
		c := groupcommit.New(groupcommit.Options{
			Node: hung, Epoch: func() counting.Epoch { return 1 }, Since: func() counting.Epoch { return 0 },
		})
		c.Start()
		wantVisit(t, c, "home", nil)
		began := time.Now()
		check.OK(t, c.Stop(t.Context()))
		check.Equal(t, time.Since(began), time.Second, "what the stop took")
	})
}

// A node that remembers nothing may have lost its sessions and not its counts. It has no
// number until the loss is reported.
func TestANodeThatForgotTheSessionIsReportedBeforeItIsRead(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		r := groupcommit.NewReader(c)
		empty := n.Snapshot()
		for range 3 {
			wantVisit(t, c, "home", nil)
			time.Sleep(11 * time.Second)
		}
		n.Restore(empty)
		var gap *counting.GapError
		check.Equal(t, errors.As(check.Err(r.Read(1, counting.Located{Page: "home"})), &gap), true, "the read meets a gap")
		synctest.Wait()
		wantLost(t, n, 3)
		check.Equal(t, check.Value(r.Read(1, counting.Located{Page: "home"}))(t).Visits, 0, "visits")
	})
}
