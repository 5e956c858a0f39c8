package admin

import (
	"context"

	"footfall/adapters/httpapi/windows"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
	"footfall/domain/timeline"
)

//go:generate go tool mockgen -source=services.go -destination=../../../test/mock/mock_httpapi_admin.go -package=mock

// Windows shows windows with their endpoints. Every port here is safe for
// concurrent use. Every call ends within a time that the callee bounds: the
// contexts have no deadline, and end when the caller disconnects.
type Windows interface {
	windows.Lister

	// Deliveries returns a window by its id, and the last delivery to each
	// of its endpoints: one without attempts has not been made yet. The error
	// for an id of no window is ErrBadWindow.
	Deliveries(ctx context.Context, windowID string) (publishing.Summary, map[string]counting.Delivery, error)
}

// Callbacks lists and retries callbacks that failed permanently. Cursors are those of the
// answers: an empty one comes after the last part, and a part may have none that is meant.
// Errors: publishing.ErrBadCursor, counting.ErrBadWindow, and counting.ErrUnavailable if a
// node is away.
type Callbacks interface {
	FailedCallbacks(ctx context.Context, f publishing.FailedSelection) (failed []publishing.FailedCallback, next string, err error)

	// RetryCallbacks makes one attempt at each. It takes about a minute at most. An error
	// came before any attempt, unless ctx or the service has ended.
	RetryCallbacks(ctx context.Context, f publishing.FailedSelection) (retried []publishing.RetriedCallback, next string, err error)
}

// Pages lists and changes the counts themselves.
type Pages interface {
	// SetAll sets or deletes the counts of pages, whatever they were. It
	// returns an error for each, in their order: those of counting a visit,
	// counting.Moving, or counting.NoHistory. The arcs are not set. The callee owns the slice
	// from then on.
	SetAll(ctx context.Context, settings []counting.SetCount) []error

	// List returns some of all pages from cursor on, which is empty at
	// first; next is empty after the last. A count of -1 can't be read.
	List(ctx context.Context, cursor string) (pages []counting.Visit, next string, err error)
}

// Retention shows and changes for how long nodes keep when visits came, and reads all that they keep.
type Retention interface {
	// Status is what they keep now.
	Status(ctx context.Context) timeline.Status

	// Set changes the setting of all nodes. The error is counting.ErrUnavailable: nodes that answered are changed.
	Set(ctx context.Context, h counting.HistorySetting) (timeline.Status, error)

	// Save returns the first of some pages, at least one, in their order, each with all that is kept of it. The Err of
	// a page is counting.Corrupt. Other errors are those of the whole call: timeline.ErrNoHistory, counting.Missing
	// and counting.ErrUnavailable.
	Save(ctx context.Context, pages []counting.Page) ([]timeline.SavedPage, error)
}

// Ring shows and changes which node has which pages. After an error of a change
// that problem.Of doesn't name, the change may have been made.
type Ring interface {
	// Status is the ring as it is now.
	Status(ctx context.Context) sharding.Status

	// Owner is the node that has a page. It asks no node.
	Owner(page counting.Page) sharding.PageOwner

	// Add, Reweight and Remove change the ring and return what moves; with
	// dry they only return it. where is the address of a new, empty node.
	Add(ctx context.Context, where string, weight int, dry bool) (sharding.Plan, error)
	Reweight(ctx context.Context, id counting.NodeID, weight int, dry bool) (sharding.Plan, error)
	Remove(ctx context.Context, id counting.NodeID, dry bool) (sharding.Plan, error)

	// Abandon removes nodes that do not answer, with the loss of all that
	// they have. With dry it only returns what moves, and what is lost.
	Abandon(ctx context.Context, dry bool, ids ...counting.NodeID) (sharding.Plan, error)

	// MoveAddress makes the server at an address the one of a node, which keeps its id
	// and all that it has. No arc moves. With dry it only checks that server.
	MoveAddress(ctx context.Context, id counting.NodeID, where string, dry bool) (sharding.Plan, error)

	// Repair finishes or rolls back interrupted changes, retries stuck moves
	// and cleans up what they left.
	Repair(ctx context.Context) error
}
