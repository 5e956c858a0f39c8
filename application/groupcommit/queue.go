package groupcommit

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"footfall/domain/counting"
)

// longestPause bounds the time that take waits for more callers.
const longestPause = 2 * time.Millisecond

// call is one call of a node with its waiting callers. The mutex of its queue guards
// it, but for err, which does not change after done is closed.
type call struct {
	callers  int
	timer    *time.Timer   // ends at the deadline
	taken    bool          // it is made, or was
	answered bool          // err is final
	done     chan struct{} // closed when it is answered
	err      error
}

func (c *call) base() *call { return c }

// answerLocked releases the callers; only the first answer counts. It reports whether
// they were still waiting. The caller holds the mutex of the queue.
func (c *call) answerLocked(err error) bool {
	if c.answered {
		return false
	}
	c.answered, c.err = true, err
	c.timer.Stop()
	close(c.done)
	return true
}

// queue has the calls of one node that are to be made, batches or readings. While one of
// them is made, the next one fills.
type queue[C interface {
	comparable
	base() *call
	// fits tells whether one more item of an epoch can be added.
	fits(counting.Epoch) bool
}] struct {
	wake  chan struct{} // capacity 1: there may be something to take
	late  error         // the answer of a call that is still being made at its deadline
	limit int           // of queued
	// refused, unless it is nil, is called with the number of callers that are refused.
	// The mutex is locked.
	refused func(callers int)

	mu      sync.Mutex
	waiting []C // not taken yet, oldest first
	filling C   // the last one of waiting, or nil
	queued  int // callers in waiting
	enough  int // number of queued callers for which take waits
	stopped bool

	// Of the last call, used by take only.
	lastCallers int
	lastTook    time.Duration
}

// join adds a caller and returns the call for its item: the filling one if it fits, or
// one that begin makes. It is nil if too many callers wait, or the queue is stopped. The
// caller holds the mutex.
func (q *queue[C]) join(epoch counting.Epoch, begin func() C) C {
	var none C
	if q.stopped || q.queued >= q.limit {
		return none
	}
	begun := false
	if q.filling == none || !q.filling.fits(epoch) {
		next := begin()
		c := next.base()
		c.done = make(chan struct{})
		c.timer = time.AfterFunc(Deadline, func() { q.expire(next) })
		q.filling, q.waiting, begun = next, append(q.waiting, next), true
	}
	q.filling.base().callers++
	q.queued++
	if begun || q.queued == q.enough {
		q.signal()
	}
	return q.filling
}

// signal ends the wait for something to take. One pending signal is enough.
func (q *queue[C]) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// expire answers a call at its deadline. If it was not taken, it never will be.
func (q *queue[C]) expire(late C) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := late.base()
	if c.taken {
		q.answerLocked(c, q.late)
		return
	}
	q.remove(late)
	q.answerLocked(c, counting.ErrUnavailable)
}

// answer answers a call that was taken. It reports whether its callers were still waiting.
func (q *queue[C]) answer(c C, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.answerLocked(c.base(), err)
}

// answerLocked is answer for callers that hold the mutex.
func (q *queue[C]) answerLocked(c *call, err error) bool {
	waited := c.answerLocked(err)
	if waited && isRefusal(err) {
		q.noteRefused(c.callers)
	}
	return waited
}

// noteRefused notes that callers are refused. The caller holds the mutex.
func (q *queue[C]) noteRefused(callers int) {
	if q.refused != nil {
		q.refused(callers)
	}
}

// isRefusal tells whether callers that get an error are refused: neither is the result in
// doubt, nor do they try again by another ring.
func isRefusal(err error) bool {
	return err != nil && !errors.Is(err, counting.ErrInDoubt) && !errors.Is(err, ErrMoved) &&
		!errors.Is(err, counting.ErrStale) && !errors.Is(err, counting.ErrAhead)
}

// take removes the oldest call, when it is time to make it; nil if there is none.
func (q *queue[C]) take() C {
	q.waitForCallers()
	q.mu.Lock()
	defer q.mu.Unlock()
	var oldest C
	if len(q.waiting) == 0 {
		return oldest
	}
	oldest = q.waiting[0]
	q.remove(oldest)
	oldest.base().taken = true
	return oldest
}

// remove removes a call from those that wait. The caller holds the mutex.
func (q *queue[C]) remove(c C) {
	var none C
	q.waiting = slices.DeleteFunc(q.waiting, func(w C) bool { return w == c })
	if q.filling == c {
		q.filling = none
	}
	q.queued -= c.base().callers
}

// noteCall notes how many callers the last call had, and how long it took.
func (q *queue[C]) noteCall(callers int, took time.Duration) {
	q.lastCallers, q.lastTook = callers, took
}

// waitForCallers waits for more callers. Those that the last call has answered are likely
// to come again, and a call costs less per caller the more share it. So it waits until as
// many have come as the last call answered, but no longer than that call took. It adapts
// to the load, and a lone caller never waits.
func (q *queue[C]) waitForCallers() {
	enough := min(q.lastCallers, MaxBatch)
	// Callers that are ready to run join first, as long as some do.
	waiting := q.await(enough)
	for before := -1; waiting > before && waiting < MaxBatch; {
		before = waiting
		runtime.Gosched()
		waiting = q.await(enough)
	}
	if waiting >= enough {
		return
	}
	over := time.NewTimer(min(q.lastTook, longestPause))
	defer over.Stop()
	for q.await(enough) < enough {
		select {
		case <-q.wake:
		case <-over.C:
			return
		}
	}
}

// await has join signal when enough callers wait. It returns how many do now. If there is
// nothing to wait for, that is MaxBatch: always enough.
func (q *queue[C]) await(enough int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped || q.queued == 0 {
		return MaxBatch
	}
	q.enough = enough
	return q.queued
}
