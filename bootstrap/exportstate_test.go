package bootstrap_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustHave(t *testing.T, name, want string) {
	t.Helper()
	if text, err := os.ReadFile(name); err != nil || string(text) != want {
		t.Errorf("%s is %q, %v, want %q", name, text, err, want)
	}
}

// adminAt is the flag of an admin listener that answers as h does.
func adminAt(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return "--admin-listen=" + strings.TrimPrefix(s.URL, "http://")
}

const wholeLine = "{\"page_id\":\"a\",\"count\":1}\n"

// V30: an export that was whole when it was broken off, and had only to get its
// name, is not written a second time.
func TestAnExportThatIsWholeGetsItsName(t *testing.T) {
	t.Parallel()
	flag := adminAt(t, func(http.ResponseWriter, *http.Request) { t.Error("it is asked for pages") })
	file := filepath.Join(t.TempDir(), "all.ndjson")
	writeFile(t, file+".part", wholeLine)
	writeFile(t, file+".part.state", `{"cursor":"","bytes":26,"pages":1}`)
	if code, stdout, stderr := run(t, "export", file, flag); code != 0 || stdout != `{"pages":1,"unreadable":0}`+"\n" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	mustHave(t, file, wholeLine)
	if left, _ := filepath.Glob(file + ".*"); left != nil {
		t.Errorf("%v are left", left)
	}
}

// What is left of an export that has its name keeps no other from being made.
func TestAnExportAfterOneThatHasItsNameBeginsAnew(t *testing.T) {
	t.Parallel()
	flag := adminAt(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"pages":[{"page_id":"b","count":2}],"next":""}`))
	})
	file := filepath.Join(t.TempDir(), "all.ndjson")
	writeFile(t, file, wholeLine)
	writeFile(t, file+".part.state", `{"cursor":"","bytes":26,"pages":1}`)
	if code, _, stderr := run(t, "export", file, flag); code != 0 {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	mustHave(t, file, "{\"page_id\":\"b\",\"count\":2}\n")
}

// An export that can't get its name is still there for the next try.
func TestAnExportThatCanNotGetItsNameIsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "all.ndjson")
	asked := 0
	flag := adminAt(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if err := os.Mkdir(file, 0o700); err != nil {
			t.Error(err)
		}
		_, _ = w.Write([]byte(`{"pages":[{"page_id":"a","count":1}],"next":""}`))
	})
	if code, stdout, _ := run(t, "export", file, flag); code != 1 || stdout != "" {
		t.Errorf("exit code %d, %q", code, stdout)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "export", file, flag); code != 0 || asked != 1 {
		t.Errorf("exit code %d, %q; it asked %d times", code, stderr, asked)
	}
	mustHave(t, file, wholeLine)
}

// What is noted is replaced, and never half of it: the file that was there
// before stays what it was under another name.
func TestWhatIsNotedOfAnExportIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("cursor") != "b" {
			w.WriteHeader(http.StatusConflict)
			return
		}
		_, _ = w.Write([]byte(`{"pages":[{"page_id":"b","count":2}],"next":"c"}`))
	})
	file := filepath.Join(t.TempDir(), "all.ndjson")
	before := `{"cursor":"b","bytes":26,"pages":1}`
	writeFile(t, file+".part", wholeLine)
	writeFile(t, file+".part.state", before)
	if err := os.Link(file+".part.state", file+".before"); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "export", file, flag); code != 1 || !strings.Contains(stderr, "behind page 2") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	mustHave(t, file+".before", before)
	mustHave(t, file+".part.state", `{"cursor":"c","bytes":52,"pages":2,"broken":0}`)
}

// What is no count is none in a minute either.
func TestAnExportOfWhatIsNoCountEndsAtOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	flag := adminAt(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked > 1 {
			t.Error("it is asked again")
			w.WriteHeader(http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"code":"corrupt","detail":"It is no count."}`))
	})
	if code, _, stderr := run(t, "export", filepath.Join(t.TempDir(), "all"), flag); code != 1 || stderr != "footfall: 503 Service Unavailable: It is no count.\n" {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
