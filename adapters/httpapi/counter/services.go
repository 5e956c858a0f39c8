package counter

import (
	"context"
	"net/netip"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

//go:generate go tool mockgen -source=services.go -destination=../../../test/mock/mock_httpapi_counter.go -package=mock

// Visits counts visits of pages and reads the counts. It is safe for concurrent
// use. Every call ends within a time that the callee bounds: the contexts here
// have no deadline, and end when the caller disconnects.
//
// After ErrInDoubt, and after an error of a write that problem.Of doesn't name,
// it is unknown whether the visits are counted. After other errors they are not
// counted, and never will be.
type Visits interface {
	// Record returns nil when n visits of the page are applied.
	Record(ctx context.Context, page counting.Page, n int64) error

	// RecordAll does the same for many, and returns one error for each, in
	// their order. The arcs of the visits are not set. The callee owns the
	// slice from then on.
	RecordAll(ctx context.Context, visits []counting.Visit) []error

	// RecordOnce does the same for a request that may be repeated, to any
	// instance: each of its visits is counted once. The second result is
	// about the request as a whole, of which nothing is counted then. The callee
	// owns the slice from then on, too.
	RecordOnce(ctx context.Context, once counting.RequestKey, visits []counting.Visit) ([]error, error)

	// Read returns a reading for each page, in their order.
	Read(ctx context.Context, pages []counting.Page) []counting.Reading
}

// IDs collects ids. Concurrency, contexts and errors are as with Visits.
type IDs interface {
	// Accept returns no error when the id of a client is in the current window. The
	// endpoint, unless it is empty, will be notified of the window's count if kept is
	// true. Otherwise the client or the host has its share of endpoints.
	Accept(ctx context.Context, client netip.Prefix, id counting.ID, endpoint publishing.Endpoint) (kept bool, err error)
}
