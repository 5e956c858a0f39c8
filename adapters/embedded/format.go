package embedded

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"footfall/domain/counting"
)

// format is the version of what follows. A number is 8 bytes, big-endian, and
// as a key or a part of one its sign is flipped, so that keys are in order.
//
//	meta/format            the version, in decimals
//	meta/sealed            number: the highest window that takes no ids
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
//	calls/WINDOW/ENDPOINT  JSON of savedCall
//	keys/DAY/ARC KEY       the print of an idempotency key; ARC in 2 bytes
//	forget/MS KIND NAME    what is to be looked at then, see forget.go
const format = "1"

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
	inKeys     = "keys" // made with the first key
)

// prepare makes the buckets of a new file, and checks those of an old one.
func prepare(db *bolt.DB, dir string) error {
	err := db.Update(func(tx *bolt.Tx) error {
		if first, _ := tx.Cursor().First(); first == nil {
			return makeBuckets(tx)
		}
		meta := tx.Bucket([]byte(inMeta))
		if meta == nil {
			return fmt.Errorf("is %w: it is not Footfall's", ErrFormat)
		}
		if got := string(meta.Get([]byte("format"))); got != format {
			return fmt.Errorf("is %w: version %q, this program reads %s", ErrFormat, got, format)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("embedded: the database in %s %w", dir, err)
	}
	return nil
}

func makeBuckets(tx *bolt.Tx) error {
	for _, name := range []string{inMeta, inRing, inPages, inSessions, inWaiting, inWindows, inEntries, inCalls, inForget} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return fmt.Errorf("can't be made: %w", err)
		}
	}
	if err := tx.Bucket([]byte(inMeta)).Put([]byte("format"), []byte(format)); err != nil {
		return fmt.Errorf("can't be made: %w", err)
	}
	return nil
}

// errBroken is wrapped by errors about values that the format doesn't allow,
// but for those of one page or window: they are counting.Corrupt.
var errBroken = fmt.Errorf("%w: broken value", counting.ErrNotApplied)

// present returns the value of a key that is only to be there.
func present() []byte { return []byte{1} }

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// readNumber reads a number; absent when there is none.
func readNumber(v []byte, absent int64) (int64, error) {
	switch {
	case v == nil:
		return absent, nil
	case len(v) == 8:
		return int64(binary.BigEndian.Uint64(v)), nil
	}
	return 0, fmt.Errorf("%w: a number of %d bytes", errBroken, len(v))
}

// readCount reads a number of something, 0 where there is none; the error is
// counting.Corrupt.
func readCount(v []byte) (int64, error) {
	count, err := readNumber(v, 0)
	if err != nil || count < 0 {
		return 0, counting.Corrupt
	}
	return count, nil
}

// ordered makes a key, or a part of one, whose order is that of the numbers.
func ordered[T ~int64](n T) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(n)^1<<63)
}

// readWindow reads a key; any other than that of a window is passed over.
func readWindow(key []byte) (w counting.Window, ok bool) {
	if len(key) != 8 {
		return 0, false
	}
	return counting.Window(binary.BigEndian.Uint64(key) ^ 1<<63), true
}

// encodeSession: number of the last batch, time in ms, and of each refusal
// the item in 4 bytes and the reason in one.
func encodeSession(s counting.Applied, at time.Time) []byte {
	b := make([]byte, 0, 16+5*len(s.Refused))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMilli()))
	for _, r := range s.Refused {
		b = append(binary.BigEndian.AppendUint32(b, uint32(r.Item)), byte(r.Reason))
	}
	return b
}

func decodeSession(b []byte) (s counting.Applied, at time.Time, err error) {
	if b == nil {
		return s, at, nil
	}
	if len(b) < 16 || (len(b)-16)%5 != 0 {
		return s, at, fmt.Errorf("%w: a session of %d bytes", errBroken, len(b))
	}
	s.Seq = int64(binary.BigEndian.Uint64(b))
	at = time.UnixMilli(int64(binary.BigEndian.Uint64(b[8:])))
	for b = b[16:]; len(b) > 0; b = b[5:] {
		s.Refused = append(s.Refused, counting.Refusal{Item: int(binary.BigEndian.Uint32(b)), Reason: counting.Reason(b[4])})
	}
	return s, at, nil
}

// savedEntry is the stored form of a counting.LedgerEntry; its key is the window.
type savedEntry struct {
	State     counting.State `json:"state"`
	Count     int64          `json:"count"`
	Sink      string         `json:"sink,omitempty"`
	Endpoints int            `json:"endpoints,omitempty"`
	Delivered int            `json:"delivered,omitempty"`
	Failed    int            `json:"failed,omitempty"`
	Owner     string         `json:"owner"`
	Claims    int64          `json:"claims"`
	Until     int64          `json:"until_ms"`
	Changed   int64          `json:"changed_ms"`
}

func encodeEntry(c *counting.LedgerEntry) ([]byte, error) {
	return json.Marshal(savedEntry{
		State: c.State, Count: c.Count, Sink: c.Sink,
		Endpoints: c.Deliveries.Endpoints, Delivered: c.Deliveries.Delivered, Failed: c.Deliveries.Failed,
		Owner: c.Owner, Claims: c.Claims, Until: c.Until.UnixMilli(), Changed: c.Changed.UnixMilli(),
	})
}

// decodeEntry reads an entry; without a value it is that of a new window. The
// error is counting.Corrupt.
func decodeEntry(w counting.Window, b []byte) (counting.LedgerEntry, error) {
	c := counting.NewLedgerEntry(w)
	if b == nil {
		return c, nil
	}
	var s savedEntry
	if err := json.Unmarshal(b, &s); err != nil {
		return c, fmt.Errorf("%w: the entry: %w", counting.Corrupt, err)
	}
	switch s.State {
	case counting.Open, counting.Sealed, counting.Published, counting.Done, counting.Lost:
	default:
		return c, fmt.Errorf("%w: the entry: its state is %q", counting.Corrupt, s.State)
	}
	if s.Count < 0 {
		return c, fmt.Errorf("%w: the entry: its count is %d", counting.Corrupt, s.Count)
	}
	c.State, c.Count, c.Sink = s.State, s.Count, s.Sink
	c.Deliveries = counting.DeliveryTotals{Endpoints: s.Endpoints, Delivered: s.Delivered, Failed: s.Failed}
	c.Owner, c.Claims = s.Owner, s.Claims
	c.Until, c.Changed = time.UnixMilli(s.Until), time.UnixMilli(s.Changed)
	return c, nil
}

// savedCall is the stored form of a counting.Call; its key is the endpoint.
type savedCall struct {
	Attempts int  `json:"attempts"`
	Status   int  `json:"status"`
	Final    bool `json:"final,omitempty"`
}

// highestSealed is the highest window that takes no ids any more.
func highestSealed(tx *bolt.Tx) (counting.Window, error) {
	n, err := readNumber(tx.Bucket([]byte(inMeta)).Get([]byte("sealed")), math.MinInt64)
	return counting.Window(n), err
}
