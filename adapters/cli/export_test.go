package cli_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/servers"
)

// A command fails immediately if no service listens at the address.
func TestAServiceThatIsNotThereIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	l := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	unused := l.Addr().String()
	_ = l.Close()
	file := filepath.Join(t.TempDir(), "all.ndjson")
	check.Must(t, os.WriteFile(file, []byte("{\"page_id\":\"a\",\"count\":1}\n"), 0o600))
	for _, line := range []string{"export " + file, "import " + file, "ring status"} {
		begin := time.Now()
		code, _, stderr := run(t, append(strings.Fields(line), "--admin-listen="+unused)...)
		if code != 1 || !strings.HasPrefix(stderr, "footfall: no service listens at "+unused+" (FOOTFALL_ADMIN_LISTEN): ") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q", line, code, stderr)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*.part*")); left != nil {
			t.Errorf("%s leaves %v", line, left)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s: it took %v", line, took)
		}
	}
}

// An export that has begun continues when the service restarts.
func TestAnExportWaitsForAServiceThatRestarts(t *testing.T) {
	t.Parallel()
	addr := servers.FreeAddr(t) // which no client takes meanwhile
	listener := check.Value(net.Listen("tcp", addr))(t)
	s := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = w.Write([]byte(`{"pages":[{"page_id":"a","count":1}],"next":"b"}`))
		_ = listener.Close()
	})}}
	s.Start()
	defer s.Close()
	file := filepath.Join(t.TempDir(), "all.ndjson")
	again := time.AfterFunc(300*time.Millisecond, func() {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"` + r.FormValue("cursor") + `","count":2}],"next":""}`))
			_ = l.Close()
		}))
	})
	defer again.Stop()
	code, _, stderr := run(t, "export", file, "--admin-listen="+addr)
	if code != 0 || strings.Count(stderr, "; trying again for up to 1m0s\n") != 1 {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	text, err := os.ReadFile(file)
	if want := "{\"page_id\":\"a\",\"count\":1}\n{\"page_id\":\"b\",\"count\":2}\n"; err != nil || string(text) != want {
		t.Errorf("%q, %v, want %q", text, err, want)
	}
}

// Only pages go to stdout, also if some can't be read.
func TestAnExportIsWrittenToStdout(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, "export", "-", adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("cursor") == "" {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"a<&","count":1},{"page_id":"b","count":null}],"next":"b"}`))
		} else {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"c","count":3}],"next":""}`))
		}
	}))
	if want := `{"page_id":"a<&","count":1}
{"page_id":"b","count":null}
{"page_id":"c","count":3}
`; code != 1 || stdout != want {
		t.Errorf("exit code %d, %q, want 1, %q", code, stdout, want)
	}
	if want := `{"pages":3,"unreadable":1}
footfall: 1 pages can't be read; the export has them with the count null
`; stderr != want {
		t.Errorf("stderr is %q, want %q", stderr, want)
	}
	check.Fails(t, check.Err(os.Lstat("-")), "there is a file of this name")
}

const (
	onePage  = `{"pages":[{"page_id":"a","count":1}],"next":""}`
	firstOf2 = `{"pages":[{"page_id":"a","count":1}],"next":"b"}`
	oneLine  = "{\"page_id\":\"a\",\"count\":1}\n"
)

// V30: an export that fails leaves the file of the last one as it was, and the
// next one starts over, also after a crash.
func TestAnInterruptedExportStartsOver(t *testing.T) {
	t.Parallel()
	failing := true
	flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.FormValue("cursor") == "" && failing:
			_, _ = w.Write([]byte(firstOf2))
		case failing:
			w.WriteHeader(http.StatusConflict)
		case r.FormValue("cursor") == "":
			_, _ = w.Write([]byte(onePage))
		default:
			t.Errorf("the export continues at %q", r.FormValue("cursor"))
		}
	})
	file := filepath.Join(t.TempDir(), "all.ndjson")
	writeFile(t, file, "of the last export\n")
	code, stdout, stderr := run(t, "export", file, flag)
	if want := "footfall: 409 Conflict (after 1 pages; run the command again to start over)\n"; code != 1 || stdout != "" || stderr != want {
		t.Errorf("exit code %d, %q, %q, want %q", code, stdout, stderr, want)
	}
	mustHave(t, file, "of the last export\n")
	failing = false
	for _, flags := range [][]string{nil, {"--restart"}, {"--anew"}} {
		writeFile(t, file+".part", "longer than the whole export, and left by a crash\n")
		if code, stdout, stderr := run(t, append([]string{"export", file, flag}, flags...)...); code != 0 || stdout != `{"pages":1,"unreadable":0}`+"\n" {
			t.Errorf("%q: exit code %d, %q, %q", flags, code, stdout, stderr)
		}
		mustHave(t, file, oneLine)
	}
	if left, _ := filepath.Glob(file + ".*"); left != nil {
		t.Errorf("%v are left", left)
	}
}

// The file has its name only when it is complete. One that can't get its name is
// kept.
func TestAnExportThatCanNotGetItsNameIsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "all.ndjson")
	flag := adminAt(t, func(w http.ResponseWriter, _ *http.Request) {
		check.OK(t, os.Mkdir(file, 0o700))
		_, _ = w.Write([]byte(onePage))
	})
	if code, stdout, stderr := run(t, "export", file, flag); code != 1 || stdout != "" || !strings.Contains(stderr, file+".part") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	mustHave(t, file+".part", oneLine)
}

// What is no count now is no count in a minute either.
func TestAnExportOfWhatIsNoCountIsNotRepeated(t *testing.T) {
	t.Parallel()
	asked := 0
	flag := adminAt(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked > 1 {
			t.Error("the request is repeated")
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
