package embedded

import (
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"footfall/domain/counting"
)

// notApplied marks an error of the store that surely had no effect.
func notApplied(err error) error {
	return fmt.Errorf("%w: %w", counting.ErrNotApplied, err)
}

// begin starts a transaction of a node that is started.
func (n *Node) begin(ctx context.Context, writable bool) (*bolt.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, notApplied(err)
	}
	db := n.db.Load()
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

// view reads what is committed.
func (n *Node) view(ctx context.Context, read func(tx *bolt.Tx) error) error {
	tx, err := n.begin(ctx, false)
	if err != nil {
		return err
	}
	return errors.Join(read(tx), tx.Rollback())
}

// update makes a change that is on the disk when update returns nil. change
// tells whether it has changed anything; its error takes everything back.
func (n *Node) update(ctx context.Context, change func(tx *bolt.Tx) (changed bool, err error)) error {
	select {
	case n.writing <- struct{}{}:
		defer func() { <-n.writing }()
	case <-ctx.Done():
		return notApplied(ctx.Err())
	}
	tx, err := n.begin(ctx, true)
	if err != nil {
		return err
	}
	kept := false
	defer func() { n.seen.resolve(kept) }()
	changed, err := change(tx)
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	// After a commit that failed the change may be in the file and not on the
	// disk: then an answer to its repetition needs a commit of its own.
	if !changed && !n.suspect {
		return tx.Rollback()
	}
	if err := tx.Commit(); err != nil {
		n.suspect = true
		return fmt.Errorf("commit: %w", err)
	}
	n.suspect, kept = false, true
	return nil
}

func put(b *bolt.Bucket, key, value []byte) error {
	if err := b.Put(key, value); err != nil {
		return notApplied(err)
	}
	return nil
}

func remove(b *bolt.Bucket, key []byte) error {
	if err := b.Delete(key); err != nil {
		return notApplied(err)
	}
	return nil
}

// dropBucket deletes a bucket with all that is in it, or whatever is there.
func dropBucket(b *bolt.Bucket, key []byte) error {
	err := b.DeleteBucket(key)
	switch {
	case errors.Is(err, berrors.ErrIncompatibleValue):
		return remove(b, key)
	case err != nil && !errors.Is(err, berrors.ErrBucketNotFound):
		return notApplied(err)
	}
	return nil
}

// bucketIn finds a bucket, nil where there is nothing; the error, where there
// is something else, is counting.Corrupt.
func bucketIn(b *bolt.Bucket, key []byte) (*bolt.Bucket, error) {
	found := b.Bucket(key)
	if found == nil && b.Get(key) != nil {
		return nil, counting.Corrupt
	}
	return found, nil
}

// bucketError is counting.Corrupt where something else is in a bucket's place.
func bucketError(err error) error {
	if errors.Is(err, berrors.ErrIncompatibleValue) {
		return counting.Corrupt
	}
	return notApplied(err)
}
