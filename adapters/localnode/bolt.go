package localnode

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"sync/atomic"
	"syscall"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"footfall/domain/counting"
)

// database is an open file of bbolt.
type database struct {
	*bolt.DB
	path string
	file os.FileInfo // what was at the path when it was opened; it never shrinks
}

// fileStep is by how much a file grows at a time. Each growth is synced.
const fileStep = 1 << 20

// openDatabase opens or makes the file at a path.
func openDatabase(path string, o *bolt.Options) (*database, error) {
	db, err := bolt.Open(path, 0o600, o)
	if err != nil {
		return nil, err
	}
	db.AllocSize = fileStep
	file, err := os.Stat(path)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &database{db, path, file}, nil
}

// checkInPlace is counting.ErrReplaced if another file is at the path, or none: the next
// process that opens it has other numbers.
func (d *database) checkInPlace() error {
	file, err := os.Stat(d.path)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", counting.ErrReplaced, err)
	case !os.SameFile(file, d.file):
		return fmt.Errorf("%w: %s is another file", counting.ErrReplaced, d.path)
	case file.Size() < d.file.Size():
		return fmt.Errorf("%w: %s was cut off", counting.ErrReplaced, d.path)
	}
	return nil
}

// boltFile is the driver that keeps everything in a file of bbolt. Each commit
// is synced to the disk. Its methods return counting.ErrReplaced when the file is not at
// its path any more.
type boltFile struct {
	db atomic.Pointer[database] // nil while the file is not open
	// suspect: the last commit failed, so what is read may not be on the disk.
	// It belongs to the writer.
	suspect bool
}

// boltTx is a transaction of a file.
type boltTx struct {
	*bolt.Tx
	wrote bool
	err   error // of the first write that failed
}

// root is the root bucket, which bbolt gives by a cursor only.
func (tx *boltTx) root() bucket { return boltBucket{tx.Cursor().Bucket(), tx} }

func (f *boltFile) begin(writable bool) (*boltTx, error) {
	db := f.db.Load()
	if db == nil {
		return nil, counting.ErrClosed
	}
	if err := db.checkInPlace(); err != nil {
		return nil, err
	}
	tx, err := db.Begin(writable)
	switch {
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return nil, counting.ErrClosed
	case err != nil:
		return nil, notApplied(err)
	}
	return &boltTx{Tx: tx}, nil
}

func (f *boltFile) View(read func(bucket) error) error {
	tx, err := f.begin(false)
	if err != nil {
		return err
	}
	return errors.Join(read(tx.root()), tx.Rollback())
}

func (f *boltFile) Update(change func(bucket) error) error {
	tx, err := f.begin(true)
	if err != nil {
		return err
	}
	if err = change(tx.root()); err == nil {
		err = tx.err
	}
	// After a commit that failed the change may be in the file and not on the
	// disk: then an answer to its repetition needs a commit of its own.
	if err != nil || !tx.wrote && !f.suspect {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		f.suspect = true
		return refusedByDisk(fmt.Errorf("commit: %w", err), err)
	}
	f.suspect = false
	return nil
}

// refusedByDisk adds to an error what the system said of the disk, without a path.
func refusedByDisk(whole, err error) error {
	var errno syscall.Errno
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		whole = counting.Mark(whole, counting.ErrNoRoom)
	}
	if errors.As(err, &errno) {
		return &counting.ServerError{Says: errno.Error(), Err: whole}
	}
	return whole
}

// boltBucket is a bucket of a file.
type boltBucket struct {
	b  *bolt.Bucket
	tx *boltTx
}

// note notes a write.
func (b boltBucket) note(err error) {
	b.tx.wrote = true
	if b.tx.err == nil {
		b.tx.err = notApplied(err)
	}
}

func (b boltBucket) Get(key []byte) []byte { return b.b.Get(key) }

func (b boltBucket) Put(key, value []byte) { b.note(b.b.Put(key, value)) }

func (b boltBucket) Delete(key []byte) {
	err := b.b.Delete(key)
	if errors.Is(err, berrors.ErrIncompatibleValue) {
		err = b.b.DeleteBucket(key)
	}
	b.note(err)
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

func (b boltBucket) Before(key []byte) (before []byte) {
	c := b.b.Cursor()
	if from, _ := c.Seek(key); from == nil {
		before, _ = c.Last()
	} else {
		before, _ = c.Prev()
	}
	return before
}

func (b boltBucket) Bucket(name []byte) (bucket, error) {
	if in := b.b.Bucket(name); in != nil {
		return boltBucket{in, b.tx}, nil
	}
	if b.b.Get(name) != nil {
		return nil, counting.Corrupt
	}
	return nil, nil
}

func (b boltBucket) Create(name []byte) (bucket, error) {
	if there, err := b.Bucket(name); there != nil || err != nil {
		return there, err
	}
	in, err := b.b.CreateBucket(name)
	b.note(err)
	return boltBucket{in, b.tx}, notApplied(err)
}

func (b boltBucket) Sequence() uint64 { return b.b.Sequence() }

func (b boltBucket) SetSequence(n uint64) { b.note(b.b.SetSequence(n)) }
