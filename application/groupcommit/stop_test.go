package groupcommit_test

import (
	"context"
	"fmt"
	"sync"
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
		c := groupcommit.New(groupcommit.Options{Node: n, Epoch: func() counting.Epoch { return 1 }})
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

func TestStopWithAHungNodeEndsWithItsContext(t *testing.T) {
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
		check.Is(t, c.Stop(ctx), context.DeadlineExceeded, "stop")
		callers.Wait()
		check.Equal(t, time.Since(begin), 300*time.Millisecond, "what it took")
		if err := c.Stop(t.Context()); err != nil {
			t.Errorf("the second stop says %v", err)
		}
	})
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
