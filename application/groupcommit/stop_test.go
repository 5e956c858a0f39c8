package groupcommit_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// V23, P10: what was accepted is flushed at the stop.
func TestStopFlushesWhatWasAccepted(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		open := hold(t, n, c)
		var callers sync.WaitGroup
		for i := range 10 {
			callers.Go(func() { wantVisit(t, c, counting.Page(fmt.Sprint(i)), nil) })
			synctest.Wait()
		}
		stopped := make(chan error)
		go func() { stopped <- c.Stop(t.Context()) }()
		synctest.Wait()
		wantVisit(t, c, "late", counting.ErrUnavailable)
		open()
		check.OK(t, <-stopped)
		callers.Wait()
		for i := range 10 {
			wantCount(t, n, counting.Page(fmt.Sprint(i)), 1)
		}
		wantCount(t, n, "late", 0)
	})
}

func TestStopTwiceAndStopWithoutStart(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		wantVisit(t, c, "home", nil)
		for range 2 {
			check.OK(t, c.Stop(t.Context()))
		}
		c.Start() // too late, and no harm
		wantVisit(t, c, "home", counting.ErrUnavailable)

		unused := groupcommit.New(groupcommit.Options{Node: n, Epoch: func() counting.Epoch { return 1 }})
		for range 2 {
			check.OK(t, unused.Stop(t.Context()))
		}
		unused.Start()
		wantVisit(t, unused, "home", counting.ErrUnavailable)
	})
}

func TestCallersBeforeTheStartGetAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		c := groupcommit.New(groupcommit.Options{
			Node: n, Epoch: func() counting.Epoch { return 1 }, Since: func() counting.Epoch { return 0 },
		})
		wantVisit(t, c, "home", counting.ErrUnavailable)
		var callers sync.WaitGroup
		callers.Go(func() { wantVisit(t, c, "home", nil) })
		synctest.Wait()
		c.Start()
		callers.Wait()
		wantCount(t, n, "home", 1)
		check.OK(t, c.Stop(t.Context()))
	})
}

// X3: a batch in doubt does not make a stop fail: its callers know that it is.
func TestX3StopWithAHungNodeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.fail(until(1<<30, nil), nil)
		c := start(t, n, groupcommit.Options{})
		var callers sync.WaitGroup
		callers.Go(func() { wantVisit(t, c, "sent", counting.ErrInDoubt) })
		synctest.Wait()
		callers.Go(func() { wantVisit(t, c, "queued", counting.ErrUnavailable) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begin := time.Now()
		check.OK(t, c.Stop(ctx))
		callers.Wait()
		check.Equal(t, time.Since(begin), 300*time.Millisecond, "what it took")
		check.OK(t, c.Stop(t.Context()), "the second stop")
	})
}

// X3: a stop that leaves acknowledged batches behind fails: the node has lost them, and
// does not take the repetition. If it does, the stop is clean.
func TestX3StopBeforeLostBatchesAreRepeatedFails(t *testing.T) {
	for _, takes := range []bool{false, true} {
		scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
			forget(t, n, c, 0)
			gap := len(n.calls()) + 1
			var taken atomic.Bool
			n.fail(func(ctx context.Context, call int) error {
				if call > gap && !taken.Load() {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}, nil)
			var caller sync.WaitGroup
			caller.Go(func() { wantVisit(t, c, "home", counting.ErrInDoubt) })
			caller.Wait()
			check.Equal(t, len(n.calls()) > gap, true, "the node has not shown that it forgot")
			taken.Store(takes)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if takes {
				check.OK(t, c.Stop(ctx))
				wantCount(t, n, "home", 6)
				return
			}
			check.Is(t, c.Stop(ctx), groupcommit.ErrNotRepeated, "stop")
			wantCount(t, n, "home", 2)
		})
	}
}

func TestStopWhileTheNodeIsAwayTriesUntilItIsBack(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(until(4, errLost), nil)
		var caller sync.WaitGroup
		caller.Go(func() { wantVisit(t, c, "home", nil) })
		synctest.Wait()
		check.OK(t, c.Stop(t.Context()))
		caller.Wait()
		wantCount(t, n, "home", 1)
	})
}

func TestStopsAndCallersAtOnce(t *testing.T) {
	for range 20 {
		n := newNode(t)
		c := start(t, n, groupcommit.Options{})
		var all sync.WaitGroup
		var mu sync.Mutex
		acknowledged := int64(0)
		for range 8 {
			all.Go(func() {
				for visit(c, "home") == nil {
					mu.Lock()
					acknowledged++
					mu.Unlock()
				}
			})
		}
		for range 3 {
			all.Go(func() { check.OK(t, c.Stop(context.Background())) })
		}
		all.Wait()
		wantCount(t, n, "home", acknowledged)
	}
}
