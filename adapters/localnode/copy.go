package localnode

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// Errors of a copy that would delay batches, or have them refused.
var (
	// ErrNarrow wraps errors.ErrUnsupported: it is of the program, and does not pass.
	ErrNarrow = fmt.Errorf("%w by a program of 32 bits, which has too few addresses to copy the store while it counts: "+
		"export the counts, stop the service and copy the folder, or use a program of 64 bits", errors.ErrUnsupported)
	ErrGrown  = errors.New("the store has grown too much since it was opened: restart the service")
	ErrNoRoom = errors.New("there is too little room on the disk of the store, which grows during a copy: make room, or stop the service and copy the folder")
)

const (
	// growth is how far an open file may grow without another memory map: addresses, and no
	// memory. bbolt can't make that map while a copy is read, so that a batch would wait for
	// the reader. 32 bits have too few addresses, and growth is 0 (ErrNarrow).
	growth = (strconv.IntSize / 64) << 34
	// growthLeft is the part of growth that ends a copy, and refuses the next one.
	growthLeft = growth / 16
	// copyRoom is how much a copy leaves on the disk above the reserve, in bytes, and roomTime
	// the time between two looks at it. Within that, batches write less.
	copyRoom = 64 << 20
	roomTime = 100 * time.Millisecond
)

// mapped is how much of a file with a size is mapped when it is opened.
func mapped(size int64) int { return int(size) + growth }

// checkGrowth is ErrGrown or ErrNarrow if a batch might wait for a reader of the file.
func (d *database) checkGrowth() error {
	if growth == 0 {
		return ErrNarrow
	}
	file, err := os.Stat(d.path)
	if err == nil && file.Size()+growthLeft >= int64(mapped(d.file.Size())) {
		err = ErrGrown
	}
	return err
}

// Copy writes the file as it is at one moment, while batches go on: it has every batch that
// was answered before the call. It calls begin with the number of bytes, and writes them to
// what that returns. What batches free meanwhile is not used again, and a file never shrinks:
// the writer has to fail when it is slow, and after a call of abort, which says why the copy
// has to end. reserve is that of the batches (counting.Batch.DiskReserve). An error before
// begin is counting.ErrClosed, counting.ErrReplaced, ErrNarrow, ErrGrown or ErrNoRoom, and after it
// one of the last two or of the writer.
func (f *File) Copy(reserve int64, abort func(error), begin func(size int64) io.Writer) error {
	tx, err := f.file.begin(false)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	db := f.file.db.Load() // it is open as long as the transaction
	check := func() error {
		if free := f.free(); free > 0 && free < reserve+copyRoom {
			return ErrNoRoom
		}
		return db.checkGrowth()
	}
	if err = check(); err == nil {
		over, aborted := make(chan struct{}), make(chan error)
		go func() { aborted <- abortWhen(check, over, abort) }()
		_, err = tx.WriteTo(begin(tx.Size()))
		close(over)
		err = cmp.Or(<-aborted, err)
	}
	if err = errors.Join(err, tx.Rollback()); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return nil
}

// abortWhen calls abort with the first error of check, and returns it, or nil if there is none
// before over is closed.
func abortWhen(check func() error, over <-chan struct{}, abort func(error)) error {
	look := time.NewTicker(roomTime)
	defer look.Stop()
	for {
		select {
		case <-over:
			return nil
		case <-look.C:
			if err := check(); err != nil {
				abort(err)
				return err
			}
		}
	}
}
