package publishing

import (
	"errors"
	"time"

	"footfall/domain/counting"
)

// MaxAttempts bounds the attempts at one endpoint for one window.
const MaxAttempts = 3

const (
	// maxBudget bounds the time for the endpoints of one window.
	maxBudget = 45 * time.Second
	// maxAttemptTime bounds one attempt.
	maxAttemptTime = 10 * time.Second
	// maxJitter is the part of a wait that is added to it at most.
	maxJitter = 0.1
	// unsentPause is the longest wait after an attempt that did not leave the machine.
	unsentPause = time.Second
)

// Errors of an Attempt that was not made.
var (
	// ErrAbandoned: the budget was spent.
	ErrAbandoned = errors.New("abandoned: no time was left")
	// ErrLimited: the address had as many callbacks as it may have.
	ErrLimited = errors.New("abandoned: its address has had all callbacks that it may have for now")
	// ErrPaused: the endpoint or the address failed for long.
	ErrPaused = errors.New("abandoned: it is paused")
)

// Outcome classifies an attempt. The Notifier sets it; the domain decides by it
// whether and when to retry.
type Outcome string

// The outcomes.
const (
	// Delivered: the endpoint accepted the count.
	Delivered Outcome = "delivered"
	// Refused: the endpoint rejected it permanently, or must not be called.
	Refused Outcome = "refused"
	// Failed: the endpoint did not accept it, and a retry may succeed.
	Failed Outcome = "failed"
	// Deferred: no attempt was made, and none may be made before Attempt.Until.
	Deferred Outcome = "deferred"
	// Abandoned: no attempt was made, and none follows, since no time was left.
	Abandoned Outcome = "abandoned"
	// Limited: the same, since its address had as many as it may have.
	Limited Outcome = "limited"
	// Paused: the same, since the endpoint or its address failed for long.
	Paused Outcome = "paused"
)

// Schedule says when the endpoints of one window are tried. The first attempt
// begins immediately. Further attempts begin 10 s and 30 s after the first one,
// each with jitter. All attempts end within three quarters of a window, and
// within 45 s. Where the budget is less than 45 s, the waits shrink in proportion.
type Schedule struct {
	budget time.Duration
	end    time.Time
}

// NewSchedule is the schedule for a window of length l whose first attempts
// begin at a time.
func NewSchedule(l counting.WindowLength, begin time.Time) Schedule {
	budget := min(time.Duration(l)*3/4, maxBudget)
	return Schedule{budget: budget, end: begin.Add(budget)}
}

// End is when the last attempt ends.
func (s Schedule) End() time.Time { return s.end }

// gap is the time from the begin of an attempt to that of the next.
func (s Schedule) gap(number int) time.Duration {
	if number > 1 {
		return s.budget * 20 / 45
	}
	return s.budget * 10 / 45
}

// Again returns when to retry the endpoint of an attempt, which began and ended
// at these times. The retry begins after Attempt.RetryAfter has passed, and that of an
// unsent attempt within unsentPause. A Deferred one is made at Attempt.Until. again is
// false when there is no retry: the outcome is another one, the attempts are used up, or
// the budget would be exceeded. jitter is from 0 up to 1.
func (s Schedule) Again(a Attempt, began, ended time.Time, jitter float64) (due time.Time, again bool) {
	if a.Unsent {
		due = ended.Add(unsentPause/2 + time.Duration(jitter*float64(unsentPause/2)))
		return due, due.Before(s.end)
	}
	if a.Outcome == Deferred {
		return a.Until, a.Until.Before(s.end)
	}
	if a.Outcome != Failed || a.Number >= MaxAttempts {
		return time.Time{}, false
	}
	gap := s.gap(a.Number)
	due = began.Add(gap)
	if asked := ended.Add(a.RetryAfter); asked.After(due) {
		due = asked
	}
	due = due.Add(time.Duration(jitter * maxJitter * float64(gap)))
	return due, due.Before(s.end)
}
