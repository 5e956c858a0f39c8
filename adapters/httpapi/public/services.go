package public

import (
	"context"
	"time"

	"footfall/domain/counting"
	"footfall/domain/timeline"
	"footfall/domain/watching"
)

//go:generate go tool mockgen -source=services.go -destination=../../../test/mock/mock_httpapi_public.go -package=mock

// History shows when visits of pages came. Concurrency and contexts are as with counter.Visits.
type History interface {
	// Timelines are the histories of pages, in their order, over a range. Errors of pages are timeline.ErrNoHistory,
	// timeline.ErrResolution, and those of counter.Visits.Read.
	Timelines(ctx context.Context, pages []counting.Page, r timeline.Range) []timeline.Timeline

	// Rolling reads each page, in their order, with its visits of the last time of some
	// length. Errors of pages are those of Timelines.
	Rolling(ctx context.Context, pages []counting.Page, length time.Duration) []timeline.Rolled
}

// Watching shows a deployment while it counts. It is safe for concurrent use.
type Watching interface {
	// Watch calls show immediately with the state of the pages, the windows
	// and the nodes, and then with every change. After some time without a
	// change it calls show with empty news. Changes during a call of show are
	// combined into the next one. since is the ID of news of the same pages
	// whose content isn't shown again, or empty.
	//
	// Watch returns nil when ctx ends or nothing more will be shown, and the
	// error of show. The error before the first call is counting.ErrUnavailable.
	Watch(ctx context.Context, pages []counting.Page, since string, show func(watching.News) error) error
}
