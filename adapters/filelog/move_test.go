package filelog_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"footfall/adapters/filelog"
	"footfall/test/check"
)

func TestALineAfterARenameOrADeleteGoesIntoANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	l := started(t, path)
	publish(t, l, report(1))
	check.Must(t, os.Rename(path, path+".1"))
	publish(t, l, report(2))
	publish(t, l, report(3))
	check.Must(t, os.Remove(path))
	publish(t, l, report(4))
	check.Must(t, os.Link(path, path+".4"))
	check.Must(t, os.Remove(path))
	publish(t, l, report(5))
	check.Must(t, os.Rename(path+".4", path)) // another file in its place
	publish(t, l, report(6))

	for name, want := range map[string][]int64{path + ".1": {1}, path: {4, 6}} {
		var got []int64
		for _, r := range reports(t, name) {
			got = append(got, r.Count)
		}
		check.Equal(t, fmt.Sprint(got), fmt.Sprint(want), "what %s holds", filepath.Base(name))
	}
}

func TestNoLineIsLostWhileTheFileIsRenamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	l := started(t, path)
	moves := 0
	writeWhile(t, l, func(int64) {
		if os.Rename(path, fmt.Sprintf("%s.%d", path, moves)) == nil {
			moves++
		}
	})
	files := check.Value(filepath.Glob(path + "*"))(t)
	found := map[int64]int{}
	for _, name := range files {
		count(t, found, read(t, name))
	}
	if moves < 10 {
		t.Errorf("the file was renamed %d times, want many", moves)
	}
	checkAll(t, found, 1)
}

// Lines that are in a file when it is deleted are lost. No line may go into the
// file after that.
func TestNoLineGoesIntoADeletedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	l := started(t, path)
	found := map[int64]int{}
	deletions, seen := 0, int64(0)
	writeWhile(t, l, func(lines int64) {
		if lines == seen { // at least one line is written between two deletions
			return
		}
		f, err := os.Open(path)
		if err != nil {
			return
		}
		seen = lines
		defer f.Close()
		check.Must(t, os.Remove(path))
		deletions++
		before := check.Value(io.ReadAll(f))(t)
		count(t, found, before)
	})
	if last, err := os.ReadFile(path); err == nil {
		count(t, found, last)
	}
	if deletions < 10 {
		t.Errorf("the file was deleted %d times, want many", deletions)
	}
	checkAll(t, found, 10)
}

// Copying and truncating loses lines, as the package documents. It breaks none
// of the lines that stay.
func TestCopyAndTruncateBreaksNoLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	l := started(t, path)
	found := map[int64]int{}
	writeWhile(t, l, func(int64) {
		content := read(t, path)
		check.Must(t, os.Truncate(path, 0))
		whole, _ := parse(t, content) // the last line may be half copied
		for _, r := range whole {
			found[r.Count]++
		}
	})
	count(t, found, read(t, path))
	for id, n := range found {
		check.Equal(t, n, 1, "the number of lines %d", id)
	}
	t.Logf("%d of %d lines were lost to truncation", writers*linesEach-len(found), writers*linesEach)
}

const writers, linesEach = 8, 60

// writeWhile publishes writers*linesEach reports, numbered from 0. Until all are
// written, it calls disturb repeatedly with the number of those written.
func writeWhile(t *testing.T, l *filelog.Log, disturb func(lines int64)) {
	t.Helper()
	var lines atomic.Int64
	done := make(chan struct{})
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range linesEach {
				check.OK(t, l.Publish(t.Context(), report(int64(w*linesEach+i))), "publish")
				lines.Add(1)
			}
		})
	}
	go func() { all.Wait(); close(done) }()
	for {
		select {
		case <-done:
			return
		default:
			disturb(lines.Load())
			runtime.Gosched()
		}
	}
}

// count adds the reports of a file that must consist of whole lines.
func count(t *testing.T, found map[int64]int, content []byte) {
	t.Helper()
	whole, broken := parse(t, content)
	for _, r := range whole {
		found[r.Count]++
	}
	if len(broken) > 0 {
		t.Errorf("broken lines: %q", broken)
	}
}

func checkAll(t *testing.T, found map[int64]int, most int) {
	t.Helper()
	for i := range int64(writers * linesEach) {
		if n := found[i]; n < 1 || n > most {
			t.Errorf("line %d is there %d times", i, n)
		}
	}
}
