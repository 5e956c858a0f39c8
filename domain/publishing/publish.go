package publishing

import (
	"context"
	"errors"
	"time"
)

// ErrRefused is wrapped by the error of a publisher that surely did not take
// the report, and never will from this call.
var ErrRefused = errors.New("publisher refused")

// Publisher takes reports to where their readers are. Its methods are safe
// for concurrent use.
type Publisher interface {
	// Name is the sink as it is shown in lists: log, rabbitmq.
	Name() string

	// Publish ends in one of three ways: nil, the report is safe with its
	// readers or on disk; an error that wraps ErrRefused, it surely isn't;
	// any other error, unknown. A repetition carries the same id, and
	// readers drop it. A sink that does not answer holds the caller little
	// longer than ctx; one that is well again takes reports within 15 s,
	// without anybody's help.
	Publish(ctx context.Context, r Report) error
}

// Attempt is one request to one endpoint and what came of it.
type Attempt struct {
	// Report's ID and the number of the attempt, from 1; of one that was
	// abandoned, the number of those before it.
	ReportID string
	Number   int
	Endpoint Endpoint
	// Status is the answer's HTTP status, 0 when there was none; Response
	// the beginning of its body, at most 256 bytes, as it came.
	Status   int
	Response string
	Took     time.Duration
	// RetryAfter is for how long the endpoint asked to be left alone.
	RetryAfter time.Duration
	// Err says why there was no answer, or that there was no attempt.
	Err error
}

// Notifier calls endpoints. Its methods are safe for concurrent use.
type Notifier interface {
	// Permits tells whether the endpoint may be called at all, as far as
	// that is known without looking its host up. The error wraps
	// ErrForbidden and says why in words for the caller.
	Permits(e Endpoint) error

	// Notify makes one attempt and ends when ctx does at the latest. It
	// connects to no address that the policy forbids, whatever the name of
	// the host leads to, and follows no redirect.
	Notify(ctx context.Context, r Report, e Endpoint, number int) Attempt
}

// Journal keeps a line of every attempt.
type Journal interface {
	LogAttempt(a Attempt) error
}
