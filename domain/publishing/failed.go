package publishing

import (
	"errors"
	"time"
)

// FailedCallback is an endpoint that did not take the count of a window, as the admin
// listener shows it.
type FailedCallback struct {
	// Window is the id of the window, which every repetition carries.
	Window   string   `json:"window"`
	Endpoint Endpoint `json:"endpoint"`
	Count    int64    `json:"count"`
	// FailedAt is when it failed permanently, in UTC.
	FailedAt time.Time `json:"failed_at"`
	// Attempts were made, retries included. Status is that of the last answer; 0 when
	// there was none.
	Attempts int `json:"attempts"`
	Status   int `json:"status"`
	// Reason is why there was no attempt, or no more: abandoned, limited or paused.
	Reason string `json:"reason,omitempty"`
}

// RetriedCallback is a failed callback after a retry.
type RetriedCallback struct {
	FailedCallback
	// Result is an Outcome, or Busy.
	Result Outcome `json:"result"`
	// Error is why there was no answer, or no attempt.
	Error string `json:"error,omitempty"`
}

// Busy is the result of a callback that another call retries.
const Busy Outcome = "busy"

// FailedSelection says which failed callbacks are meant. Its zero value is all.
type FailedSelection struct {
	// Since is the earliest time of a failure.
	Since time.Time
	// Window is the id of a window, Endpoint an endpoint; empty is any.
	Window   string
	Endpoint Endpoint
	// Cursor is where to go on, as the last call has answered; empty at first.
	Cursor string
	// Limit bounds the answer, from 1 to MaxFailed.
	Limit int
}

// ErrBadCursor is the error for a cursor that no call has answered.
var ErrBadCursor = errors.New("bad cursor")

// MaxFailed is the most failed callbacks of one call.
const MaxFailed = 100
