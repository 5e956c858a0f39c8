package localnode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Errors of Start.
var (
	// ErrInUse: another process has the file open.
	ErrInUse = errors.New("in use by another process")
	// ErrDamaged: the file is no database, or parts of it are missing.
	ErrDamaged = errors.New("no sound database")
	// ErrFormat: the database isn't one of this version of Footfall.
	ErrFormat = errors.New("of another format")
)

const (
	fileName = "footfall.db"
	// lockWait is how long another process may take to close the file.
	lockWait = time.Second
	// checkFor is how long the pages of a file are checked: a start has to
	// end in time though the file is large, and bbolt reads all of it again.
	checkFor = 3 * time.Second
	// checkStep is the number of keys between two looks at the context.
	checkStep = 4096
)

// openDB opens the database in dir, and makes it where there is none. An old one
// is checked first.
func openDB(ctx context.Context, dir string, open openFile, checking time.Duration) (*database, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, openError(dir, err)
	}
	path := filepath.Join(dir, fileName)
	// An empty file was left by a start that was interrupted.
	info, err := os.Stat(path)
	fresh, size := err != nil || info.Size() == 0, int64(0)
	if !fresh {
		size = info.Size()
		if err := check(ctx, path, dir, checking); err != nil {
			return nil, err
		}
	}
	// The list of free pages is rebuilt at the start, so that no commit has
	// to write it.
	db, err := openDatabase(path, &bolt.Options{
		Timeout: lockWait, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoStatistics: true, OpenFile: open,
		InitialMmapSize: mapped(size),
	})
	if err != nil {
		return nil, openError(dir, err)
	}
	// What an old file has may be in the cache of a process that was killed only:
	// prepare commits, so that all that is read later is on the disk.
	file := boltFile{suspect: true}
	file.db.Store(db)
	if err := file.Update(func(root bucket) error { return prepare(root, false) }); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: the database in %s %w", dir, err), db.Close())
	}
	if fresh {
		if err := syncDirs(dir, filepath.Dir(filepath.Clean(dir))); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

func openError(dir string, err error) error {
	var inPath *fs.PathError
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("embedded: %s is %w", dir, ErrInUse)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("embedded: %w; give %s and its files to the user of the service", err, dir)
	case errors.As(err, &inPath):
		return fmt.Errorf("embedded: %w", err)
	}
	return fmt.Errorf("embedded: %s is %w: %w", filepath.Join(dir, fileName), ErrDamaged, err)
}

// check finds a file that was cut off, or whose pages are not where they
// belong: touching those later would end the process. What it has not reached
// in the time that is given to it, it takes for sound.
func check(ctx context.Context, path, dir string, limit time.Duration) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, ReadOnly: true})
	if err != nil {
		return openError(dir, err)
	}
	err = db.View(func(tx *bolt.Tx) error { return checkPages(ctx, tx, path, limit) })
	switch err := errors.Join(err, db.Close()); {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("embedded: check %s: %w", path, err)
	case err != nil:
		return fmt.Errorf("embedded: %s is %w", path, err)
	}
	return nil
}

// checkPages is what check does in a transaction.
func checkPages(ctx context.Context, tx *bolt.Tx, path string, limit time.Duration) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if lacks := tx.Size() - info.Size(); lacks > 0 {
		return fmt.Errorf("%w: its last %d bytes are missing", ErrDamaged, lacks)
	}
	return walk(ctx, tx.Cursor().Bucket(), limit)
}

// errTimeUp ends a walk that has no time left.
var errTimeUp = errors.New("no time left")

// walk touches the pages of a file, one by one, until its time is up. bbolt panics at
// a page that isn't the right one.
func walk(ctx context.Context, root *bolt.Bucket, limit time.Duration) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // the deferred call restores the old value
	defer func() {
		if found := recover(); found != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, found)
		}
	}()
	keys, until := 0, time.Now().Add(limit)
	err = walkBucket(root, func() error {
		if keys++; keys%checkStep != 1 { // but at the first key, and at each checkStep-th after it
			return nil
		}
		if !time.Now().Before(until) {
			return errTimeUp
		}
		return ctx.Err()
	})
	if errors.Is(err, errTimeUp) {
		return nil
	}
	return err
}

// walkBucket asks look at every key whether to go on.
func walkBucket(b *bolt.Bucket, look func() error) error {
	return b.ForEach(func(key, value []byte) error {
		if err := look(); err != nil || value != nil {
			return err
		}
		return walkBucket(b.Bucket(key), look)
	})
}

// syncDirs makes a new file's name, and its directory's, survive a power cut.
func syncDirs(dirs ...string) error {
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil {
			return fmt.Errorf("embedded: %w", err)
		}
	}
	return nil
}
