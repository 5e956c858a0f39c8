package filelog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"footfall/adapters/filelog"
	"footfall/domain/publishing"
	"footfall/test/check"
)

func started(t *testing.T, path string) *filelog.Log {
	t.Helper()
	l := filelog.New(path, 1000)
	check.Must(t, l.Start(t.Context()))
	t.Cleanup(func() { stop(t, l) })
	return l
}

func stop(t *testing.T, l *filelog.Log) {
	t.Helper()
	check.OK(t, l.Stop(t.Context()), "stop")
}

func publish(t *testing.T, l *filelog.Log, r publishing.Report) {
	t.Helper()
	check.Must(t, l.Publish(t.Context(), r), "publish %s", r.ID)
}

func report(count int64) publishing.Report {
	start := time.Date(2026, 11, 22, 10, 5, 0, 0, time.UTC)
	return publishing.Report{ID: fmt.Sprintf("footfall_%d", count), Start: start, End: start.Add(time.Minute), Count: count}
}

// reports returns the reports in the whole lines of a file. It skips lines that
// are not JSON, as readers skip torn ones.
func reports(t *testing.T, path string) []publishing.Report {
	t.Helper()
	whole, _ := parse(t, read(t, path))
	return whole
}

// parse returns the reports in whole lines, and the lines that are not whole.
func parse(t *testing.T, content []byte) (whole []publishing.Report, broken []string) {
	t.Helper()
	for line := range bytes.Lines(content) {
		var l struct {
			Event string
			publishing.Report
		}
		if err := json.Unmarshal(line, &l); err != nil || line[len(line)-1] != '\n' {
			broken = append(broken, string(line))
			continue
		}
		if l.Event == "unique_ids" {
			whole = append(whole, l.Report)
		}
	}
	return whole, broken
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	return check.Value(os.ReadFile(path))(t)
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info := check.Value(os.Stat(path))(t)
	return info.Size()
}

func golden(t *testing.T, path, want string) {
	t.Helper()
	if got := read(t, path); !bytes.Equal(got, read(t, want)) {
		t.Errorf("the log is\n%s\nwant %s", got, want)
	}
}

// limitFiles makes writes beyond a file size fail half-way, as a full disk does,
// until lift is called.
func limitFiles(t *testing.T, bytes int64) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	check.Must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	set := func(l syscall.Rlimit) { check.Must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)) }
	set(syscall.Rlimit{Cur: uint64(bytes), Max: was.Max})
	return func() { set(was) }
}

// blocked renames the file and creates a folder at its path; heal restores it.
func blocked(t *testing.T, path string) (heal func()) {
	t.Helper()
	away := path + ".away"
	check.Must(t, os.Rename(path, away))
	check.Must(t, os.Mkdir(path, 0o700))
	return func() {
		check.Must(t, os.Remove(path))
		check.Must(t, os.Rename(away, path))
	}
}
