// Package filelog writes the capture log: the counts that no broker takes, and
// a line for every delivery to an endpoint.
//
// Format: JSON lines, each written by one write(2) with O_APPEND and followed
// by an fsync. Delivery: a line whose write returned nil survives a crash of the
// machine, in the file or in what it was renamed to. Failure: see Log.
package filelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"footfall/domain/publishing"
)

// maxMoves is how often one line is written again because its file was deleted
// meanwhile.
const maxMoves = 10

var (
	_ publishing.Publisher = (*Log)(nil)
	_ publishing.Journal   = (*Log)(nil)
)

// Log appends lines to one file. It is safe for concurrent use, and lines
// never mix. The file may be renamed or deleted at any time: the next line goes
// into a new one. Copying and then truncating it loses the lines that are
// written between the two.
//
// Errors: one that wraps publishing.ErrRefused means that nothing was written.
// After any other, the line may be there, whole or torn. The next line does not
// continue a torn one.
type Log struct {
	path string

	mu      sync.Mutex
	file    *os.File // nil before Start and after Stop
	windows windowLines
}

// New returns a log for the file at path, with at most so many lines of deliveries of a
// report. Start opens it.
func New(path string, linesPerReport int) *Log {
	return &Log{path: path, windows: windowLines{most: linesPerReport, lines: make(map[string]int)}}
}

// Start opens the file, and creates it (mode 0640) if there is none. The path
// must name a regular file that can be read and written. Start of an open log
// does nothing.
func (l *Log) Start(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		return nil
	}
	f, err := open(l.path)
	if err != nil {
		return fmt.Errorf("capture log: %w", err)
	}
	l.file = f
	return nil
}

// Stop waits for the line that is being written and closes the file. Later
// lines are refused. It may be called twice, and without Start.
func (l *Log) Stop(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.file.Close() // every line in it is synced already; nil is no file
	l.file = nil
	return nil
}

// Name returns "log".
func (l *Log) Name() string { return "log" }

// Publish appends the report. It refuses the report if ctx has ended already; a
// ctx that ends later does not stop the write.
func (l *Log) Publish(ctx context.Context, r publishing.Report) error {
	if err := ctx.Err(); err != nil {
		return refused(err)
	}
	return l.append(countLine(time.Now(), r))
}

// LogAttempt appends the result of a delivery, in a line of at most MaxAttemptLine bytes.
// Neither the endpoint nor the error in the line has a query or userinfo.
func (l *Log) LogAttempt(a publishing.Attempt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.windows.admit(a.ReportID) {
		return nil
	}
	return l.appendLocked(attemptLine(time.Now(), a))
}

// LogEnd appends a line that says how many lines of a report were left out, if there are
// any.
func (l *Log) LogEnd(reportID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.windows.end(reportID)
	if left == 0 {
		return nil
	}
	return l.appendLocked(leftOutLine(time.Now(), reportID, left))
}

func (l *Log) append(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appendLocked(line)
}

func (l *Log) appendLocked(line []byte) error {
	for range maxMoves {
		if err := l.follow(); err != nil {
			return refused(err)
		}
		if err := l.write(line); err != nil {
			return err
		}
		deleted, err := l.deleted()
		if err != nil {
			return fmt.Errorf("capture log: %w", err)
		}
		if !deleted {
			return nil
		}
	}
	return errors.New("capture log: its file is deleted repeatedly")
}

// follow ensures that the open file is the one at the path.
func (l *Log) follow() error {
	if l.file == nil {
		return errors.New("it is not open")
	}
	have, err := l.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(l.path); err == nil && os.SameFile(have, there) {
		return nil
	}
	f, err := open(l.path)
	if err != nil {
		return err
	}
	_ = l.file.Close() // every line in it is synced already
	l.file = f
	return nil
}

func (l *Log) write(line []byte) error {
	lead, err := l.lead()
	if err != nil {
		return refused(err)
	}
	n, err := l.file.Write(append(lead, line...))
	switch {
	case err != nil && n <= len(lead) && full(err):
		return refused(err)
	case err != nil:
		return fmt.Errorf("capture log: after %d of %d bytes: %w", n, len(lead)+len(line), err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("capture log: %w", err)
	}
	return nil
}

// lead returns the newline that a torn last line lacks, after a crash or a full
// disk. It reads the file instead of remembering the last write, because other
// programs may truncate or edit the file.
func (l *Log) lead() ([]byte, error) {
	info, err := l.file.Stat()
	if err != nil || info.Size() == 0 {
		return nil, err
	}
	var last [1]byte
	n, err := l.file.ReadAt(last[:], info.Size()-1)
	switch {
	case n == 1 && last[0] != '\n':
		return []byte{'\n'}, nil
	case n == 1 || errors.Is(err, io.EOF): // truncated meanwhile
		return nil, nil
	}
	return nil, err
}

// deleted reports whether the file has no name any more, so that the last line
// is lost.
func (l *Log) deleted() (bool, error) {
	info, err := l.file.Stat()
	return err == nil && info.Sys().(*syscall.Stat_t).Nlink == 0, err
}

// Check returns why a log at the path could not be opened, or made where there is none. It makes
// none.
func Check(path string) error {
	f, err := openRegular(path, 0)
	if errors.Is(err, os.ErrNotExist) {
		const writeAndSearch = 0o3
		dir := filepath.Dir(path)
		if err := syscall.Access(dir, writeAndSearch); err != nil {
			return fmt.Errorf("make a file in %s: %w", dir, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// openRegular opens only regular files, because only those can be fsynced. It does not
// block on a pipe.
func openRegular(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|syscall.O_NONBLOCK|flag, 0o640)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: it is not a regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// open opens a file, and makes it where there is none.
func open(path string) (*os.File, error) {
	f, err := openRegular(path, os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := syncFolder(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncFolder makes the name of a new file durable, as its lines are.
func syncFolder(path string) error {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // renamed or deleted already: there is no name to sync
	}
	if err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(target))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// full reports whether a write failed because there was no room.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func refused(err error) error { return fmt.Errorf("%w: capture log: %w", publishing.ErrRefused, err) }
