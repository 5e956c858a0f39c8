package publishing

import (
	"slices"
	"time"
)

const (
	// maxPerHost is the number of attempts at one host at once.
	maxPerHost = 2
	// maxTroubles is the number of attempts in a row that show a host in
	// trouble before its breaker opens.
	maxTroubles = 5
)

// Call is an endpoint that is to be told a window's count.
type Delivery struct {
	Endpoint Endpoint
	// Attempts that were made, and the status of the last one.
	Attempts, Status int

	host *host
	due  time.Time
}

// Queue decides which of a window's endpoints is tried next. A retry waits
// while any first attempt could begin; two attempts are under way at one host
// at most. A host that was in trouble five times in a row has its breaker
// open: its first attempts go on, since each endpoint is owed one, but of its
// retries only one goes ahead in 10 s (of a 45 s budget), until one shows that
// the host is back.
//
// A Queue isn't safe for concurrent use.
type Queue struct {
	Schedule
	places int
	// waiting are first attempts, and retries, that have not begun.
	waiting [classes]int
	hosts   map[string]*host
	ready   [classes][]*host // those that could begin an attempt
	later   []*Delivery      // retries that are not due yet, by time
}

// What is ready: first attempts, and retries.
const (
	first = iota
	again
	classes
)

type host struct {
	free    int          // attempts that may begin
	waiting [classes]int // as in the Queue
	calls   [classes][]*Delivery
	offered [classes]int // how often it stands in Queue.ready
	// troubles in a row; probe is when the next retry may begin while the
	// breaker is open.
	troubles int
	probe    time.Time
}

// NewQueue makes a queue for as many attempts at once as there are places.
func NewQueue(s Schedule, places int) *Queue {
	return &Queue{Schedule: s, places: places, hosts: make(map[string]*host)}
}

// Add adds an endpoint; one at which attempts were made before, by somebody
// who didn't finish, is taken as if the last had begun now.
func (q *Queue) Add(c Delivery, now time.Time) {
	name := c.Endpoint.Host()
	h := q.hosts[name]
	if h == nil {
		h = &host{free: maxPerHost}
		q.hosts[name] = h
	}
	c.host = h
	q.count(&c, 1)
	if c.class() == again {
		c.due = now.Add(q.gap(c.Attempts))
		q.postpone(&c)
		return
	}
	h.calls[first] = append(h.calls[first], &c)
	q.offer(h)
}

// Next takes the call that is to begin now, and says when it has to end. It
// is nil when none is.
func (q *Queue) Next(now time.Time) (*Delivery, time.Time) {
	q.advance(now)
	for class := range q.ready {
		for len(q.ready[class]) > 0 {
			h := q.ready[class][0]
			q.ready[class] = q.ready[class][1:]
			h.offered[class]--
			if h.free == 0 || len(h.calls[class]) == 0 {
				continue // it was offered before the other class took its place
			}
			c := h.calls[class][0]
			h.calls[class] = h.calls[class][1:]
			if class == again && h.troubles >= maxTroubles {
				if now.Before(h.probe) {
					c.due = h.probe
					q.postpone(c)
					q.offer(h)
					continue
				}
				h.probe = now.Add(q.gap(1))
			}
			end := q.until(c, now)
			q.count(c, -1)
			h.free--
			q.offer(h)
			return c, end
		}
	}
	return nil, time.Time{}
}

func (c *Delivery) class() int {
	if c.Attempts == 0 {
		return first
	}
	return again
}

// count adds n to the calls of c's class that have not begun.
func (q *Queue) count(c *Delivery, n int) {
	q.waiting[c.class()] += n
	c.host.waiting[c.class()] += n
}

// until is the end of an attempt that begins now: after 10 s, or after its
// share of the time that is left, so that every one of its class behind it
// has its turn even if all of them hang.
func (q *Queue) until(c *Delivery, now time.Time) time.Time {
	class := c.class()
	rounds := max((q.waiting[class]+q.places-1)/q.places, (c.host.waiting[class]+maxPerHost-1)/maxPerHost)
	return now.Add(min(q.end.Sub(now)/time.Duration(rounds), maxAttemptTime))
}

// Due is when Next will have a call, unless an attempt ends before; false when
// it has none until then.
func (q *Queue) Due(now time.Time) (time.Time, bool) {
	q.advance(now)
	if len(q.ready[first])+len(q.ready[again]) > 0 {
		return now, true
	}
	if len(q.later) > 0 {
		return q.later[0].due, true
	}
	return time.Time{}, false
}

// Done takes a call back whose attempt has ended; where again is set, it is
// to be tried again when it is due.
func (q *Queue) Done(c *Delivery, a Attempt, due time.Time, again bool) {
	h := c.host
	h.free++
	if a.HostFailed {
		h.troubles++
	} else {
		h.troubles = 0
	}
	if again {
		c.Attempts, c.Status, c.due = a.Number, a.Status, due
		q.count(c, 1)
		q.postpone(c)
	}
	q.offer(h)
}

// Left takes all calls out that have not begun.
func (q *Queue) Left() []*Delivery {
	left := q.later
	for _, h := range q.hosts {
		for class := range h.calls {
			left = append(left, h.calls[class]...)
			h.calls[class] = nil
		}
		h.waiting = [classes]int{}
	}
	q.later, q.waiting, q.ready = nil, [classes]int{}, [classes][]*host{}
	return left
}

// postpone keeps a call until it is due.
func (q *Queue) postpone(c *Delivery) {
	at, _ := slices.BinarySearchFunc(q.later, c, func(a, b *Delivery) int {
		if a.due.After(b.due) {
			return 1
		}
		return -1 // equal ones keep their order
	})
	q.later = slices.Insert(q.later, at, c)
}

// advance makes the retries ready that are due.
func (q *Queue) advance(now time.Time) {
	for len(q.later) > 0 && !q.later[0].due.After(now) {
		c := q.later[0]
		q.later = q.later[1:]
		c.host.calls[again] = append(c.host.calls[again], c)
		q.offer(c.host)
	}
}

// offer lets a host stand among the ready ones as often as it could begin.
func (q *Queue) offer(h *host) {
	for class := range h.calls {
		for h.offered[class] < min(h.free, len(h.calls[class])) {
			h.offered[class]++
			q.ready[class] = append(q.ready[class], h)
		}
	}
}
