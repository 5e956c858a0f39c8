package localnode

import (
	"bytes"
	"iter"
	"math"
	"slices"
)

const unlimited = math.MaxInt

// driver stores buckets of keys and changes them in transactions. Its methods
// may be called concurrently, except that one Update runs at a time: the node
// holds its writer lock. Both return counting.ErrClosed when the driver is
// closed, and an error of the callback as it is.
type driver interface {
	// View calls read with the root bucket of what is committed. read must
	// not keep a slice or a bucket that it got from the transaction.
	View(read func(root bucket) error) error

	// Update calls change and commits what it has written. It rolls back when
	// change returns an error or a write has failed, and returns that error.
	// When Update returns nil, all that was committed before is as durable as
	// the driver can make it, even if change has written nothing. An error that
	// wraps counting.ErrNotApplied had no effect; after any other error of the
	// commit the outcome is unknown.
	Update(change func(root bucket) error) error
}

// bucket holds values and other buckets by key, in ascending order of the
// keys' bytes. It is valid until its transaction ends. Writing is allowed in
// Update only, and not during a scan. A write that fails (an empty key, a value
// in the place of a bucket) makes its transaction fail.
type bucket interface {
	// Get returns the value of key, nil where there is none or a bucket.
	Get(key []byte) []byte
	// Put stores value, which must not change until the transaction ends.
	Put(key, value []byte)
	// Delete deletes a value, or a bucket with all of its contents, if there
	// is one.
	Delete(key []byte)
	// Scan yields keys and values from a key on. The value of a bucket is nil.
	Scan(from []byte) iter.Seq2[[]byte, []byte]
	// Before returns the greatest key below another, nil where there is none.
	Before(key []byte) []byte

	// Bucket returns the bucket of a name, nil where there is none, and
	// counting.Corrupt where there is a value.
	Bucket(name []byte) (bucket, error)
	// Create returns the bucket of a name, and makes it where there is none.
	// The error is counting.Corrupt where there is a value.
	Create(name []byte) (bucket, error)

	// Sequence is a number that is stored with the bucket, 0 at first.
	Sequence() uint64
	SetSequence(n uint64)
}

// scanPrefix yields the keys that begin with prefix and lie after a cursor,
// which is empty or such a key, with their values.
func scanPrefix(b bucket, prefix []byte, cursor string) iter.Seq2[[]byte, []byte] {
	from := prefix
	if cursor > string(prefix) {
		from = []byte(cursor)
	}
	return func(yield func(key, value []byte) bool) {
		for key, value := range b.Scan(from) {
			switch {
			case string(key) == cursor:
			case !bytes.HasPrefix(key, prefix) || !yield(key, value):
				return
			}
		}
	}
}

// firstKeys returns the first keys that begin with prefix, at most limit.
func firstKeys(b bucket, prefix []byte, limit int) (keys [][]byte) {
	for key := range scanPrefix(b, prefix, "") {
		if len(keys) == limit {
			break
		}
		keys = append(keys, bytes.Clone(key))
	}
	return keys
}

// movePrefix renames the keys of b that begin with prefix: they are in to then,
// with another prefix. It returns their number.
func movePrefix(b bucket, prefix []byte, to bucket, toPrefix []byte) int {
	keys := firstKeys(b, prefix, unlimited)
	for _, key := range keys {
		to.Put(slices.Concat(toPrefix, key[len(prefix):]), bytes.Clone(b.Get(key)))
		b.Delete(key)
	}
	return len(keys)
}

// clearPrefix deletes the keys that begin with prefix and returns their number.
func clearPrefix(b bucket, prefix []byte) int {
	keys := firstKeys(b, prefix, unlimited)
	for _, key := range keys {
		b.Delete(key)
	}
	return len(keys)
}
