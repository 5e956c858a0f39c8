package pagestats

import (
	"context"
	"net/netip"

	"footfall/domain/counting"
)

//go:generate go tool mockgen -source=services.go -destination=../../../test/mock/mock_httpapi_pagestats.go -package=mock

// Stats knows the numbers of all pages. It is safe for concurrent use. Every call ends
// within a time that the callee bounds.
type Stats interface {
	// Stats are the numbers of the pages of a query. client is the
	// one that asks; the zero one has no share of the queries. Errors:
	// counting.ErrScanning if they are not known before ctx or the callee's time ends,
	// counting.ErrPrefixShare and counting.ErrPrefixes if no more queries are followed,
	// timeline.ErrNoHistory and timeline.ErrResolution of a period,
	// sharding.ErrBusy while pages move between nodes, and those of a read.
	Stats(ctx context.Context, client netip.Prefix, q counting.PageQuery) (counting.PageStats, error)
}
