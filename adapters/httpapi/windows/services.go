package windows

import (
	"context"

	"footfall/domain/publishing"
)

//go:generate go tool mockgen -source=services.go -destination=../../../test/mock/mock_httpapi_lister.go -package=mock

// Lister knows all windows that are kept. It is safe for concurrent use. Every call ends
// within a time that the callee bounds.
type Lister interface {
	// List returns the windows of a span, newest first, at most limit, which is positive.
	// more reports whether there are others; those are older. The error is
	// counting.ErrUnavailable.
	List(ctx context.Context, span publishing.Span, limit int) (newest []publishing.Summary, more bool, err error)
}
