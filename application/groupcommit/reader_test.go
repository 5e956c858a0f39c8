package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// reads is a node whose reads wait for open, and are counted.
type reads struct {
	*node
	open chan struct{}

	mu    sync.Mutex
	sizes []int // pages of each call
	err   error
}

// newReads makes a reader of a node whose reads wait.
func newReads(n *node) (*reads, *groupcommit.Reader) {
	r := &reads{node: n, open: make(chan struct{})}
	return r, groupcommit.NewReader(groupcommit.New(groupcommit.Options{Node: r}))
}

func (r *reads) Read(ctx context.Context, e counting.Expected, pages []counting.Located) ([]counting.Tally, error) {
	r.mu.Lock()
	r.sizes = append(r.sizes, len(pages))
	err := r.err
	r.mu.Unlock()
	select {
	case <-r.open:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return r.node.Read(ctx, e, pages)
}

func TestReadsShareACallWhileTheLastIsOnItsWay(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		for i := range 20 {
			for range i {
				wantVisit(t, c, counting.Page(fmt.Sprint("page", i)), nil)
			}
		}
		slow, r := newReads(n)
		var callers sync.WaitGroup
		for i := range 20 {
			callers.Go(func() {
				tally, err := r.Read(1, counting.Located{Page: counting.Page(fmt.Sprint("page", i))})
				if err != nil || tally.Visits != int64(i) {
					t.Errorf("page%d: %+v, %v", i, tally, err)
				}
			})
			if i == 0 {
				synctest.Wait() // the first is on its way alone
			}
		}
		synctest.Wait()
		close(slow.open)
		callers.Wait()
		if len(slow.sizes) != 2 || slow.sizes[0] != 1 || slow.sizes[1] != 19 {
			t.Errorf("the calls had %v pages, want 1 and 19", slow.sizes)
		}
	})
}

func TestReadsOfTwoEpochsDoNotShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, r := newReads(newNode(t))
		var callers sync.WaitGroup
		for epoch, want := range map[counting.Epoch]error{1: nil, 2: counting.ErrAhead} {
			callers.Go(func() { check.Is(t, check.Err(r.Read(epoch, counting.Located{Page: "home"})), want, "epoch %d", epoch) })
		}
		synctest.Wait()
		close(slow.open)
		callers.Wait()
	})
}

func TestAReadThatFailsFailsForAllItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing, r := newReads(newNode(t))
		failing.err = errLost
		close(failing.open)
		for range 3 {
			check.Is(t, check.Err(r.Read(1, counting.Located{Page: "home"})), errLost)
		}
	})
}

func TestReadsOfANodeThatHangsEndAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, r := newReads(newNode(t))
		began := time.Now()
		var callers sync.WaitGroup
		for range 600 { // more than one call takes
			callers.Go(func() {
				if tally, err := r.Read(1, counting.Located{Page: "home"}); err == nil {
					t.Errorf("read %+v from a node that hangs", tally)
				}
			})
		}
		callers.Wait()
		if d := time.Since(began); d > groupcommit.Deadline {
			t.Errorf("the last caller waited %v", d)
		}
		time.Sleep(3 * groupcommit.Deadline) // what is on its way ends too
	})
}

func TestTooManyReadsAreRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, r := newReads(newNode(t))
		var callers sync.WaitGroup
		for i := range groupcommit.MaxQueued + 1 {
			callers.Go(func() { _, _ = r.Read(1, counting.Located{Page: "home"}) })
			if i == 0 {
				synctest.Wait() // the first is on its way
			}
		}
		synctest.Wait()
		began := time.Now()
		if _, err := r.Read(1, counting.Located{Page: "home"}); !errors.Is(err, counting.ErrUnavailable) || time.Since(began) > 0 {
			t.Errorf("%v after %v, want %v at once", err, time.Since(began), counting.ErrUnavailable)
		}
		close(slow.open)
		callers.Wait()
		check.OK(t, check.Err(r.Read(1, counting.Located{Page: "home"})), "after the jam")
	})
}
