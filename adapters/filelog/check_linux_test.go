package filelog_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"footfall/adapters/filelog"
	"footfall/test/check"
)

// A check finds what a start would, does not wait, and makes no file.
func TestACheckOfALogFindsWhyItCantBeOpened(t *testing.T) {
	dir := t.TempDir()
	check.OK(t, filelog.Check(filepath.Join(dir, "log")))
	check.Equal(t, len(check.Value(os.ReadDir(dir))(t)), 0, "files")
	there, pipe := filepath.Join(dir, "there"), filepath.Join(dir, "pipe")
	check.Must(t, os.WriteFile(there, nil, 0o600))
	check.OK(t, filelog.Check(there))
	check.Must(t, syscall.Mkfifo(pipe, 0o600))
	check.Locked(t, func(locked string) {
		for _, path := range []string{filepath.Join(locked, "log"), filepath.Join(dir, "none", "log"), pipe, dir} {
			if filelog.Check(path) == nil {
				t.Errorf("%s was not refused", path)
			}
		}
	})
}
