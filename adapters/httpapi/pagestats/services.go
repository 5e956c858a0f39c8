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
	// Stats are the numbers of the pages whose names begin with a prefix. client is the
	// one that asks; the zero one has no share of the prefixes. Errors:
	// counting.ErrScanning if they are not known before ctx or the callee's time ends,
	// counting.ErrPrefixShare and counting.ErrPrefixes if no more prefixes are followed,
	// sharding.ErrBusy while pages move between nodes, and those of a read.
	Stats(ctx context.Context, client netip.Prefix, prefix string) (counting.PageStats, error)
}
