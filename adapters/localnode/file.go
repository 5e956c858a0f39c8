package localnode

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// File is a node in a file. It is alone in its ring, so no arc moves, and it does not
// implement counting.Movable. Before Start and after Stop its methods return
// counting.ErrClosed.
type File struct {
	*core
	dir  string
	file boltFile
	open openFile
	// checking is how long Start may check the file.
	checking time.Duration
	starting sync.Mutex // held by Start and Stop
}

// FileOptions say where a File is.
type FileOptions struct {
	// Dir is made, for the user alone, where it isn't there.
	Dir string
	// Now is the node's clock, time.Now where it is nil.
	Now func() time.Time
}

// openFile is os.OpenFile, or what a test has in its place.
type openFile func(name string, flag int, mode os.FileMode) (*os.File, error)

// NewFile makes a node; Start opens its file. The node's address isn't the
// directory, which may be moved.
func NewFile(o FileOptions) *File {
	f := &File{dir: o.Dir, checking: checkFor}
	f.core = newCore(&f.file, Options{ID: "embedded", Addr: "embedded", Now: o.Now})
	f.free = func() int64 { return freeOn(f.dir) }
	return f
}

// freeOn is how many bytes are free for this process where a directory is, 1 at least; 0
// where that can't be read.
func freeOn(dir string) int64 {
	var disk syscall.Statfs_t
	if syscall.Statfs(dir, &disk) != nil {
		return 0
	}
	return max(1, int64(disk.Bavail)*int64(disk.Bsize)) //nolint:unconvert // it is a uint32 on macOS
}

// Start opens the file, and makes it where there is none. Its errors wrap
// ErrInUse, ErrDamaged, ErrFormat, or one of ctx or the file system. Of a file
// that takes longer to check than 3 s, damage past what was checked ends the
// process when it is touched. Starting a node that is started does nothing.
func (f *File) Start(ctx context.Context) error {
	f.starting.Lock()
	defer f.starting.Unlock()
	if f.file.db.Load() != nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("embedded: start: %w", err)
	}
	db, err := openDB(ctx, f.dir, f.open, f.checking)
	if err != nil {
		return err
	}
	f.ring.Store(nil)
	f.file.suspect, f.seen = false, seen{}
	f.count.again()
	f.file.db.Store(db)
	return nil
}

// Stop waits for the calls that are under way and closes the file. When its
// context is over first the node is still started, and Stop may be called
// again. Stopping a node that isn't started does nothing.
func (f *File) Stop(ctx context.Context) error {
	f.starting.Lock()
	defer f.starting.Unlock()
	db := f.file.db.Load()
	if db == nil {
		return nil
	}
	if err := f.lock(ctx); err != nil {
		return fmt.Errorf("embedded: stop: %w", err)
	}
	defer f.unlock()
	f.file.db.Store(nil)
	if err := db.Close(); err != nil {
		return fmt.Errorf("embedded: stop: %w", err)
	}
	return nil
}
