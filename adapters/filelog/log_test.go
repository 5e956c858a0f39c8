package filelog_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/filelog"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/conformance"
)

func TestLogIsAPublisher(t *testing.T) {
	conformance.TestPublisher(t, func(t *testing.T) conformance.PublisherHarness {
		path := filepath.Join(t.TempDir(), "capture.log")
		l := started(t, path)
		return conformance.PublisherHarness{
			Publisher: l,
			Read:      func(t *testing.T) []publishing.Report { return reports(t, path) },
			Stop:      func(t *testing.T) { stop(t, l) },
			Refuse:    func(t *testing.T) func() { return blocked(t, path) },
			Doubt:     func(t *testing.T) func() { return limitFiles(t, size(t, path)+10) },
		}
	})
}

// U11 of the list of failures: no newline of any kind, no quote and no control
// character gets out of its string.
func TestLinesAreThoseOfTheContract(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	synctest.Test(t, func(t *testing.T) {
		l := started(t, path)
		time.Sleep(1500 * time.Microsecond)
		publish(t, l, report(7))
		time.Sleep(time.Second)
		for _, a := range attempts() {
			check.Must(t, l.LogAttempt(a))
		}
	})
	golden(t, path, "testdata/lines.golden")
}

// attempts returns answers and failures of all kinds, hostile ones included.
func attempts() []publishing.Attempt {
	const forged = "ok\n" + `{"time":"2026-11-22T10:06:02.000Z","event":"unique_ids","count":9}` + "\n"
	at := func(e publishing.Endpoint, status int, response string, err error) publishing.Attempt {
		return publishing.Attempt{
			ReportID: "footfall_20261122T100500Z", Number: 1, Endpoint: e,
			Status: status, Response: response, Took: 12345 * time.Microsecond, Err: err,
		}
	}
	const plain = publishing.Endpoint("http://h.example/p")
	const secret = publishing.Endpoint("http://h.example/p?key=SECRET&x=<1>")
	return []publishing.Attempt{
		at(plain, 200, "ok", nil),
		at(secret, 404, "<b>not & here</b>", nil),
		at("http://x\nUnique ID count: 9", 200, forged, nil),
		at(plain, 200, "line\u2028paragraph\u2029next\u0085del\x7fcsi\u009b31mturn\u202eback\U000e0001tag", nil),
		at(plain, 200, "bad \xff\xfe\xc3 utf-8, \x00 nul, tab\t, \x1b[31m", nil),
		at(plain, 500, strings.Repeat("x", 300), nil),
		at(plain, 500, strings.Repeat("é€", 60), nil),
		at(plain, 500, (strings.Repeat("x", 253) + "😀")[:256], nil),
		at(plain, 500, strings.Repeat("\xff", 256), nil),
		at(plain, 500, "ab"+strings.Repeat("\xffa", 127), nil),
		at(secret, 0, "", errors.New("connection refused")),
		at(secret, 0, "", errors.New(`Post "http://u:SECRET@h.example/p?key=SECRET&count=7": EOF`)),
		at(secret, 0, "", errors.New("GET /p?key=SECRET&x=<1> and http://u@h/?SECRET and https://SECRET:SECRET@h#SECRET")),
		at(plain, 0, "", errors.New(strings.Repeat("why ", 100)+"\n")),
	}
}

func TestABadPathStopsTheStart(t *testing.T) {
	folder := t.TempDir()
	fifo, file := filepath.Join(folder, "fifo"), filepath.Join(folder, "file")
	check.Must(t, syscall.Mkfifo(fifo, 0o600))
	check.Must(t, os.WriteFile(file, nil, 0o600))
	for path, want := range map[string]string{
		"":                                     "no such file or directory",
		folder:                                 "is a directory",
		filepath.Join(folder, "none", "x.log"): "no such file or directory",
		"/dev/null":                            "open /dev/null: it is not a regular file",
		fifo:                                   "it is not a regular file",
		filepath.Join(folder, "nul\x00in it"):  "invalid argument",
		filepath.Join(file, "x.log"):           "not a directory",
	} {
		l := filelog.New(path, 1000)
		err := l.Start(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "capture log: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("start with %q: %v, want an error about %q", path, err, want)
		}
		check.Is(t, l.Publish(t.Context(), report(1)), publishing.ErrRefused, "publish after it")
		stop(t, l)
	}
}

func TestStartAndStopMayBeRepeated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	l := filelog.New(path, 1000)
	stop(t, l)
	for i := range 3 {
		for range 2 {
			check.Must(t, l.Start(t.Context()))
		}
		publish(t, l, report(int64(i)))
		for range 2 {
			stop(t, l)
		}
		check.Fails(t, l.LogAttempt(publishing.Attempt{}), "a line was accepted after Stop")
	}
	if got := reports(t, path); len(got) != 3 {
		t.Errorf("read %v, want 3 reports", got)
	}
}

func TestTheFileIsForItsOwnerAndGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture.log")
	publish(t, started(t, path), report(1))
	info := check.Value(os.Stat(path))(t)
	if got := info.Mode().Perm(); got&^0o640 != 0 || got&0o600 != 0o600 {
		t.Errorf("mode %v, want 0640 or, with a strict umask, less", got)
	}
}
