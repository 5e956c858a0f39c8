package bootstrap

import "footfall/adapters/httpapi/limits"

// storeSettings are the bounds of what nodes store.
func (s *Settings) storeSettings() []setting {
	return []setting{
		{"page-limit", "10000000", "Pages that a node stores, about 100 bytes each; other names are refused with 503, pages that are known go on; a node has as many records of the visits of requests with an Idempotency-Key, too; 0 is no bound.", into(&s.PageLimit, numberTo(1_000_000_000))},
		{"disk-reserve", "64MiB", "Bytes that have to be free on the disk of the embedded store for other names and keys, as 64MiB or 1GiB; below it they are refused with 503, pages that are known and deletions go on; 0 is none.", into(&s.DiskReserve, parseSize(0))},
	}
}

// recordLimit bounds the records of idempotency keys on a node: one of each request, and
// as many of their visits as the node may have pages. 0 is no bound.
func (s *Settings) recordLimit() int {
	if s.PageLimit == 0 {
		return 0
	}
	return s.KeyLimit + s.PageLimit
}

// keyQuota is the share of one client of the idempotency keys of all nodes, whose number
// nodes returns.
func (s *Settings) keyQuota(nodes func() int, refused *limits.Refusals) *limits.KeyQuota {
	share := func() limits.Costs {
		return limits.Costs{Requests: int64(s.shareOf(s.KeyLimit * nodes())), Records: int64(s.shareOf(s.recordLimit() * nodes()))}
	}
	return &limits.KeyQuota{Share: share, Refused: refused}
}
