package filelog_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/adapters/filelog"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// S10: whatever an endpoint answers, a line has a bounded length. What is escaped counts
// as it is written.
func TestS10ALineIsBoundedHoweverItIsEscaped(t *testing.T) {
	for _, text := range []string{"\x00", "\x1b", "\"", "\\", "\u202e", "\U000e0001", "\xff", "€", "x"} {
		path := filepath.Join(t.TempDir(), "capture.log")
		l := started(t, path)
		long := strings.Repeat(text, 3000/len(text))
		check.Must(t, l.LogAttempt(publishing.Attempt{
			ReportID: "footfall_20261122T100500Z", Number: 3, Status: 500, Response: long[:256],
			Endpoint: publishing.Endpoint("http://h.example/" + strings.Repeat("x", 2000)), Err: errors.New(long),
		}))
		line := read(t, path)
		if len(line) > filelog.MaxAttemptLine || bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("%q makes a line of %d bytes", text, len(line))
		}
		if _, broken := parse(t, line); len(broken) > 0 {
			t.Errorf("%q makes the line %s", text, line)
		}
	}
}

// S10: a window has a bounded number of lines. The last one says how many were left out,
// and readers of counts skip it.
func TestS10TheLinesOfAWindowAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	l := filelog.New(path, 100)
	check.Must(t, l.Start(t.Context()))
	t.Cleanup(func() { stop(t, l) })
	log := func(id string, n int) {
		for range n {
			check.Must(t, l.LogAttempt(publishing.Attempt{ReportID: id, Endpoint: "http://h.example/"}))
		}
	}
	log("a", 3000)
	log("b", 100)
	for _, id := range []string{"a", "b", "a"} {
		check.Must(t, l.LogEnd(id))
	}
	check.Must(t, l.Publish(t.Context(), publishing.Report{
		ID: "footfall_20261122T100500Z", Start: time.Date(2026, 11, 22, 10, 5, 0, 0, time.UTC), End: time.Date(2026, 11, 22, 10, 6, 0, 0, time.UTC), Count: 7,
	}))
	log("a", 5) // an interrupted delivery goes on
	check.Must(t, l.LogEnd("a"))
	text := string(read(t, path))
	check.Equal(t, strings.Count(text, "\n"), 100+100+1+1+1, "lines")
	check.Equal(t, strings.Count(text, `"event":"callbacks_left_out","id":"a","lines":2900}`), 1, "lines that say what was left out")
	check.Equal(t, strings.Count(text, `"event":"callbacks_left_out","id":"a","lines":5}`), 1, "lines about what was left out later")
	counts := 0
	for _, err := range filelog.Reports(strings.NewReader(text), func(line int, why error) { t.Errorf("line %d: %v", line, why) }) {
		check.Must(t, err)
		counts++
	}
	check.Equal(t, counts, 1, "counts that were read")
	for i := range 1000 {
		log(strings.Repeat("i", i), 1)
	}
}

// S10: the documented configuration renames the file and creates a new one, which is what
// the service follows. It does not truncate a copy.
func TestS10TheLogFollowsTheDocumentedRotation(t *testing.T) {
	conf := string(check.Value(os.ReadFile("../../deploy/logrotate/footfall"))(t))
	for _, directive := range []string{"create 0640", "nocopytruncate", "rotate "} {
		if !strings.Contains(conf, "\n    "+directive) {
			t.Errorf("the configuration lacks %s", directive)
		}
	}
	path := filepath.Join(t.TempDir(), "capture.log")
	l := started(t, path)
	for i := range int64(10) {
		publish(t, l, report(i))
		check.Must(t, os.Rename(path, path+"."+string(rune('0'+i))))
		f := check.Value(os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640))(t)
		check.Must(t, f.Close())
	}
	publish(t, l, report(10))
	for i := range 10 {
		check.Equal(t, len(reports(t, path+"."+string(rune('0'+i)))), 1, "counts in file %d", i)
	}
	check.Equal(t, len(reports(t, path)), 1, "counts in the last file")
}
