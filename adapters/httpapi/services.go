package httpapi

import (
	"context"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/domain/watching"
)

//go:generate go tool mockgen -source=services.go -destination=../../test/mock/mock_httpapi_services.go -package=mock

// Visits counts visits of pages and reads the counts. It is safe for
// concurrent use, and every call ends in a bounded time of its own choice: the
// contexts here have no deadline and end when the caller leaves. Of the errors
// of a write, ErrInDoubt and every error that faults.go doesn't name leave it
// unknown whether the visits are counted; the others say that they aren't, and
// never will be.
type Visits interface {
	// Record returns nil when n visits of the page are applied.
	Record(ctx context.Context, page counting.Page, n int64) error

	// RecordAll does the same for many, and returns one error for each, in
	// their order. The arcs of the visits are not set; the callee owns the
	// slice from then on.
	RecordAll(ctx context.Context, visits []counting.Visit) []error

	// RecordOnce does the same for a request that may come again, to any
	// instance: each of its visits is counted once. The second result is
	// about the request as a whole, of which nothing is counted then.
	RecordOnce(ctx context.Context, once counting.RequestKey, visits []counting.Visit) ([]error, error)

	// Read returns a reading for each page, in their order.
	Read(ctx context.Context, pages []counting.Page) []counting.Reading
}

// Uniques collects ids and shows the windows that they fell into. Concurrency,
// contexts, and the errors of Accept are as with Visits.
type Uniques interface {
	// Accept returns nil when the id is in the current window, and the
	// endpoint, unless it is empty, will be told the window's count.
	Accept(ctx context.Context, id counting.ID, endpoint publishing.Endpoint) error

	// Windows returns the newest windows, newest first, at most limit.
	Windows(ctx context.Context, limit int) ([]publishing.Summary, error)

	// Calls returns a window by its id, and how telling each of its
	// endpoints went: a call without attempts is still to be made. An id
	// of no window is ErrBadWindow.
	Deliveries(ctx context.Context, windowID string) (publishing.Summary, map[string]counting.Delivery, error)
}

// Pages lists and changes the counts themselves. Concurrency and contexts are as
// with Visits.
type Pages interface {
	// SetAll gives pages counts, or forgets them, whatever they had, and
	// returns an error for each, as RecordAll does, or counting.Moving. The
	// arcs are not set; the callee owns the slice from then on.
	SetAll(ctx context.Context, settings []counting.SetCount) []error

	// List returns some of all pages from cursor on, which is empty at
	// first; next is empty after the last. A count of -1 can't be read.
	List(ctx context.Context, cursor string) (pages []counting.Visit, next string, err error)
}

// Ring shows and changes which node has which pages. Concurrency and contexts
// are as with Visits. After an error of a change that faults.go doesn't name,
// the change may have been made.
type Ring interface {
	// Status is the ring as it is now. Its lists are never nil.
	Status(ctx context.Context) sharding.Status

	// Owner is the node that has a page.
	Owner(page counting.Page) (counting.NodeID, counting.Arc)

	// Add, Reweight and Remove change the ring and return what moves; with
	// dry they only return it. where is the address of a new, empty node.
	Add(ctx context.Context, where string, weight int, dry bool) (sharding.Plan, error)
	Reweight(ctx context.Context, id counting.NodeID, weight int, dry bool) (sharding.Plan, error)
	Remove(ctx context.Context, id counting.NodeID, dry bool) (sharding.Plan, error)

	// Abandon gives nodes up that are away, with all that they have.
	Abandon(ctx context.Context, ids ...counting.NodeID) (sharding.Plan, error)

	// Repair ends what was broken off.
	Repair(ctx context.Context) error
}

// Watching shows a deployment while it counts. It is safe for concurrent use.
type Watching interface {
	// Watch calls show at once with what there is to see of the pages, the
	// windows and the nodes, and then with every change; after a while
	// without one with empty news. While show is at work, changes add up to
	// one call. It returns nil when ctx ends or nothing more will be shown,
	// and the error of show. since, unless it is empty, is the ID of news of
	// the same pages: what is known to have stayed since then isn't shown.
	// Errors before the first call: watching.ErrFull, counting.ErrUnavailable.
	Watch(ctx context.Context, pages []counting.Page, since string, show func(watching.News) error) error
}
