package bootstrap_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whoever forgot to start the service, or gave another address, learns it at once.
func TestAServiceThatIsNotThereIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	file := filepath.Join(t.TempDir(), "all.ndjson")
	if err := os.WriteFile(file, []byte("{\"page_id\":\"a\",\"count\":1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"export " + file, "import " + file, "ring status"} {
		begin := time.Now()
		code, _, stderr := run(t, append(strings.Fields(line), "--admin-listen="+nobody)...)
		if code != 1 || !strings.HasPrefix(stderr, "footfall: no service is at the address in FOOTFALL_ADMIN_LISTEN: ") || strings.Count(stderr, "\n") != 1 {
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

// An export that has begun goes on when the service is started again meanwhile.
func TestAnExportWaitsForAServiceThatStartsAgain(t *testing.T) {
	t.Parallel()
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = w.Write([]byte(`{"pages":[{"page_id":"a","count":1}],"next":"b"}`))
		_ = s.Listener.Close()
	}))
	defer s.Close()
	addr := s.Listener.Addr().String()
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

// What goes to stdout is pages alone, also where some can't be read.
func TestAnExportIsWrittenToStdout(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("cursor") == "" {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"a<&","count":1},{"page_id":"b","count":null}],"next":"b"}`))
		} else {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"c","count":3}],"next":""}`))
		}
	}))
	defer s.Close()
	code, stdout, stderr := run(t, "export", "-", "--admin-listen="+strings.TrimPrefix(s.URL, "http://"))
	if want := `{"page_id":"a<&","count":1}
{"page_id":"b","count":null}
{"page_id":"c","count":3}
`; code != 1 || stdout != want {
		t.Errorf("exit code %d, %q, want 1, %q", code, stdout, want)
	}
	if want := `{"pages":3,"unreadable":1}
footfall: 1 pages can't be read; they are there with the count null
`; stderr != want {
		t.Errorf("stderr is %q, want %q", stderr, want)
	}
	if _, err := os.Lstat("-"); err == nil {
		t.Error("there is a file of this name")
	}
}

// What is noted about an export that was broken off may fit another file: one
// that was begun anew, or whose part somebody has deleted.
func TestAnExportGoesOnOnlyFromWhatItWrote(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("cursor") == "" {
			w.WriteHeader(http.StatusConflict)
		} else {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"c","count":3}],"next":""}`))
		}
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "all.ndjson")
	export := func(args ...string) (int, string) {
		code, _, stderr := run(t, append([]string{"export", file, "--admin-listen=" + strings.TrimPrefix(s.URL, "http://")}, args...)...)
		return code, stderr
	}
	state := func() {
		t.Helper()
		if err := os.WriteFile(file+".part.state", []byte(`{"cursor":"c","bytes":24,"pages":1}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state()
	if code, stderr := export(); code != 1 || !strings.Contains(stderr, "--anew") {
		t.Errorf("without what was written: exit code %d, %q", code, stderr)
	}
	state()
	for _, args := range [][]string{{"--anew"}, nil} { // the second is as new as the first
		if code, stderr := export(args...); code != 1 || !strings.Contains(stderr, "409") {
			t.Errorf("%q: exit code %d, %q", args, code, stderr)
		}
	}
	if text, err := os.ReadFile(file); err == nil {
		t.Errorf("exported: %q", text)
	}
}
