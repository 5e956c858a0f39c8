package localnode

import (
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"footfall/domain/counting"
)

// boltFile is the driver that keeps everything in a file of bbolt. Each commit
// is synced to the disk.
type boltFile struct {
	db atomic.Pointer[bolt.DB] // nil while the file is not open
	// suspect: the last commit failed, so what is read may not be on the disk.
	// It belongs to the writer.
	suspect bool
}

func (f *boltFile) begin(writable bool) (*bolt.Tx, error) {
	db := f.db.Load()
	if db == nil {
		return nil, counting.ErrClosed
	}
	tx, err := db.Begin(writable)
	switch {
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return nil, counting.ErrClosed
	case err != nil:
		return nil, notApplied(err)
	}
	return tx, nil
}

func (f *boltFile) View(read func(bucket) error) error {
	tx, err := f.begin(false)
	if err != nil {
		return err
	}
	return errors.Join(read(rootOf(tx)), tx.Rollback())
}

func (f *boltFile) Update(change func(bucket) (bool, error)) error {
	tx, err := f.begin(true)
	if err != nil {
		return err
	}
	changed, err := change(rootOf(tx))
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	// After a commit that failed the change may be in the file and not on the
	// disk: then an answer to its repetition needs a commit of its own.
	if !changed && !f.suspect {
		return tx.Rollback()
	}
	if err := tx.Commit(); err != nil {
		f.suspect = true
		return fmt.Errorf("commit: %w", err)
	}
	f.suspect = false
	return nil
}

// boltBucket is a bucket of a file.
type boltBucket struct{ b *bolt.Bucket }

func rootOf(tx *bolt.Tx) bucket { return boltBucket{tx.Cursor().Bucket()} }

func (b boltBucket) Get(key []byte) []byte { return b.b.Get(key) }

func (b boltBucket) Put(key, value []byte) error { return notApplied(b.b.Put(key, value)) }

func (b boltBucket) Delete(key []byte) error {
	err := b.b.Delete(key)
	if errors.Is(err, berrors.ErrIncompatibleValue) {
		err = b.b.DeleteBucket(key)
	}
	return notApplied(err)
}

func (b boltBucket) Scan(from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		c := b.b.Cursor()
		for key, value := c.Seek(from); key != nil; key, value = c.Next() {
			if !yield(key, value) {
				return
			}
		}
	}
}

func (b boltBucket) ScanBack(before []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		c := b.b.Cursor()
		key, value := c.Seek(before)
		if key == nil {
			key, value = c.Last()
		}
		for ; key != nil; key, value = c.Prev() {
			if string(key) < string(before) && !yield(key, value) {
				return
			}
		}
	}
}

func (b boltBucket) Bucket(name []byte) (bucket, error) {
	if found := b.b.Bucket(name); found != nil {
		return boltBucket{found}, nil
	}
	if b.b.Get(name) != nil {
		return nil, counting.Corrupt
	}
	return nil, nil
}

func (b boltBucket) Create(name []byte) (bucket, error) {
	made, err := b.b.CreateBucketIfNotExists(name)
	switch {
	case errors.Is(err, berrors.ErrIncompatibleValue):
		return nil, counting.Corrupt
	case err != nil:
		return nil, notApplied(err)
	}
	return boltBucket{made}, nil
}

func (b boltBucket) Sequence() uint64 { return b.b.Sequence() }

func (b boltBucket) SetSequence(n uint64) error { return notApplied(b.b.SetSequence(n)) }

func (b boltBucket) Append(value []byte) error {
	n, err := b.b.NextSequence()
	if err != nil {
		return notApplied(err)
	}
	b.b.FillPercent = 1 // keys come in order
	return b.Put(number(int64(n)), value)
}
