package localnode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"footfall/domain/counting"
)

// format is the version of what follows. A number is 8 bytes, big-endian, and
// as a key or a part of one its sign is flipped, so that keys are in order. ARC
// is 2 bytes, big-endian.
//
//	meta/format            the version, in decimals
//	meta/sealed, marks     number and text: the windows that take no ids any more, see
//	                       counting.SealedWindows; older files have no marks
//	ring/version           number: how often those below have changed
//	ring/fenced, approved, opened
//	                       documents of sharding.Ring
//	pages/PAGE             number of visits
//	sessions/SESSION       see encodeSession
//	waiting/WINDOW         a byte, as wherever only the key counts
//	windows/WINDOW/n, e    numbers: of its ids, of its endpoints
//	windows/WINDOW/ids/NO  the ids that a batch added, 8 bytes each
//	windows/WINDOW/endpoints/ENDPOINT
//	entries/WINDOW         JSON of savedEntry
//	calls/WINDOW/ENDPOINT  JSON of counting.Delivery
//	keys/DAY/ARC KEY       the fingerprint of an idempotency key; the sequence
//	                       of a day is the number of its keys
//	keys/DAY r             number of the requests that brought them
//	meta/history           what is kept: counting.HistorySetting, a space, and
//	                       when it began, in Unix seconds; in format 1 "off", or none
//	open/UNIT PAGE         number of visits in a unit (3 bytes, counting.Unit)
//	packed/PAGE            counting.Packed
//	letters/KEY            JSON of savedLetter; KEY is a counting.DeadLetterKey, and the
//	                       sequence is the number of letters
//	meta/letters_bytes, letters_dropped
//	                       numbers: of bytes of their endpoints, of letters that were
//	                       deleted because of a bound
//	forget/MS KIND NAME    what is to be looked at then, see forget.go
//
// A node whose arcs move has, in memory only:
//
//	pages/ARC PAGE         instead of pages/PAGE, as open and packed
//	incoming/ARC           a byte, 1 when all keys have come
//	marks/ARC PAGE         pages of an incoming arc that were imported
//	moves/ARC              a byte, the counting.Stage, and the number of pages
//	frozen/ARC PAGE        as pages, of arcs that are claimed
//	quarantine/EPOCH KIND ARC PAGE
//	                       as pages, of no count; see quarantine
const (
	format = "1"
	// newestFormat is that of a store with a history: programs that read format 1 alone
	// would not place visits.
	newestFormat = "2"
)

// The buckets.
const (
	inMeta     = "meta"
	inRing     = "ring"
	inPages    = "pages"
	inSessions = "sessions"
	inWaiting  = "waiting"
	inWindows  = "windows"
	inEntries  = "entries"
	inCalls    = "calls"
	inForget   = "forget"
	inKeys     = "keys"    // made with the first key
	inLetters  = "letters" // made with the first dead letter
	inOpen     = "open"    // made with the history, as inPacked
	inPacked   = "packed"

	inIncoming   = "incoming"
	inMarks      = "marks"
	inMoves      = "moves"
	inFrozen     = "frozen"
	inQuarantine = "quarantine"
)

// prepare makes the buckets of an empty store, also those that moving arcs
// need. It checks the version of a store that is not empty; ErrFormat.
func prepare(root bucket, byArc bool) error {
	for range root.Scan(nil) {
		return checkFormat(root)
	}
	names := []string{inMeta, inRing, inPages, inSessions, inWaiting, inWindows, inEntries, inCalls, inForget}
	if byArc {
		names = append(names, inIncoming, inMarks, inMoves, inFrozen, inQuarantine)
	}
	for _, name := range names {
		if _, err := root.Create([]byte(name)); err != nil {
			return fmt.Errorf("can't be made: %w", err)
		}
	}
	table(root, inMeta).Put([]byte("format"), []byte(format))
	return nil
}

func checkFormat(root bucket) error {
	meta := table(root, inMeta)
	if meta == nil {
		return fmt.Errorf("is %w: it is not Footfall's", ErrFormat)
	}
	got := string(meta.Get([]byte("format")))
	newest, _ := strconv.Atoi(newestFormat)
	switch n, err := strconv.Atoi(got); {
	case err == nil && n > newest:
		return fmt.Errorf("is %w: %w", ErrFormat, &counting.FormatError{Format: got, Newest: newestFormat})
	case got != format && got != newestFormat:
		return fmt.Errorf("is %w: version %q, this program reads %s and %s", ErrFormat, got, format, newestFormat)
	}
	return nil
}

// table is a bucket of the root. All but inKeys, inLetters, inOpen and inPacked are always there.
func table(root bucket, name string) bucket {
	b, _ := root.Bucket([]byte(name))
	return b
}

// notApplied marks an error that surely had no effect; nil stays nil.
func notApplied(err error) error {
	if err == nil {
		return nil
	}
	return counting.Mark(err, counting.ErrNotApplied)
}

// errBroken is wrapped by errors about values that the format doesn't allow,
// but for those of one page or window: they are counting.Corrupt.
var errBroken = counting.Mark(errors.New("broken value"), counting.ErrNotApplied)

// present returns the value of a key that is only to be there.
func present() []byte { return []byte{1} }

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// readNumber reads a number; 0 when there is none.
func readNumber(v []byte) (int64, error) {
	switch {
	case v == nil:
		return 0, nil
	case len(v) == 8:
		return int64(binary.BigEndian.Uint64(v)), nil
	}
	return 0, fmt.Errorf("%w: a number of %d bytes", errBroken, len(v))
}

// readCount reads a number of something, 0 where there is none; the error is
// counting.Corrupt.
func readCount(v []byte) (int64, error) {
	n, err := readNumber(v)
	if err != nil || n < 0 {
		return 0, counting.Corrupt
	}
	return n, nil
}

// ordered makes a key, or a part of one, whose order is that of the numbers.
func ordered[T ~int64](n T) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(n)^1<<63)
}

// readOrdered reads a key that ordered made; any other is passed over.
func readOrdered[T ~int64](key []byte) (n T, ok bool) {
	if len(key) != 8 {
		return 0, false
	}
	return T(binary.BigEndian.Uint64(key) ^ 1<<63), true
}

func arcKey(arc counting.Arc) []byte { return binary.BigEndian.AppendUint16(nil, uint16(arc)) }

// arcOf is the arc by which a key begins.
func arcOf(key []byte) counting.Arc { return counting.Arc(binary.BigEndian.Uint16(key)) }

// appendPage appends the key of a page in the bucket pages.
func (n *core) appendPage(key []byte, arc counting.Arc, page counting.Page) []byte {
	if n.byArc {
		key = binary.BigEndian.AppendUint16(key, uint16(arc))
	}
	return append(key, page...)
}

// encodeSession: number of the last batch, time in ms, time in seconds at which it was placed (only if
// it was), and of each refusal the item in 4 bytes and the reason in one.
func encodeSession(s counting.Applied, at time.Time) []byte {
	b := make([]byte, 0, 24+5*len(s.Refused))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli()))
	if !s.At.IsZero() {
		b = binary.BigEndian.AppendUint64(b, uint64(s.At.Unix()))
	}
	for _, r := range s.Refused {
		b = append(binary.BigEndian.AppendUint32(b, uint32(r.Item)), byte(r.Reason))
	}
	return b
}

func decodeSession(b []byte) (s counting.Applied, at time.Time, err error) {
	if b == nil {
		return s, at, nil
	}
	placed := len(b) >= 24 && (len(b)-24)%5 == 0
	if !placed && (len(b) < 16 || (len(b)-16)%5 != 0) {
		return s, at, fmt.Errorf("%w: a session of %d bytes", errBroken, len(b))
	}
	s.Seq = int64(binary.BigEndian.Uint64(b))
	at = time.UnixMilli(int64(binary.BigEndian.Uint64(b[8:])))
	if b = b[16:]; placed {
		s.At, b = time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC(), b[8:]
	}
	for ; len(b) > 0; b = b[5:] {
		s.Refused = append(s.Refused, counting.Refusal{Item: int(binary.BigEndian.Uint32(b)), Reason: counting.Reason(b[4])})
	}
	return s, at, nil
}
