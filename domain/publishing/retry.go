package publishing

import (
	"errors"
	"net/http"
	"time"

	"footfall/domain/counting"
)

// MaxAttempts is how often one endpoint is tried for one window.
const MaxAttempts = 3

const (
	// maxBudget is the longest time that is spent on one window's endpoints.
	maxBudget = 45 * time.Second
	// maxAttemptTime is the longest time of one attempt.
	maxAttemptTime = 10 * time.Second
	// maxJitter is the part of a wait that is added to it at most.
	maxJitter = 0.1
)

// ErrAbandoned is the error of an Attempt that was not made: time was over.
var ErrAbandoned = errors.New("abandoned: no time was left")

// Outcome is what an attempt means for its endpoint.
type Outcome string

// The outcomes.
const (
	// Delivered: the endpoint took the count.
	Delivered Outcome = "delivered"
	// Refused: it never will, or must not be called.
	Refused Outcome = "refused"
	// Failed: it did not, and another attempt may do better.
	Failed Outcome = "failed"
	// Abandoned: there was no attempt, and there will be none.
	Abandoned Outcome = "abandoned"
)

// Outcome of the attempt: any 2xx is success and 410 is final. All else may
// pass, redirects and other 4xx included: an endpoint is deployed anew, or its
// keys are changed.
func (a Attempt) Outcome() Outcome {
	switch {
	case errors.Is(a.Err, ErrAbandoned):
		return Abandoned
	case a.Status >= 200 && a.Status <= 299:
		return Delivered
	case a.Status == http.StatusGone || errors.Is(a.Err, ErrForbidden):
		return Refused
	}
	return Failed
}

// hurts tells whether the attempt shows a host in trouble, rather than an
// endpoint: no answer, or the host's own error.
func (a Attempt) hurts() bool {
	return a.Outcome() == Failed && (a.Status == 0 || a.Status >= http.StatusInternalServerError)
}

// Schedule says when the endpoints of one window are tried: at once, and
// where that failed 10 s and 30 s after the first attempt began, each with
// jitter, all within three quarters of a window or 45 s. Where that is less
// than 45 s the waits are shorter in proportion.
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

// Again returns when the endpoint of an attempt, which began and ended at
// these times, is to be tried again; false when it isn't. That is not before
// its Retry-After is over. jitter is from 0 up to 1.
func (s Schedule) Again(a Attempt, began, ended time.Time, jitter float64) (due time.Time, again bool) {
	if a.Outcome() != Failed || a.Number >= MaxAttempts {
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
