package groupcommit_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

func TestALoneCallerWaitsForNoTimer(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, _ *node, c *groupcommit.Committer) {
		begin := time.Now()
		wantVisit(t, c, "home", nil)
		check.Equal(t, time.Since(begin), 0, "what it took")
	})
}

// slow lets each call take a millisecond.
func slow(context.Context, int) error {
	time.Sleep(time.Millisecond)
	return nil
}

// together lets two callers be answered by one flush, which took 1 ms.
func together(t *testing.T, c *groupcommit.Committer) {
	t.Helper()
	var callers sync.WaitGroup
	callers.Go(func() { wantVisit(t, c, "first", nil) })
	synctest.Wait() // its flush is on its way
	for range 2 {
		callers.Go(func() { wantVisit(t, c, "home", nil) })
	}
	callers.Wait()
}

func TestAFlushWaitsForThoseWhomTheLastOneAnswered(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(slow, nil)
		together(t, c)
		before, begin := len(n.calls()), time.Now()
		var callers sync.WaitGroup
		callers.Go(func() { wantVisit(t, c, "a", nil) })
		synctest.Wait()
		time.Sleep(time.Millisecond / 2)
		callers.Go(func() { wantVisit(t, c, "b", nil) })
		callers.Wait()
		if calls := n.calls()[before:]; len(calls) != 1 || calls[0].Len() != 2 {
			t.Errorf("the two callers were flushed as %v, want one batch", calls)
		}
		check.Equal(t, time.Since(begin), time.Millisecond*3/2, "what the second caller and a call took")
	})
}

func TestAFlushWaitsNoLongerThanTheLastOneTook(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		n.fail(slow, nil)
		together(t, c)
		for _, want := range []time.Duration{2 * time.Millisecond, time.Millisecond} { // then it was alone
			begin := time.Now()
			wantVisit(t, c, "home", nil)
			check.Equal(t, time.Since(begin), want, "what it took")
		}
		n.fail(func(context.Context, int) error { time.Sleep(time.Second / 4); return nil }, nil)
		together(t, c)
		n.fail(nil, nil)
		begin := time.Now()
		wantVisit(t, c, "home", nil)
		check.Equal(t, time.Since(begin), 2*time.Millisecond, "what a visit took after a flush of 250 ms")
	})
}

func TestVisitsOfOnePageAreAddedUp(t *testing.T) {
	var flushes []groupcommit.Flush
	observe := func(f groupcommit.Flush) { flushes = append(flushes, f) }
	scenario(t, groupcommit.Options{Observe: observe}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		open := hold(t, n, c)
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() { wantVisit(t, c, "home", nil) })
		}
		synctest.Wait()
		check.Equal(t, c.Queued(), 50, "what is queued")
		open()
		callers.Wait()
		wantCount(t, n, "home", 50)
		if last := flushes[len(flushes)-1]; last.Items != 1 || last.Requests != 50 {
			t.Errorf("the last flush had %d items of %d requests, want 1 of 50", last.Items, last.Requests)
		}
		check.Equal(t, c.Queued(), 0, "what is queued")
	})
}

// V24: a count that would overflow is refused, alone.
func TestAnOverflowIsReportedToItsOwnCallersOnly(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		check.Must(t, c.AddVisit(1, 0, "full", math.MaxInt64).Wait())
		open := hold(t, n, c)
		var callers sync.WaitGroup
		for range 5 {
			callers.Go(func() { wantVisit(t, c, "full", counting.Overflow) })
			callers.Go(func() { wantVisit(t, c, "home", nil) })
			callers.Go(func() { check.OK(t, c.AddID(1, counting.IDEvent{ID: 7, Table: 1}).Wait()) })
		}
		synctest.Wait()
		open()
		callers.Wait()
		wantCount(t, n, "home", 5)
	})
}

func TestAnArrivalIsRefusedAlone(t *testing.T) {
	scenario(t, groupcommit.Options{EndpointLimit: 1}, func(t *testing.T, _ *node, c *groupcommit.Committer) {
		for i, want := range []error{nil, counting.EndpointLimit, nil} {
			endpoint := []string{"http://a/", "http://b/", "http://a/"}[i]
			check.Is(t, c.AddID(1, counting.IDEvent{ID: counting.ID(i), Endpoint: endpoint, Table: 1}).Wait(), want, "%s", endpoint)
		}
	})
}

func TestABatchIsBoundedAndOfOneEpoch(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		open := hold(t, n, c)
		var callers sync.WaitGroup
		for i := range 2*groupcommit.MaxBatch + 1 {
			callers.Go(func() { wantVisit(t, c, counting.Page(fmt.Sprint(i)), nil) })
		}
		synctest.Wait()
		ticket := c.AddVisit(0, 0, "old", 1)
		open()
		callers.Wait()
		check.Is(t, ticket.Wait(), groupcommit.ErrMoved, "the item of the old epoch")
		var sizes []int
		for _, b := range n.calls() {
			sizes = append(sizes, b.Len())
		}
		check.Equal(t, fmt.Sprint(sizes), fmt.Sprint([]int{1, groupcommit.MaxBatch, groupcommit.MaxBatch, 1, 1}), "the sizes of the batches")
	})
}

func TestTheCountsThatABatchSetsAreBounded(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		open := hold(t, n, c)
		var tickets []groupcommit.Ticket
		for i := range groupcommit.MaxSetCounts + 1 {
			tickets = append(tickets, c.AddSetCount(1, counting.SetCount{Page: counting.Page(fmt.Sprint(i)), Count: 1}, time.Time{}))
		}
		open()
		for _, ticket := range tickets {
			check.Must(t, ticket.Wait())
		}
		var sizes []int
		for _, b := range n.calls() {
			sizes = append(sizes, len(b.SetCounts))
		}
		check.Equal(t, fmt.Sprint(sizes), fmt.Sprint([]int{0, groupcommit.MaxSetCounts, 1}), "counts that the batches set")
	})
}

func TestABatchSetsFewCountsWithAHistory(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		open := hold(t, n, c)
		var tickets []groupcommit.Ticket
		for i := range 20 {
			tickets = append(tickets, c.AddSetCount(1, counting.SetCount{Page: counting.Page(fmt.Sprint(i)), History: counting.Restored(time.Now())}, time.Time{}))
		}
		open()
		for _, ticket := range tickets {
			check.Is(t, ticket.Wait(), counting.NoHistory)
		}
		var sizes []int
		for _, b := range n.calls() {
			sizes = append(sizes, len(b.SetCounts))
		}
		check.Equal(t, fmt.Sprint(sizes), fmt.Sprint([]int{0, 4, 4, 4, 4, 4}), "counts that the batches set")
	})
}

// P9: beyond its bound the queue refuses at once.
func TestAFullQueueRefusesAtOnce(t *testing.T) {
	for option, bound := range map[int]int{0: groupcommit.MaxQueued, 2_048: 2_048} {
		scenario(t, groupcommit.Options{MaxQueued: option}, func(t *testing.T, n *node, c *groupcommit.Committer) {
			open := hold(t, n, c)
			for range bound {
				c.AddVisit(1, 0, "home", 1)
			}
			begin := time.Now()
			wantVisit(t, c, "home", counting.ErrUnavailable)
			check.Is(t, c.AddID(1, counting.IDEvent{ID: 1, Table: 1}).Wait(), counting.ErrUnavailable, "an id beyond the bound")
			check.Equal(t, time.Since(begin), 0, "what the refusal took")
			open()
			synctest.Wait()
			wantCount(t, n, "home", int64(bound))
			wantVisit(t, c, "home", nil)
		})
	}
}

func TestManyCallersAtOnceLoseNothing(t *testing.T) {
	n := newNode(t)
	c := start(t, n, groupcommit.Options{})
	var callers sync.WaitGroup
	for i := range 32 {
		callers.Go(func() {
			for k := range 100 {
				wantVisit(t, c, counting.Page(fmt.Sprint((i+k)%5)), nil)
				check.OK(t, c.AddID(1, counting.IDEvent{ID: counting.ID(100*i + k), Table: 1}).Wait())
			}
		})
	}
	callers.Wait()
	sum := int64(0)
	for page := range 5 {
		sum += n.count(t, counting.Page(fmt.Sprint(page)))
	}
	check.Equal(t, sum, 3200, "visits")
}

// A large number of visits is not added up with those of others, whom its
// overflow would refuse too.
func TestALargeNumberOfVisitsIsRefusedAlone(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		wantVisit(t, c, "home", nil)
		var tickets []groupcommit.Ticket
		for _, count := range []int64{1, math.MaxInt64, 1, math.MaxInt64 - 2, 1} {
			tickets = append(tickets, c.AddVisit(1, 0, "home", count))
		}
		for i, want := range []error{nil, counting.Overflow, nil, counting.Overflow, nil} {
			check.Is(t, tickets[i].Wait(), want, "item %d", i)
		}
		wantCount(t, n, "home", 4)
	})
}
