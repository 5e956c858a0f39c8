package problem

import (
	"context"
	"errors"
	"slices"
	"strings"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/domain/timeline"
)

// Of is the one table from errors to statuses; write means that the request was
// to change something. The order matters: an error that is in doubt stays in
// doubt, whatever else it wraps.
func Of(err error, write bool) Fault {
	if own, ok := errors.AsType[Fault](err); ok {
		return own
	}
	away := Unavailable("unavailable", "The store can't take or answer this now; nothing was changed.", 1)
	for _, row := range []struct {
		err   error
		fault Fault // {error} in its detail is the text of the error
	}{
		{counting.ErrInDoubt, inDoubt()},
		{counting.ErrBadPage, BadRequest("bad_page_id", "A page id is 1 to 256 bytes of UTF-8 without control characters.")},
		{counting.ErrBadID, BadRequest("bad_id", "An id is a decimal integer of at most 64 bits.")},
		{publishing.ErrBadEndpoint, BadRequest("bad_endpoint", "The endpoint is no URL that can be called.")},
		{publishing.ErrForbidden, BadRequest("forbidden_endpoint", "The endpoint may not be called.")},
		{publishing.ErrBadCursor, BadRequest("bad_cursor", "The cursor is not one that this route has answered.")},
		{counting.ErrBadWindow, NotFound("no_such_window", "There is no window of this id.")},
		{sharding.ErrBusy, Fault{Status: conflict, Code: "ring_busy", Detail: "Nothing was changed: {error}", RetryAfter: 2}},
		{sharding.ErrNotEmpty, New(conflict, "not_empty", "Only a new, empty node can be added; this one has been in use. Nothing was changed.")},
		{sharding.ErrAnswers, New(conflict, "node_answers", "Nothing was changed: {error}; remove it without accept_loss.")},
		{sharding.ErrWrongServer, New(conflict, "wrong_server", "Nothing was changed: {error}")},
		{sharding.ErrTwoServers, New(conflict, "two_servers", "Nothing was changed: {error}")},
		{sharding.ErrMinority, New(conflict, "no_majority", "Nothing was changed: {error}")},
		{sharding.ErrFixed, BadRequest("fixed_ring", "Nothing was changed: {error}. The Redis Cluster moves its partitions between its servers: use redis-cli --cluster reshard.")},
		{sharding.ErrBadChange, BadRequest("bad_change", "{error}")},
		{timeline.ErrBadStep, BadRequest("bad_step", "{error}")},
		{timeline.ErrBadTime, BadRequest("bad_time", "{error}")},
		{timeline.ErrBadRange, BadRequest("bad_range", "{error}")},
		{timeline.ErrResolution, BadRequest("resolution", "{error}")},
		{timeline.ErrNoHistory, NotFound("no_history", "This store keeps no history: history is off, or has not begun yet.")},
		{timeline.ErrBadSaved, BadRequest("bad_history", "{error}")},
		{counting.NoHistory, New(conflict, "keeps_no_history", "A page with a history was not set, because the store keeps none: turn it on, or leave the histories out.")},
		{counting.Overflow, New(conflict, "overflow", "The count would pass 2^63-1; it was left as it is.")},
		{counting.Corrupt, Unavailable("corrupt", "What is stored for this is no count; it was left as it is.", 60)},
		{counting.Missing, Unavailable("missing", "The part of the store that has this page is missing until an operator brings it back.", 60)},
		{counting.EndpointLimit, Unavailable("endpoint_limit", "The window has as many endpoints as it may have.", 10)},
		{counting.Moving, Unavailable("moving", "The page is on its way between two nodes; nothing was changed.", 2)},
		{counting.KeyReused, New(unprocessable, "key_reused", "The idempotency key came with another payload before; nothing was changed.")},
		{counting.KeyLimit, Unavailable("key_limit", "No more idempotency keys can be kept now; nothing was changed.", 60)},
		{counting.PageLimit, Unavailable("page_limit", "No more pages can be stored now; those that are known are counted. Nothing was changed.", 60)},
		{counting.DiskFull, Unavailable("disk", "The disk has no room for more pages and keys; pages that are known are counted. Nothing was changed.", 60)},
		{counting.ErrUnavailable, away},
		{counting.ErrNotApplied, away},
		{counting.WrongTable, away},
		{counting.WrongClock, away},
		{counting.Denied, away},
	} {
		if errors.Is(err, row.err) {
			if full, ok := errors.AsType[*counting.KeyLimitError](err); ok {
				row.fault = row.fault.Until(full.After)
			}
			row.fault.Detail = strings.Replace(row.fault.Detail, "{error}", err.Error(), 1)
			return row.fault
		}
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
	other := func(err error) bool { return err == nil || Of(err, write).Status != unavailable }
	if len(errs) == 0 || slices.ContainsFunc(errs, other) {
		return nil
	}
	return errs[0]
}
