package faults_test

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// limitFiles sets how large a process' files may grow, as a full disk does.
func limitFiles(t *testing.T, in *service.Instance, bytes uint64) {
	t.Helper()
	limit := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(in.Cmd.Process.Pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
}

// U18: while the capture log can't grow on any
// instance nothing is published, and nothing is lost: the windows stay sealed,
// and are published when there is room.
func TestWindowsWaitForRoomInTheLog(t *testing.T) {
	t.Parallel()
	c := newClosers(t, 2, time.Second)
	c.begin()
	c.under(8, never, func() {
		time.Sleep(2 * time.Second)
		for _, m := range c.members {
			info := check.Value(os.Stat(m.folder.CaptureLog()))(t)
			limitFiles(t, m.get(), uint64(info.Size()))
		}
		full, _ := c.published()
		service.WaitFor(t, "windows wait, sealed", func() bool {
			sealed := 0
			for _, w := range c.Windows(c.any()) {
				if w.State == "sealed" {
					sealed++
				}
			}
			return sealed >= 2
		})
		if reports, _ := c.published(); len(reports) > len(full)+1 { // one line may have been on its way
			t.Errorf("%d windows were published without room", len(reports)-len(full))
		}
		for _, m := range c.members {
			limitFiles(t, m.get(), ^uint64(0))
		}
	})
	c.resolve()
	if logged := c.members[0].get().Logged() + c.members[1].get().Logged(); !strings.Contains(logged, "file too large") {
		t.Errorf("nothing says why the windows waited:\n%s", logged)
	}
}

// P5: the capture log is renamed away and deleted under the instances; every
// count is in one of the files.
func TestNoCountIsLostWhenTheLogIsRenamedAndDeleted(t *testing.T) {
	t.Parallel()
	c := newClosers(t, 2, time.Second)
	c.begin()
	var deleted []*os.File
	c.under(8, never, func() {
		for round := range 6 {
			service.WaitFor(t, "a log is there again", func() bool {
				return slices.ContainsFunc(c.members, func(m *member) bool { return m.hasLog() })
			})
			for _, m := range c.members {
				path := m.folder.CaptureLog()
				switch {
				case !m.hasLog():
				case round%2 == 0:
					check.Must(t, os.Rename(path, fmt.Sprint(path, ".", round)))
				default:
					f := check.Value(os.Open(path))(t)
					defer f.Close()
					deleted = append(deleted, f)
					check.Must(t, os.Remove(path))
				}
			}
		}
		time.Sleep(2 * time.Second)
		for i, f := range deleted { // what the reader of a deleted file still has
			kept := check.Value(os.Create(fmt.Sprint(c.members[0].folder.CaptureLog(), ".deleted", i)))(t)
			if _, err := io.Copy(kept, f); err != nil {
				t.Fatal(err)
			}
			kept.Close()
		}
	})
	c.resolve()
}

// hasLog tells whether there is a capture log with a line.
func (m *member) hasLog() bool {
	info, err := os.Stat(m.folder.CaptureLog())
	return err == nil && info.Size() > 0
}
