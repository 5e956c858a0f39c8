package groupcommit

import (
	"bytes"
	"encoding/binary"
	"time"

	"footfall/domain/counting"
)

// keepFor and keepBytes are the defaults of Options.KeepFor and KeepBytes.
const (
	keepFor   = 10 * time.Second
	keepBytes = 16 << 20
)

// keptBatch is an applied batch, without the items that were refused: their callers know
// that, and a repetition must not apply them. Its visits and ids are packed: as slices they
// would be most of the heap, with strings that the garbage collector scans one by one.
type keptBatch struct {
	rest        counting.Batch     // without visits and ids
	refused     []counting.Refusal // by the numbers of the batch with all its items
	visits, ids int
	packed      []byte
	applied     time.Time // last
}

// keep keeps a batch that was applied, with the time that places its visits.
func (c *Committer) keep(b *counting.Batch, r counting.Receipt) {
	if len(r.Refused) > 0 {
		b = without(b, r.Refused)
	}
	s := &c.session
	now := time.Now()
	s.seq = b.Seq
	k := keptBatch{rest: *b, refused: r.Refused, visits: len(b.Visits), ids: len(b.IDEvents), applied: now}
	k.rest.Visits, k.rest.IDEvents = nil, nil
	if b.At.IsZero() {
		k.rest.At = r.At
		if r.At.IsZero() {
			k.rest.At = counting.Unplaced()
		}
	}
	s.packing = appendItems(s.packing[:0], b)
	k.packed = bytes.Clone(s.packing)
	s.kept = append(s.kept, k)
	s.bytes += k.size()
	drop := 0
	for drop < len(s.kept)-1 && (s.bytes > c.opts.KeepBytes || now.Sub(s.kept[drop].applied) > c.opts.KeepFor) {
		s.bytes -= s.kept[drop].size()
		s.kept[drop] = keptBatch{}
		drop++
	}
	s.kept = s.kept[drop:]
}

// without is a batch without its refused items.
func without(b *counting.Batch, refused []counting.Refusal) *counting.Batch {
	is := make(map[int]bool)
	for _, r := range refused {
		is[r.Item] = true
	}
	rest, first := *b, 0
	rest.Visits, first = applied(b.Visits, first, is)
	rest.IDEvents, first = applied(b.IDEvents, first, is)
	rest.Keyed, first = applied(b.Keyed, first, is)
	rest.SetCounts, _ = applied(b.SetCounts, first, is)
	return &rest
}

// applied are the items of one kind that were not refused. first is the number of the
// first of them, next that of the next kind.
func applied[T any](items []T, first int, refused map[int]bool) (rest []T, next int) {
	for i, item := range items {
		if !refused[first+i] {
			rest = append(rest, item)
		}
	}
	return rest, first + len(items)
}

// size is about the memory of a kept batch, in bytes.
func (k *keptBatch) size() int {
	bytes := 300 + len(k.packed)
	for i := range k.rest.SetCounts {
		bytes += 56 + len(k.rest.SetCounts[i].Page) + len(k.rest.SetCounts[i].History)
	}
	for i := range k.rest.Keyed {
		bytes += 56 + len(k.rest.Keyed[i].Page)
	}
	return bytes
}

// appendItems packs the visits and ids of a batch.
func appendItems(p []byte, b *counting.Batch) []byte {
	text := func(s string) {
		p = binary.AppendUvarint(p, uint64(len(s)))
		p = append(p, s...)
	}
	for i := range b.Visits {
		v := &b.Visits[i]
		p = binary.AppendUvarint(p, uint64(v.Arc))
		text(string(v.Page))
		p = binary.AppendVarint(p, v.Count)
	}
	for i := range b.IDEvents {
		a := &b.IDEvents[i]
		p = binary.AppendVarint(p, int64(a.ID))
		text(a.Endpoint)
		p = binary.AppendVarint(p, int64(a.Table))
	}
	return p
}

// batch is the batch as it was applied, to be repeated.
func (k *keptBatch) batch() *counting.Batch {
	b, p := k.rest, bytes.NewReader(k.packed)
	number := func() int64 {
		n, _ := binary.ReadVarint(p)
		return n
	}
	unsigned := func() uint64 {
		n, _ := binary.ReadUvarint(p)
		return n
	}
	text := func() string {
		s := make([]byte, unsigned())
		_, _ = p.Read(s) // a bytes.Reader reads all of it
		return string(s)
	}
	for range k.visits {
		b.Visits = append(b.Visits, counting.Visit{Arc: counting.Arc(unsigned()), Page: counting.Page(text()), Count: number()})
	}
	for range k.ids {
		b.IDEvents = append(b.IDEvents, counting.IDEvent{ID: counting.ID(number()), Endpoint: text(), Table: counting.Epoch(number())})
	}
	b.Repeated = true
	return &b
}
