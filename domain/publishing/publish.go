package publishing

import (
	"context"
	"errors"
	"time"
)

// ErrRefused is wrapped by errors of Publisher.Publish which guarantee that the
// sink has not taken the report and will not take it from this call.
var ErrRefused = errors.New("publisher refused")

// Publisher delivers reports to a sink. Its methods are safe for concurrent use.
type Publisher interface {
	// Name is the sink as it is shown in lists: log, rabbitmq, redisstream.
	Name() string

	// Publish returns nil when the sink has stored the report durably. An
	// error that wraps ErrRefused says that the sink has not taken it, and
	// will not. After any other error the result is unknown. A repetition
	// carries the same id, so that readers can drop duplicates.
	//
	// Publish returns soon after ctx ends, even if the sink hangs. A sink that
	// has recovered accepts reports within 15 s, without intervention.
	Publish(ctx context.Context, r Report) error
}

// Outage is why a publisher's sink takes no reports for now.
type Outage struct {
	// Addr is where the sink is: host:port, or several with commas, without credentials.
	Addr string
	// Since is when the publisher noticed it.
	Since time.Time
	// Err is the last failure, without credentials.
	Err error
}

// Attempt is one request to one endpoint and what came of it.
type Attempt struct {
	// ReportID is the report's ID. Number counts attempts from 1; for an
	// abandoned endpoint it is the number of attempts made before.
	ReportID string
	Number   int
	Endpoint Endpoint
	// Outcome classifies the attempt.
	Outcome Outcome
	// HostFailed says that a Failed attempt is the host's fault, not the
	// endpoint's: the host did not answer, or reported an error of its own.
	HostFailed bool
	// Unsent says that a Failed attempt did not leave this machine, which had no file
	// or no port for it. It does not count.
	Unsent bool
	// Status is the status code of the answer, 0 when there was none. It is
	// for logs and the ledger; no decision depends on it. Response is the
	// beginning of the body, at most 256 bytes.
	Status   int
	Response string
	Took     time.Duration
	// RetryAfter is how long the endpoint asked the caller to wait.
	RetryAfter time.Duration
	// Until is when a Deferred attempt may be made, or a pause ends. Address is what
	// all Deferred attempts with the same limit share.
	Until   time.Time
	Address string
	// Err says why there was no answer, or that there was no attempt.
	Err error
}

// Notifier calls endpoints. Its methods are safe for concurrent use.
type Notifier interface {
	// Permits reports whether the policy allows the endpoint, without
	// resolving its host. The error wraps ErrForbidden; its text is fit for
	// the client.
	Permits(e Endpoint) error

	// Notify makes one attempt, classifies it (Outcome, HostFailed, Unsent), and
	// returns when ctx ends at the latest. It connects to no address that the
	// policy forbids, whatever the host name resolves to. It follows no redirect.
	//
	// It bounds the connections to each address, over all windows, and remembers what
	// fails for long: such attempts are not made. They are Deferred or Paused, and
	// their Number is that of the attempts made before.
	Notify(ctx context.Context, r Report, e Endpoint, number int) Attempt

	// Retry is Notify for an attempt that an operator asked for, of a window that is over.
	// Pauses do not hold it. Its connections are bounded as those of Notify are, but apart
	// from them: so it takes no place of a window's attempt.
	Retry(ctx context.Context, r Report, e Endpoint, number int) Attempt
}

// Journal keeps a line of every attempt, up to a bound for each report. Its methods are
// safe for concurrent use.
type Journal interface {
	LogAttempt(a Attempt) error
	// LogEnd says that no more attempts of a report follow for now. It logs how many
	// lines were left out because of the bound, if there are any.
	LogEnd(reportID string) error
}
