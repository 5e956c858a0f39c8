package check

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// Locked makes a folder in which this process must not make a file, and calls use, which stays on
// its goroutine. Root may do all, so that access(2) answers as for another user meanwhile.
func Locked(t *testing.T, use func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	Must(t, os.Chmod(dir, 0o500))
	if os.Getuid() == 0 {
		runtime.LockOSThread() // the call changes the user of one thread
		defer runtime.UnlockOSThread()
		const stranger, same = 65534, ^uintptr(0)
		become := func(user uintptr) {
			if _, _, failed := syscall.RawSyscall(syscall.SYS_SETRESUID, user, same, same); failed != 0 {
				t.Fatal(failed)
			}
		}
		become(stranger)
		defer become(0)
	}
	use(dir)
}
