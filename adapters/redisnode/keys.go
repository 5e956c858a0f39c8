package redisnode

import (
	"slices"
	"strconv"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// The keys of a node, w being a window's number. Those of a partition of a Redis Cluster
// begin with ff:{tag}: instead of ff:, and its state also holds what is marked with a star.
//
//	ff:T          hash: which node of which deployment this is, its format, its ring, the sealed windows
//	ff:Q      *   hash: session -> its last batch, when it came, and what it refused
//	ff:c:{arc}    hash: page -> count
//	ff:x:{arc}:{table}   the same of an arc that was claimed: its frozen pages
//	ff:s:{arc}:{table}   the same, quarantined when that table gave the arc to this node
//	ff:o:{arc}:{table}   hash: page -> what passed 2^63-1 when that table's move added it
//	ff:st         hash: arc -> c for frozen, d:{pages} for released; of the open table
//	ff:coming     a bit for each incoming arc of the open table
//	ff:in:{arc}:{table}  set of the pages that were imported; an empty one stands for all keys
//	ff:k:{day}:{arc}     hash: hash of an idempotency key -> hash of its payload
//	ff:ka:{day}   set of the arcs that have keys of the day; ff:kn: hash: day -> number of keys
//	ff:kr         hash: day -> number of requests with a key that batches have brought
//	ff:h:{unit}:{arc}    hash: page -> visits of a unit of time (design: history)
//	ff:hp:{arc}   hash: page -> packed history; the empty field lists the units of the arc
//	ff:ids:{w}:{set}  sets of ids; small sets of integers are the cheapest that Redis has
//	ff:n:{w}  *   number of ids in them; of a partition also i:{w}, which sets have some
//	ff:eps:{w}    set of endpoints
//	ff:pend       sorted set of the windows that wait to be closed
//	ff:win:{w}    hash: the entry of the ledger; ff:wins: sorted set of those
//	ff:cb:{w}     hash: endpoint -> its last delivery
//	ff:dl         sorted set of the dead letters, in the order of their keys
//
// A partition's c, kn, kr, pend and wins have a member more, which is empty, from the first
// opening of a ring on (HEADER in node.lua); its dl from the first letter on. Its hp exist from the beginning of history on.
//
// setBits: the ids of a window are spread over 2^setBits sets. So each stays below the 512
// integers up to which Redis packs a set, for a million ids on a node. The partitions of a
// cluster share them.
const setBits = 11

// idSet spreads ids evenly over sets, whatever their pattern (Knuth's multiplicative hash).
// sets is a power of two.
func idSet(id counting.ID, sets int) uint64 {
	return uint64(id) * 0x9E3779B97F4A7C15 >> (64 - setBits) & uint64(sets-1)
}

// pack writes one MessagePack array of strings: the fields that add appends for each
// item. No items are an empty string. One argument is cheaper for both sides than
// hundreds.
func pack[T any](items []T, fields int, add func(b []byte, item *T) []byte) []byte {
	if len(items) == 0 {
		return nil
	}
	b := appendArray(make([]byte, 0, 40*len(items)+8), fields*len(items))
	for i := range items {
		b = add(b, &items[i])
	}
	return b
}

func packVisits(visits []counting.Visit) []byte {
	return pack(visits, 3, func(b []byte, v *counting.Visit) []byte {
		b = appendInt(b, int64(v.Arc))
		b = appendString(b, string(v.Page))
		return appendInt(b, v.Count)
	})
}

func packIDs(events []counting.IDEvent, sets int) []byte {
	return pack(events, 4, func(b []byte, e *counting.IDEvent) []byte {
		b = appendInt(b, int64(idSet(e.ID, sets)))
		b = appendInt(b, int64(e.ID))
		b = appendString(b, e.Endpoint)
		return appendInt(b, int64(e.Table))
	})
}

func packPages(pages []counting.Located) []byte {
	return pack(pages, 2, func(b []byte, p *counting.Located) []byte {
		return appendString(appendInt(b, int64(p.Arc)), string(p.Page))
	})
}

func packKeyed(keyed []counting.KeyedVisit) []byte {
	return pack(keyed, 5, func(b []byte, k *counting.KeyedVisit) []byte {
		b = appendInt(b, int64(k.Arc))
		b = appendString(b, string(k.Page))
		b = appendInt(b, k.Count)
		b = appendString(b, string(k.Key[:]))
		return appendString(b, string(k.Print[:]))
	})
}

// packCounts writes an empty count for a page that is to be deleted.
func packCounts(counts []counting.SetCount) []byte {
	return pack(counts, 4, func(b []byte, s *counting.SetCount) []byte {
		b = appendInt(b, int64(s.Arc))
		b = appendString(b, string(s.Page))
		if s.Delete {
			return appendString(appendString(b, ""), "")
		}
		return appendString(appendInt(b, s.Count), string(s.History))
	})
}

func packStoredKeys(keys []counting.StoredKey) []byte {
	return pack(keys, 3, func(b []byte, k *counting.StoredKey) []byte {
		b = appendInt(b, int64(k.Day))
		b = appendString(b, string(k.Key[:]))
		return appendString(b, string(k.Print[:]))
	})
}

func packKeys(keys []counting.LocatedKey) []byte {
	return pack(keys, 2, func(b []byte, k *counting.LocatedKey) []byte {
		return appendString(appendInt(b, int64(k.Arc)), string(k.Key[:]))
	})
}

// packImport writes the pages of one arc for its new node, with their histories.
func packImport(c counting.Chunk) []byte {
	i := -1
	return pack(c.Pages, 3, func(b []byte, v *counting.Visit) []byte {
		b = appendInt(appendString(b, string(v.Page)), v.Count)
		if i++; i < len(c.Histories) {
			return appendString(b, string(c.Histories[i]))
		}
		return appendString(b, "")
	})
}

func packArcList(arcs []counting.Arc) []byte {
	return pack(arcs, 1, func(b []byte, arc *counting.Arc) []byte { return appendInt(b, int64(*arc)) })
}

// packEntries omits entries that a node does not import.
func packEntries(entries []counting.FullEntry) []byte {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e counting.FullEntry) bool {
		return e.State == counting.Open || e.State == counting.Damaged
	})
	b := appendArray(nil, len(entries))
	for _, e := range entries {
		b = appendArray(b, 8)
		b = appendInt(b, int64(e.Window))
		b = appendString(b, string(e.State))
		b = appendInt(b, e.Count)
		b = appendString(b, e.Sink)
		for _, n := range []int{e.Deliveries.Endpoints, e.Deliveries.Delivered, e.Deliveries.Failed} {
			b = appendInt(b, int64(n))
		}
		b = appendArray(b, 2*len(e.ByEndpoint))
		for endpoint, c := range e.ByEndpoint {
			b = appendString(b, endpoint)
			b = appendString(b, deliveryText(c))
		}
	}
	return b
}

// packArcs sets a bit for each arc, as SETBIT numbers them; none is nothing.
func packArcs(arcs []counting.Arc) []byte {
	if len(arcs) == 0 {
		return nil
	}
	bits := make([]byte, sharding.Arcs/8)
	for _, arc := range arcs {
		bits[arc/8] |= 0x80 >> (arc % 8)
	}
	return bits
}

// unpackArcs reads what packArcs wrote.
func unpackArcs(bits string) []counting.Arc {
	var arcs []counting.Arc
	for i := range len(bits) * 8 {
		if bits[i/8]&(0x80>>(i%8)) != 0 {
			arcs = append(arcs, counting.Arc(i))
		}
	}
	return arcs
}

// appendArray begins an array of n elements (MessagePack: array 32).
func appendArray(b []byte, n int) []byte {
	return append(b, 0xdd, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// appendString writes a string (fixstr, str 8, str 16, str 32).
func appendString(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n < 256:
		b = append(b, 0xd9, byte(n))
	case n < 1<<16:
		b = append(b, 0xda, byte(n>>8), byte(n))
	default:
		b = append(b, 0xdb, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, s...)
}

// appendInt writes a number as a string: Lua's own numbers have 53 bits.
func appendInt(b []byte, v int64) []byte {
	at := len(b)
	b = strconv.AppendInt(append(b, 0), v, 10)
	b[at] = 0xa0 | byte(len(b)-at-1) // 20 bytes at most
	return b
}
