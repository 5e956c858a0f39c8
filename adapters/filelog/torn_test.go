package filelog_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"footfall/domain/publishing"
	"footfall/test/check"
)

func TestALineAfterATornLineIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	for _, torn := range []string{`{"time":"2026-11-22T10:06:0`, "{", "\x00\x00\x00"} {
		check.Must(t, os.WriteFile(path, []byte("{}\n"+torn), 0o600))
		l := started(t, path)
		publish(t, l, report(1))
		publish(t, l, report(2))
		whole, broken := parse(t, read(t, path))
		if len(whole) != 2 || len(broken) != 1 || broken[0] != torn+"\n" {
			t.Errorf("after %q: whole %v, broken %q", torn, whole, broken)
		}
		stop(t, l)
	}
}

func TestALineTornByAFullDiskIsNotJoinedToTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	l := started(t, path)
	publish(t, l, report(1))
	for _, room := range []int64{1, 50, 100} {
		lift := limitFiles(t, size(t, path)+room)
		torn := l.Publish(t.Context(), report(2))
		none := l.Publish(t.Context(), report(3))
		lift()
		lift = limitFiles(t, size(t, path)+1)
		onlyNewline := l.Publish(t.Context(), report(3))
		lift()
		if torn == nil || errors.Is(torn, publishing.ErrRefused) {
			t.Errorf("a line of which %d bytes are written: %v, want an error that is no refusal", room, torn)
		}
		check.Is(t, none, publishing.ErrRefused, "a line of which nothing is written")
		check.Is(t, onlyNewline, publishing.ErrRefused, "a line of which only the newline before it is written")
		publish(t, l, report(4))
	}
	whole, broken := parse(t, read(t, path))
	if len(whole) != 4 || len(broken) != 3 {
		t.Errorf("whole %v, broken %q, want 4 and 3", whole, broken)
	}
}

// On a full disk, lines are refused and acknowledged lines stay. The file is
// used again when there is room.
func TestAFullDiskLosesNoAcknowledgedLine(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() { check.OK(t, syscall.Unmount(folder, syscall.MNT_DETACH), "unmount") })
	ballast := filepath.Join(folder, "ballast")
	check.Must(t, os.WriteFile(ballast, make([]byte, 8192), 0o600))
	path := filepath.Join(folder, "capture.log")
	l := started(t, path)

	taken, doubtful, refused := map[int64]bool{}, map[int64]bool{}, map[int64]bool{}
	n := int64(0)
	for ; len(refused) < 5 && n < 1000; n++ {
		switch err := l.Publish(t.Context(), report(n)); {
		case err == nil:
			taken[n] = true
		case errors.Is(err, publishing.ErrRefused) && errors.Is(err, syscall.ENOSPC):
			refused[n] = true
		case errors.Is(err, syscall.ENOSPC):
			doubtful[n] = true
		default:
			t.Fatalf("publish: %v", err)
		}
	}
	check.Must(t, os.Remove(ballast))
	for range 5 {
		publish(t, l, report(n))
		taken[n] = true
		n++
	}

	whole, broken := parse(t, read(t, path))
	for _, r := range whole {
		if !taken[r.Count] && !doubtful[r.Count] {
			t.Errorf("line %d was refused, and is there", r.Count)
		}
		delete(taken, r.Count)
	}
	if len(refused) < 5 || len(taken) > 0 || len(broken) > 1 || len(doubtful) > 1 {
		t.Errorf("lost %v, broken %q, doubtful %v, refused %v", taken, broken, doubtful, refused)
	}
}
