package redisnode

import (
	"strconv"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// The keys of a node, w being a window's number:
//
//	ff:T          hash: which node of which deployment this is, its ring, the highest sealed window
//	ff:Q          hash: session -> its last batch, when it came, and what it refused
//	ff:c:{arc}    hash: page -> count
//	ff:x:{arc}:{table}   the same of an arc that was claimed: its frozen pages
//	ff:s:{arc}:{table}   the same, quarantined when that table gave the arc to this node
//	ff:st         hash: arc -> c for frozen, d:{pages} for released; of the open table
//	ff:coming     a bit for each incoming arc of the open table
//	ff:in:{arc}:{table}  set of the pages that were imported; an empty one stands for all keys
//	ff:k:{day}:{arc}     hash: hash of an idempotency key -> hash of its payload
//	ff:ka:{day}   set of the arcs that have keys of the day; ff:kn: hash: day -> number of keys
//	ff:ids:{w}:{set}  sets of ids; small sets of integers are the cheapest that Redis has
//	ff:n:{w}      number of ids in them
//	ff:eps:{w}    set of endpoints
//	ff:pend       sorted set of the windows that wait to be closed
//	ff:win:{w}    hash: the entry of the ledger; ff:wins: sorted set of those
//	ff:cb:{w}     hash: endpoint -> its last delivery
const (
	arcKey = "ff:c:"
	// setBits: the ids of a window are spread over 2^setBits sets, so that
	// each stays below the 512 integers up to which Redis packs a set, for
	// a million ids on a node.
	setBits = 11
	idSets  = 1 << setBits
)

// idSet spreads ids evenly, whatever their pattern (Knuth's multiplicative hash).
func idSet(id counting.ID) uint64 { return uint64(id) * 0x9E3779B97F4A7C15 >> (64 - setBits) }

// packVisits, packIDs and packPages write one MessagePack array of strings. One
// argument is cheaper for both sides than hundreds. No items are an empty string.
func packVisits(visits []counting.Visit) []byte {
	if len(visits) == 0 {
		return nil
	}
	b := appendArray(make([]byte, 0, 40*len(visits)+8), 3*len(visits))
	for i := range visits {
		v := &visits[i]
		b = appendArcKey(b, v.Arc)
		b = appendString(b, string(v.Page))
		b = appendInt(b, v.Count)
	}
	return b
}

func packIDs(events []counting.IDEvent) []byte {
	if len(events) == 0 {
		return nil
	}
	b := appendArray(make([]byte, 0, 40*len(events)+8), 4*len(events))
	for i := range events {
		a := &events[i]
		b = appendInt(b, int64(idSet(a.ID)))
		b = appendInt(b, int64(a.ID))
		b = appendString(b, a.Endpoint)
		b = appendInt(b, int64(a.Table))
	}
	return b
}

func packPages(pages []counting.Located) []byte {
	b := appendArray(make([]byte, 0, 40*len(pages)+8), 2*len(pages))
	for i := range pages {
		b = appendArcKey(b, pages[i].Arc)
		b = appendString(b, string(pages[i].Page))
	}
	return b
}

func packKeyed(keyed []counting.KeyedVisit) []byte {
	if len(keyed) == 0 {
		return nil
	}
	b := appendArray(make([]byte, 0, 80*len(keyed)+8), 5*len(keyed))
	for i := range keyed {
		k := &keyed[i]
		b = appendInt(b, int64(k.Arc))
		b = appendString(b, string(k.Page))
		b = appendInt(b, k.Count)
		b = appendString(b, string(k.Key[:]))
		b = appendString(b, string(k.Print[:]))
	}
	return b
}

// packCounts writes an empty count for a page that is to be deleted.
func packCounts(counts []counting.SetCount) []byte {
	if len(counts) == 0 {
		return nil
	}
	b := appendArray(make([]byte, 0, 40*len(counts)+8), 3*len(counts))
	for i := range counts {
		s := &counts[i]
		b = appendInt(b, int64(s.Arc))
		b = appendString(b, string(s.Page))
		if s.Delete {
			b = appendString(b, "")
		} else {
			b = appendInt(b, s.Count)
		}
	}
	return b
}

func packStoredKeys(keys []counting.StoredKey) []byte {
	if len(keys) == 0 {
		return nil
	}
	b := appendArray(make([]byte, 0, 40*len(keys)+8), 3*len(keys))
	for i := range keys {
		k := &keys[i]
		b = appendInt(b, int64(k.Day))
		b = appendString(b, string(k.Key[:]))
		b = appendString(b, string(k.Print[:]))
	}
	return b
}

func packKeys(keys []counting.LocatedKey) []byte {
	b := appendArray(make([]byte, 0, 24*len(keys)+8), 2*len(keys))
	for i := range keys {
		b = appendInt(b, int64(keys[i].Arc))
		b = appendString(b, string(keys[i].Key[:]))
	}
	return b
}

// packImport writes the pages of one arc for its new node.
func packImport(pages []counting.Visit) []byte {
	if len(pages) == 0 {
		return nil
	}
	b := appendArray(make([]byte, 0, 30*len(pages)+8), 2*len(pages))
	for i := range pages {
		b = appendString(b, string(pages[i].Page))
		b = appendInt(b, pages[i].Count)
	}
	return b
}

func packArcList(arcs []counting.Arc) []byte {
	b := appendArray(make([]byte, 0, 6*len(arcs)+8), len(arcs))
	for _, arc := range arcs {
		b = appendInt(b, int64(arc))
	}
	return b
}

// packEntries omits entries that a node does not import.
func packEntries(entries []counting.FullEntry) []byte {
	var b []byte
	taken := 0
	for _, e := range entries {
		if e.State == counting.Open || e.State == counting.Damaged {
			continue
		}
		taken++
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
	return append(appendArray(nil, taken), b...)
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

// appendString writes a string of up to 65,535 bytes (fixstr, str 8, str 16).
func appendString(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n < 256:
		b = append(b, 0xd9, byte(n))
	default:
		b = append(b, 0xda, byte(n>>8), byte(n))
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

func appendArcKey(b []byte, arc counting.Arc) []byte {
	at := len(b)
	b = append(b, 0)
	b = append(b, arcKey...)
	b = strconv.AppendUint(b, uint64(arc), 10)
	b[at] = 0xa0 | byte(len(b)-at-1)
	return b
}
