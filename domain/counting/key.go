package counting

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// MaxKeyBytes is the length of the longest idempotency key.
const MaxKeyBytes = 255

// ErrBadKey is wrapped by every error of ParseKey.
var ErrBadKey = errors.New("bad idempotency key")

type (
	// Key is the hash of an idempotency key, or one that is derived from it.
	Key [16]byte
	// Fingerprint is the hash of the payload that came with a key.
	Fingerprint [8]byte
)

// RequestKey names a request that is applied once, however often it is repeated.
type RequestKey struct {
	Key   Key
	Print Fingerprint
}

// ParseKey hashes the key of a request: 1 to 255 printable ASCII characters.
func ParseKey(s string) (Key, error) {
	if s == "" {
		return Key{}, fmt.Errorf("%w: it is empty", ErrBadKey)
	}
	if len(s) > MaxKeyBytes {
		return Key{}, fmt.Errorf("%w: it has %d bytes, the most is %d", ErrBadKey, len(s), MaxKeyBytes)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return Key{}, fmt.Errorf("%w: byte %d is not printable ASCII", ErrBadKey, i+1)
		}
	}
	sum := sha256.Sum256([]byte(s))
	return Key(sum[:16]), nil
}

// Item derives the key of one visit of a request; its visits lie on many nodes.
func (k Key) Item(i int) Key {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(k[:], uint32(i)))
	return Key(sum[:16])
}

// FingerprintOf hashes a payload together with the kind of the request.
func FingerprintOf(kind string, payload []byte) Fingerprint {
	h := sha256.New()
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write(payload)
	return Fingerprint(h.Sum(nil)[:8])
}

// KeyedVisit is a number of visits that the node adds unless it has the key. With a
// Count of 0 it is the key of a request, which the node only stores.
type KeyedVisit struct {
	Visit
	RequestKey
}

// LocatedKey is a key with the arc of the page that it belongs to.
type LocatedKey struct {
	Arc Arc
	Key Key
}

// StoredKey is what a node stores of a KeyedVisit, beside its arc. Day is the day on
// which it came.
type StoredKey struct {
	RequestKey
	Day Day
}

// KeyLookup is the result of looking up one key on a node.
type KeyLookup struct {
	Stored bool
	Print  Fingerprint
	// Err, when set, says why this key can't be read.
	Err error
}

// Match is the answer to a KeyedVisit with this fingerprint: nil if the node does not
// have its key, ErrKeyApplied, KeyReused, or Err.
func (f KeyLookup) Match(p Fingerprint) error {
	switch {
	case f.Err != nil:
		return f.Err
	case !f.Stored:
		return nil
	case f.Print == p:
		return ErrKeyApplied
	}
	return KeyReused
}

// ErrKeyApplied says that the node has the key with the same payload, so that the visits
// are counted.
var ErrKeyApplied = errors.New("the key is known, and its visits are counted")

// KeyLimitError is KeyLimit with the time until keys are free again.
type KeyLimitError struct{ After time.Duration }

func (e *KeyLimitError) Error() string { return KeyLimit.Error() }

// Unwrap returns KeyLimit.
func (e *KeyLimitError) Unwrap() error { return KeyLimit }

// Day numbers the days of a node's clock since the Unix epoch, in UTC.
type Day int64

// day is a Day as the length of a window.
const day = WindowLength(24 * time.Hour)

// DayOf is the day of a time.
func DayOf(t time.Time) Day { return Day(day.At(t)) }

// Start is when the day begins.
func (d Day) Start() time.Time { return day.Start(Window(d)) }

// KeysFree is when the keys of the day are free again: at the end of the next day.
func (d Day) KeysFree() time.Time { return (d + 2).Start() }

// Keeps tells whether a key of another day is valid on this one: until the end of the
// next day, which is 24 to 48 hours. A key of tomorrow is valid, too: it may come from
// a node with another clock, or the clock may have stepped back.
func (d Day) Keeps(other Day) bool { return other >= d-1 && other <= d+1 }
