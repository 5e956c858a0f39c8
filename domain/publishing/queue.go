package publishing

import (
	"slices"
	"time"
)

const (
	// maxPerHost is the number of attempts at one host at a time.
	maxPerHost = 2
	// MaxPerAddress is the number of attempts at one address at a time.
	MaxPerAddress = 8
	// maxTroubles is the number of consecutive host failures after which the
	// host's breaker opens.
	maxTroubles = 5
)

// Delivery is the notification of one endpoint of a window's count.
type Delivery struct {
	Endpoint Endpoint
	// Attempts that were made, and the status of the last one.
	Attempts, Status int
	// Key is for the caller, who may have several of one endpoint.
	Key string

	host *host
	due  time.Time
	// limited: its address had as many attempts as it may have, when it was tried last.
	limited bool
}

// Abandoned is why no attempt is made when the budget is spent.
func (c *Delivery) Abandoned() (Outcome, error) {
	if c.limited {
		return Limited, ErrLimited
	}
	return Abandoned, ErrAbandoned
}

// Queue decides which of a window's endpoints is tried next. A retry waits while any
// first attempt can begin. At most two attempts run at one host at a time.
//
// A host that failed five times in a row has its breaker open. Its first attempts go
// on, since each endpoint is owed one. Of its retries only one begins per 10 s (of a
// 45 s budget), until an attempt shows that the host is back.
//
// An attempt that is Deferred waits with all others of its address, in place of its host.
//
// A Queue is not safe for concurrent use.
type Queue struct {
	Schedule
	places int
	// waiting counts first attempts, and retries, that have not begun.
	waiting [classes]int
	hosts   map[string]*host
	ready   [classes][]*host // hosts that could begin an attempt
	later   []*Delivery      // retries that are not due yet, by time
}

// The classes of attempts: first attempts and retries.
const (
	first = iota
	again
	classes
)

type host struct {
	free    int // attempts that may begin, of places
	places  int
	waiting [classes]int // as in the Queue
	calls   [classes][]*Delivery
	offered [classes]int // how often it is in Queue.ready
	// troubles counts consecutive failures; probe is when the next retry may
	// begin while the breaker is open.
	troubles int
	probe    time.Time
	// pause is the end of the time in which no attempt may begin.
	pause time.Time
}

// NewQueue makes a queue; places bounds the concurrent attempts.
func NewQueue(s Schedule, places int) *Queue {
	return &Queue{Schedule: s, places: places, hosts: make(map[string]*host)}
}

// Add adds an endpoint. If another instance has made attempts before, the last one
// counts as begun now.
func (q *Queue) Add(c Delivery, now time.Time) {
	h := q.group(c.Endpoint.Host(), maxPerHost)
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

// group returns those of one host or address, of whom so many may be called at a time.
func (q *Queue) group(name string, places int) *host {
	h := q.hosts[name]
	if h == nil {
		h = &host{free: places, places: places}
		q.hosts[name] = h
	}
	return h
}

// Next removes the delivery that has to begin now, nil if there is none, or if the budget
// is spent. It returns when the attempt has to end.
func (q *Queue) Next(now time.Time) (*Delivery, time.Time) {
	q.advance(now)
	for class := range q.ready {
		for len(q.ready[class]) > 0 && now.Before(q.end) {
			h := q.ready[class][0]
			q.ready[class] = q.ready[class][1:]
			h.offered[class]--
			if h.free == 0 || len(h.calls[class]) == 0 {
				continue // it was offered before the other class used it
			}
			c := h.calls[class][0]
			h.calls[class] = h.calls[class][1:]
			if due := h.mayBegin(class, now); due.After(now) {
				c.due = due
				q.postpone(c)
				q.offer(h)
				continue
			}
			if class == again && h.troubles >= maxTroubles {
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

// mayBegin is when the next attempt of a class may begin.
func (h *host) mayBegin(class int, now time.Time) time.Time {
	if class == again && h.troubles >= maxTroubles && h.probe.After(now) {
		return h.probe
	}
	return h.pause
}

func (c *Delivery) class() int {
	if c.Attempts == 0 {
		return first
	}
	return again
}

// count adds n to the waiting deliveries of c's class.
func (q *Queue) count(c *Delivery, n int) {
	q.waiting[c.class()] += n
	c.host.waiting[c.class()] += n
}

// until is the end of an attempt that begins now: after 10 s, or after its share of
// the remaining time. So all others of its class have their turn, even if all hang.
func (q *Queue) until(c *Delivery, now time.Time) time.Time {
	class := c.class()
	rounds := max((q.waiting[class]+q.places-1)/q.places, (c.host.waiting[class]+c.host.places-1)/c.host.places)
	return now.Add(min(q.end.Sub(now)/time.Duration(rounds), maxAttemptTime))
}

// Due is when Next will return a delivery, unless an attempt ends before. It is false
// if Next returns none until an attempt ends, or none at all since the budget is spent.
func (q *Queue) Due(now time.Time) (time.Time, bool) {
	q.advance(now)
	switch {
	case !now.Before(q.end):
		return time.Time{}, false
	case len(q.ready[first])+len(q.ready[again]) > 0:
		return now, true
	case len(q.later) > 0:
		return q.later[0].due, true
	}
	return time.Time{}, false
}

// Done returns a delivery whose attempt has ended. If again is set, it is retried when
// it is due.
func (q *Queue) Done(c *Delivery, a Attempt, due time.Time, again bool) {
	h := c.host
	h.free++
	c.limited = a.Outcome == Deferred
	switch {
	case c.limited:
		c.host = q.group(a.Address, MaxPerAddress)
		c.host.pause = a.Until
	case a.HostFailed:
		h.troubles++
	case !a.Unsent && a.Outcome != Paused:
		h.troubles = 0
	}
	if again {
		c.due = due
		if !a.Unsent && !c.limited {
			c.Attempts, c.Status = a.Number, a.Status
		}
		q.count(c, 1)
		q.postpone(c)
	}
	q.offer(h)
}

// Left removes and returns all deliveries that have not begun.
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

// postpone keeps a delivery until it is due.
func (q *Queue) postpone(c *Delivery) {
	at, _ := slices.BinarySearchFunc(q.later, c, func(a, b *Delivery) int {
		if a.due.After(b.due) {
			return 1
		}
		return -1 // equal ones keep their order
	})
	q.later = slices.Insert(q.later, at, c)
}

// advance makes retries ready that are due.
func (q *Queue) advance(now time.Time) {
	for len(q.later) > 0 && !q.later[0].due.After(now) {
		c := q.later[0]
		q.later = q.later[1:]
		c.host.calls[c.class()] = append(c.host.calls[c.class()], c)
		q.offer(c.host)
	}
}

// offer adds a host to the ready ones as often as it could begin an attempt.
func (q *Queue) offer(h *host) {
	for class := range h.calls {
		for h.offered[class] < min(h.free, len(h.calls[class])) {
			h.offered[class]++
			q.ready[class] = append(q.ready[class], h)
		}
	}
}
