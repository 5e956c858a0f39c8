package localnode_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/adapters/localnode"
	"footfall/domain/checking"
	"footfall/test/check"
)

// wantFinding fails the test unless the last finding about a folder has a level and a text.
func wantFinding(t *testing.T, dir string, level checking.Level, text string) {
	t.Helper()
	found := localnode.NewFile(localnode.FileOptions{Dir: dir}).Inspect(t.Context(), checking.Bounds{})
	last := found[len(found)-1]
	if last.Level != level || !strings.Contains(last.What, text) {
		t.Errorf("found %v, want %s with %q", found, level, text)
	}
}

func TestAnInspectionFindsAFolderThatAStartCantMake(t *testing.T) {
	wantFinding(t, filepath.Join(t.TempDir(), "some", "data"), checking.OK, "the first start makes it")
	wantFinding(t, t.TempDir(), checking.OK, "the first start makes it")
	check.Locked(t, func(dir string) {
		wantFinding(t, filepath.Join(dir, "some", "data"), checking.Fail, "a start can't make it")
		wantFinding(t, dir, checking.Fail, "a start can't make it")
	})
}

// What a start takes for damaged, or for a start that was interrupted, is so for an inspection.
func TestAnInspectionFindsWhatAStartFinds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "footfall.db")
	n := start(t, localnode.FileOptions{Dir: dir})
	enter(t, n)
	check.Value(n.Apply(t.Context(), batch(1)))(t)
	stop(t, n)
	wantFinding(t, dir, checking.OK, "it can be written")
	check.Must(t, os.Truncate(path, 2*int64(os.Getpagesize()))) // the head is there
	check.Is(t, localnode.NewFile(localnode.FileOptions{Dir: dir}).Start(t.Context()), localnode.ErrDamaged)
	wantFinding(t, dir, checking.Fail, "bytes are missing")
	check.Must(t, os.Truncate(path, 0))
	wantFinding(t, dir, checking.OK, "it can be written")
	stop(t, start(t, localnode.FileOptions{Dir: dir}))
}
