package localnode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"footfall/domain/checking"
)

// lookWait is how long Inspect waits for a process that has the file open, and lookTime how
// long it looks at pages: a service that starts meanwhile waits less than lockWait.
const (
	lookWait = 100 * time.Millisecond
	lookTime = 300 * time.Millisecond
)

// Inspect looks at the file and its disk. It writes nothing, and has the file open for a
// moment only. A file that a service has open is none of its business.
func (f *File) Inspect(ctx context.Context, b checking.Bounds) []checking.Finding {
	l := checking.List{About: "embedded store in " + f.dir}
	f.inspectDisk(&l, b.DiskReserve)
	path := filepath.Join(f.dir, fileName)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.inspectPlace(&l)
		return l.All
	case err != nil:
		l.Add(checking.Fail, "", "%v", openError(f.dir, err))
		return l.All
	case info.Size() == 0: // left by a start that was interrupted
		l.Add(checking.OK, "", "it is empty: the next start makes it")
	case !inspectPages(ctx, &l, path, f.dir):
		return l.All
	}
	if file, err := os.OpenFile(path, os.O_RDWR, 0); err != nil {
		l.Add(checking.Fail, "give the folder and its files to the user of the service", "it can't be written: %v", err)
	} else {
		_ = file.Close()
		l.Add(checking.OK, "", "it can be written, and each answer is on the disk")
	}
	return l.All
}

// inspectPlace looks whether a start can make the folder and the file.
func (f *File) inspectPlace(l *checking.List) {
	dir := filepath.Clean(f.dir)
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	const writeAndSearch = 0o3
	if err := syscall.Access(dir, writeAndSearch); err != nil {
		l.Add(checking.Fail, "give "+dir+" to the user of the service, or name another folder in FOOTFALL_STORE", "there is none yet, and a start can't make it: %s: %v", dir, err)
		return
	}
	l.Add(checking.OK, "", "there is none yet: the first start makes it")
}

// inspectPages looks at the pages and the format of the file. It is false after a failure.
func inspectPages(ctx context.Context, l *checking.List, path, dir string) bool {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lookWait, ReadOnly: true})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		l.Add(checking.OK, "", "a service has it open")
		return true
	case err != nil:
		l.Add(checking.Fail, "", "%v", openError(dir, err))
		return false
	}
	err = errors.Join(db.View(func(tx *bolt.Tx) error {
		if err := checkPages(ctx, tx, path, lookTime); err != nil {
			return fmt.Errorf("is %w", err)
		}
		return checkFormat((&boltTx{Tx: tx}).root())
	}), db.Close())
	if err != nil {
		l.Add(checking.Fail, "", "it %v", err)
		return false
	}
	l.Add(checking.OK, "", "its format is one of this version")
	return true
}

// inspectDisk compares what is free on the disk of the folder, or where it will be.
func (f *File) inspectDisk(l *checking.List, reserve int64) {
	dir := filepath.Clean(f.dir)
	free := freeOn(dir)
	for ; free == 0 && dir != filepath.Dir(dir); free = freeOn(dir) {
		dir = filepath.Dir(dir)
	}
	switch {
	case free == 0:
		l.Add(checking.Warn, "", "it is not known how much is free on its disk")
	case free < reserve:
		l.Add(checking.Fail, "make room, or set a smaller FOOTFALL_DISK_RESERVE", "%d MiB are free on its disk, so that new pages are refused: it keeps %d MiB", free>>20, reserve>>20)
	default:
		l.Add(checking.OK, "", "%d MiB are free on its disk", free>>20)
	}
}
