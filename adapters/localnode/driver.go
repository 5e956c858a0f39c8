package localnode

import "iter"

// driver stores buckets of keys and changes them in transactions. Its methods
// may be called concurrently, except that one Update runs at a time: the node
// holds its writer lock. Both return counting.ErrClosed when the driver is
// closed, and an error of the callback as it is.
type driver interface {
	// View calls read with the root bucket of what is committed. read must
	// not keep a slice or a bucket that it got from the transaction.
	View(read func(root bucket) error) error

	// Update calls change and commits when it returns true and nil. It rolls
	// back otherwise, except that a driver whose last commit failed commits
	// on false, too. When Update returns nil, all that was committed before is
	// as durable as the driver can make it. An error that wraps
	// counting.ErrNotApplied had no effect; after any other error of the
	// commit the outcome is unknown.
	Update(change func(root bucket) (changed bool, err error)) error
}

// bucket holds values and other buckets by key, in ascending order of the
// keys' bytes. It is valid until its transaction ends. Writing is allowed in
// Update only, and not during a scan.
type bucket interface {
	// Get returns the value of key, nil where there is none or a bucket.
	Get(key []byte) []byte
	// Put stores value, which must not change until the transaction ends.
	Put(key, value []byte) error
	// Delete deletes a value, or a bucket with all of its contents, if there
	// is one.
	Delete(key []byte) error
	// Scan yields keys and values from a key on. The value of a bucket is nil.
	Scan(from []byte) iter.Seq2[[]byte, []byte]
	// ScanBack yields the keys below before, in descending order.
	ScanBack(before []byte) iter.Seq2[[]byte, []byte]

	// Bucket returns the bucket of a name, nil where there is none, and
	// counting.Corrupt where there is a value.
	Bucket(name []byte) (bucket, error)
	// Create returns the bucket of a name, and makes it where there is none.
	// The error is counting.Corrupt where there is a value.
	Create(name []byte) (bucket, error)

	// Sequence is a number that is stored with the bucket, 0 at first.
	Sequence() uint64
	SetSequence(n uint64) error
	// Append adds 1 to the sequence and stores value under that number, in 8
	// bytes, big-endian.
	Append(value []byte) error
}

// prefixed yields the keys that begin with prefix, without it, and the values.
func prefixed(b bucket, prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for key, value := range b.Scan(prefix) {
			if len(key) < len(prefix) || string(key[:len(prefix)]) != string(prefix) || !yield(key[len(prefix):], value) {
				return
			}
		}
	}
}

// clearPrefix deletes the keys that begin with prefix and returns their number.
func clearPrefix(b bucket, prefix []byte) (int, error) {
	var rests [][]byte
	for rest := range prefixed(b, prefix) {
		rests = append(rests, append([]byte(nil), rest...))
	}
	for _, rest := range rests {
		if err := b.Delete(join(prefix, rest)); err != nil {
			return 0, err
		}
	}
	return len(rests), nil
}

// movePrefix renames the keys of b that begin with prefix: they are in to then,
// with another prefix. It returns their number.
func movePrefix(b bucket, prefix []byte, to bucket, toPrefix []byte) (int, error) {
	type pair struct{ rest, value []byte }
	var pairs []pair
	for rest, value := range prefixed(b, prefix) {
		pairs = append(pairs, pair{append([]byte(nil), rest...), append([]byte{}, value...)})
	}
	for _, p := range pairs {
		if err := to.Put(join(toPrefix, p.rest), p.value); err != nil {
			return 0, err
		}
		if err := b.Delete(join(prefix, p.rest)); err != nil {
			return 0, err
		}
	}
	return len(pairs), nil
}

func join(parts ...[]byte) (all []byte) {
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}
