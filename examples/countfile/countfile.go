// Package countfile keeps counts in a file, each window once, for the examples that receive counts.
//
// A count may arrive again at any time, also after a crash of its receiver. So a receiver has to remember an id in the same
// step in which it handles the count. Here one appended line is both. With a database it is one transaction, in which the id has
// a unique index.
package countfile

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// MaxBody is the most bytes of a body that Parse reads. Those of Footfall have less than 400.
	MaxBody = 4 << 10
	// remembered is how many ids are kept in memory: those of a week of minutes.
	remembered = 10_000
)

// Count is what Footfall publishes when a window has ended.
type Count struct {
	ID          string    `json:"id"`
	WindowStart time.Time `json:"window_start"`
	WindowEnd   time.Time `json:"window_end"`
	Count       int64     `json:"count"`
}

// Parse reads the body of a message or a callback that was sent under the id.
func Parse(id string, body []byte) (c Count, err error) {
	if len(body) > MaxBody {
		return c, fmt.Errorf("a body of %d bytes", len(body))
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return c, err
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`).MatchString(c.ID) || c.ID != id {
		return c, fmt.Errorf("the id is %.200q, and that of the body %.200q", id, c.ID)
	}
	if c.WindowStart.IsZero() || !c.WindowEnd.After(c.WindowStart) || c.Count < 0 {
		return c, errors.New("no count of a window")
	}
	return c, nil
}

// File is a file of counts, one JSON line each. It is safe for concurrent use.
type File struct {
	mu   sync.Mutex
	file *os.File
	size int64 // of the lines that are complete
	seen *lru.Cache[string, struct{}]
}

// Open opens or creates the file, and remembers the newest ids in it. One process at a time can have it open. A part of a line at
// its end is removed: a process ended while it wrote, and so the count will arrive again.
func Open(path string) (*File, error) {
	seen, err := lru.New[string, struct{}](remembered)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	f := &File{file: file, seen: seen}
	if err := f.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return f, nil
}

func (f *File) read() error {
	if err := syscall.Flock(int(f.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another process has it: %w", err)
	}
	for lines := bufio.NewReader(f.file); ; {
		line, err := lines.ReadSlice('\n') // fails when a line is longer than ours are
		if errors.Is(err, io.EOF) {
			if begin := `{"id":"`; !strings.HasPrefix(begin, string(line[:min(len(line), len(begin))])) {
				return errors.New("it has other lines than counts")
			}
			return f.file.Truncate(f.size)
		}
		var c Count
		if err == nil {
			err = json.Unmarshal(line, &c)
		}
		if err != nil {
			return fmt.Errorf("the line after byte %d: %w", f.size, err)
		}
		f.size += int64(len(line))
		f.seen.Add(c.ID, struct{}{})
	}
}

// Add appends a count, unless its id is one of the newest 10,000. It reports whether it did. When Add returns nil, the count is on
// the disk. After an error nothing was added, and the caller may try again.
func (f *File) Add(c Count) (added bool, err error) {
	line, err := json.Marshal(c)
	if err != nil {
		return false, err
	}
	line = append(line, '\n')
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen.Contains(c.ID) {
		return false, nil
	}
	if err := f.file.Truncate(f.size); err != nil { // to what was complete before a write that failed
		return false, err
	}
	if _, err := f.file.WriteAt(line, f.size); err != nil {
		return false, err
	}
	if err := f.file.Sync(); err != nil {
		return false, err
	}
	f.size += int64(len(line))
	f.seen.Add(c.ID, struct{}{})
	return true, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
