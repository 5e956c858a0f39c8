package servers

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Clock is the wall clock of a server, which can be set while it runs. Its methods may be
// called concurrently.
type Clock struct {
	mu            sync.Mutex
	file          *os.File
	offset, still time.Duration // still since the epoch; 0: the clock runs
}

//go:embed clock/clock.c
var clockSource []byte

// clockLibrary is built once for a run of tests.
var clockLibrary = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // built once
	dir, err := os.MkdirTemp("", "footfall-clock")
	if err != nil {
		return "", err
	}
	source, library := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command("cc", "-shared", "-fPIC", "-O2", "-o", library, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the clock of a server: %w: %s", err, out)
	}
	return library, nil
})

// NewClock makes a clock with the real time. env is for the process that reads it.
func NewClock(tb testing.TB, dir string) (c *Clock, env []string) {
	tb.Helper()
	name := filepath.Join(dir, "clock")
	file, err := os.Create(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = file.Close() })
	c = &Clock{file: file}
	c.write(tb)
	return c, []string{"CLOCK_FILE=" + name}
}

// newServerClock is NewClock for a server, which needs the library.
func newServerClock(tb testing.TB, dir string) (c *Clock, env []string) {
	tb.Helper()
	library, err := clockLibrary()
	if err != nil {
		tb.Fatal(err)
	}
	c, env = NewClock(tb, dir)
	return c, append(env, "LD_PRELOAD="+library)
}

// Shift lets the clock run, ahead of the real time by d.
func (c *Clock) Shift(tb testing.TB, d time.Duration) {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset, c.still = d, 0
	c.write(tb)
}

// Stop lets the clock stand still, at the present time if it ran, and otherwise d later.
func (c *Clock) Stop(tb testing.TB, d time.Duration) {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.still == 0 {
		c.still = time.Duration(time.Now().UnixNano()) + c.offset
	}
	c.still += d
	c.write(tb)
}

func (c *Clock) write(tb testing.TB) {
	tb.Helper()
	b := binary.NativeEndian.AppendUint64(nil, uint64(c.offset))
	if _, err := c.file.WriteAt(binary.NativeEndian.AppendUint64(b, uint64(c.still)), 0); err != nil {
		tb.Fatal(err)
	}
}
