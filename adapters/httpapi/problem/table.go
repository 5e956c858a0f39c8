package problem

import (
	"context"
	"errors"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/domain/watching"
)

// Of is the one table from errors to statuses; write means that the request was
// to change something. The order matters: an error that is in doubt stays in
// doubt, whatever else it wraps.
func Of(err error, write bool) Fault {
	var own Fault
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case errors.As(err, &own):
		return own
	case is(counting.ErrInDoubt):
		return inDoubt()
	case is(counting.ErrBadPage):
		return BadRequest("bad_page_id", "A page id is 1 to 256 bytes of UTF-8 without control characters.")
	case is(counting.ErrBadID):
		return BadRequest("bad_id", "An id is a decimal integer of at most 64 bits.")
	case is(publishing.ErrBadEndpoint):
		return BadRequest("bad_endpoint", "The endpoint is no URL that can be called.")
	case is(publishing.ErrForbidden):
		return BadRequest("forbidden_endpoint", "The endpoint may not be called.")
	case is(counting.ErrBadWindow):
		return NotFound("no_such_window", "There is no window of this id.")
	case is(sharding.ErrBusy):
		return Fault{Status: conflict, Code: "ring_busy", Detail: "Nothing was changed: " + err.Error(), RetryAfter: 2}
	case is(sharding.ErrNotEmpty):
		return New(conflict, "not_empty", "Only a new, empty node can be added; this one has been in use. Nothing was changed.")
	case is(sharding.ErrAnswers):
		return New(conflict, "node_answers", "Nothing was changed: "+err.Error()+"; remove it without accept_loss.")
	case is(sharding.ErrMinority):
		return New(conflict, "no_majority", "Nothing was changed: "+err.Error())
	case is(sharding.ErrBadChange):
		return BadRequest("bad_change", err.Error())
	case is(counting.Overflow):
		return New(conflict, "overflow", "The count would pass 2^63-1; it was left as it is.")
	case is(counting.Corrupt):
		return Unavailable("corrupt", "What is stored for this is no count; it was left as it is.", 60)
	case is(counting.EndpointLimit):
		return Unavailable("endpoint_limit", "The window has as many endpoints as it may have.", 10)
	case is(counting.Moving):
		return Unavailable("moving", "The page is on its way between two nodes; nothing was changed.", 2)
	case is(counting.KeyReused):
		return New(unprocessable, "key_reused", "The idempotency key came with another payload before; nothing was changed.")
	case is(counting.KeyLimit):
		return Unavailable("key_limit", "No more idempotency keys can be kept now; nothing was changed.", 60)
	case is(watching.ErrFull):
		return Unavailable("overloaded", "Too many watchers or watched pages.", 10)
	case is(counting.ErrUnavailable), is(counting.ErrNotApplied), is(counting.WrongTable):
		return Unavailable("unavailable", "The store can't be reached now; nothing was changed.", 1)
	}
	return unknown(err, write)
}

// unknown is the fault of an error without a row in the table. That of a write
// may have come after the write was applied. A read that ran out of time can be
// repeated.
func unknown(err error, write bool) Fault {
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	switch {
	case write:
		f := inDoubt()
		f.Unexpected = !late
		return f
	case late:
		return Unavailable("unavailable", "The store didn't answer in time.", 1)
	}
	return Fault{Status: internal, Code: "internal", Detail: "This is a fault of the service.", Unexpected: true}
}

func inDoubt() Fault {
	return New(gatewayTimeout, "in_doubt", "It is not known whether this was counted.")
}

// AllRefused returns the first of the errors when each item was refused by a
// 503: nothing was changed, and the whole request can be repeated. Otherwise it
// returns nil.
func AllRefused(errs []error, write bool) error {
	for _, err := range errs {
		if err == nil || Of(err, write).Status != unavailable {
			return nil
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}
