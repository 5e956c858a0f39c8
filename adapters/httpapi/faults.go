package httpapi

import (
	"context"
	"errors"
	"net/http"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/domain/watching"
)

// fault is an error as a caller sees it. Its code names it for programs, in
// problems and in the results of single items.
type fault struct {
	status       int
	code, detail string
	// reasons are what it comes from, where that is more than one thing.
	reasons []string
	// retryAfter is in seconds; 0 is no such header.
	retryAfter int
	// surprise: the error is none that this file knows, so its text, which
	// the caller doesn't see, belongs into the log.
	unexpected bool
}

func (f fault) Error() string { return f.code }

func badRequest(code, detail string) fault {
	return fault{status: http.StatusBadRequest, code: code, detail: detail}
}

func notFound(code, detail string) fault {
	return fault{status: http.StatusNotFound, code: code, detail: detail}
}

func tooLarge(detail string) fault {
	return fault{status: http.StatusRequestEntityTooLarge, code: "too_large", detail: detail}
}

func unavailable(code, detail string, retryAfter int) fault {
	return fault{status: http.StatusServiceUnavailable, code: code, detail: detail, retryAfter: retryAfter}
}

// faultOf is the one table from errors to statuses; write tells that the
// request was to count something. The order matters: an error that is in doubt
// stays so, whatever else it wraps.
func faultOf(err error, write bool) fault {
	var own fault
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case errors.As(err, &own):
		return own
	case is(counting.ErrInDoubt):
		return inDoubt()
	case is(counting.ErrBadPage):
		return badRequest("bad_page_id", "A page id is 1 to 256 bytes of UTF-8 without control characters.")
	case is(counting.ErrBadID):
		return badRequest("bad_id", "An id is a decimal integer of at most 64 bits.")
	case is(publishing.ErrBadEndpoint):
		return badRequest("bad_endpoint", "The endpoint is no URL that can be called.")
	case is(publishing.ErrForbidden):
		return badRequest("forbidden_endpoint", "The endpoint may not be called.")
	case is(counting.ErrBadWindow):
		return notFound("no_such_window", "There is no window of this id.")
	case is(sharding.ErrBusy):
		return fault{status: http.StatusConflict, code: "ring_busy", detail: "Nothing was changed: " + err.Error(), retryAfter: 2}
	case is(sharding.ErrNotEmpty):
		return fault{status: http.StatusConflict, code: "not_empty", detail: "Only a new, empty node can be added; this one has been in use. Nothing was changed."}
	case is(sharding.ErrAnswers):
		return fault{status: http.StatusConflict, code: "node_answers", detail: "Nothing was changed: " + err.Error() + "; remove it without accept_loss."}
	case is(sharding.ErrMinority):
		return fault{status: http.StatusConflict, code: "no_majority", detail: "Nothing was changed: " + err.Error()}
	case is(sharding.ErrBadChange):
		return badRequest("bad_change", err.Error())
	case is(counting.Overflow):
		return fault{status: http.StatusConflict, code: "overflow", detail: "The count would pass 2^63-1; it was left as it is."}
	case is(counting.Corrupt):
		return unavailable("corrupt", "What is stored for this is no count; it was left as it is.", 60)
	case is(counting.EndpointLimit):
		return unavailable("endpoint_limit", "The window has as many endpoints as it may have.", 10)
	case is(counting.Moving):
		return unavailable("moving", "The page is on its way between two nodes; nothing was changed.", 2)
	case is(counting.KeyReused):
		return fault{status: http.StatusUnprocessableEntity, code: "key_reused", detail: "The idempotency key came with another payload before; nothing was changed."}
	case is(counting.KeyLimit):
		return unavailable("key_limit", "No more idempotency keys can be kept now; nothing was changed.", 60)
	case is(watching.ErrFull):
		return unavailable("overloaded", "As many watch as may, or as many pages are watched.", 10)
	case is(counting.ErrUnavailable), is(counting.ErrNotApplied), is(counting.WrongTable):
		return unavailable("unavailable", "The store can't be reached now; nothing was changed.", 1)
	}
	return unknown(err, write)
}

// unknown is the fault of an error without a row in the table. That of a write
// may have come after the write was applied; a read that ran out of time can be
// tried again.
func unknown(err error, write bool) fault {
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	switch {
	case write:
		f := inDoubt()
		f.unexpected = !late
		return f
	case late:
		return unavailable("unavailable", "The store didn't answer in time.", 1)
	}
	return fault{
		status: http.StatusInternalServerError, code: "internal",
		detail: "This is a fault of the service.", unexpected: true,
	}
}

func inDoubt() fault {
	return fault{
		status: http.StatusGatewayTimeout, code: "in_doubt",
		detail: "It is not known whether this was counted.",
	}
}

// refusedWhole returns the first of the errors when the service refused every
// item for now: nothing was done, and the whole request can be repeated.
func refusedWhole(errs []error, write bool) error {
	for _, err := range errs {
		if err == nil || faultOf(err, write).status != http.StatusServiceUnavailable {
			return nil
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}
