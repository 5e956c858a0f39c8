package cli_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"

	"github.com/google/go-cmp/cmp"
)

// takingPages starts an admin listener that records the counts that it receives,
// and returns its flag.
func takingPages(t *testing.T) (counts map[string]int64, flag string) {
	t.Helper()
	counts = make(map[string]int64)
	return counts, adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		var pages []struct {
			PageID string `json:"page_id"`
			Count  *int64 `json:"count"`
		}
		if err := json.NewDecoder(r.Body).Decode(&pages); err != nil || r.Method+r.URL.Path != "POST/pages" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		for _, p := range pages {
			counts[p.PageID] = *p.Count
		}
		_, _ = w.Write([]byte("{}"))
	})
}

// V30: an export has pages that could not be read, with the count null. All
// other pages are imported, and each of these is reported.
func TestAPageWithoutACountIsNotImported(t *testing.T) {
	t.Parallel()
	counts, flag := takingPages(t)
	file := filepath.Join(t.TempDir(), "all.ndjson")
	text := `{"page_id":"a","count":1}
{"page_id":"b","count":null}
{"page_id":"c","count":3}
{"page_id":"d\n","count":null}
{"page_id":"e","count":0}
`
	check.Must(t, os.WriteFile(file, []byte(text), 0o600))
	code, stdout, stderr := run(t, "import", file, flag)
	if code != 1 || stdout != `{"lines":5,"without_count":2}`+"\n" {
		t.Errorf("exit code %d, %q", code, stdout)
	}
	want := `footfall: line 2: page "b" has no count
footfall: line 4: page "d\n" has no count
footfall: 2 pages have no count in the file and were not changed; all others were set
`
	if diff := cmp.Diff(want, stderr); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"a": 1, "c": 3, "e": 0}, counts); diff != "" {
		t.Errorf("set (-want +got):\n%s", diff)
	}
}

func TestALineThatIsNoPageEndsAnImport(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`nonsense`, `{"count":1}`, `{"page_id":"b","count":"1"}`, `{"page_id":"b","count":1.5}`, `[]`,
		`{"page_id":"b","count":-1}`, `{"page_id":"b\n","count":1}`, "{\"page_id\":\"\xff\",\"count\":1}",
		`{"page_id":"` + strings.Repeat("b", 257) + `","count":1}`, `{"page_id":"` + strings.Repeat("b", 100_000) + `","count":1}`,
	} {
		counts, flag := takingPages(t)
		file := filepath.Join(t.TempDir(), "all.ndjson")
		check.Must(t, os.WriteFile(file, []byte("{\"page_id\":\"a\",\"count\":1}\n"+line+"\n{\"page_id\":\"c\",\"count\":3}\n"), 0o600))
		code, stdout, stderr := run(t, "import", file, flag)
		if code != 1 || stdout != "" || stderr != "footfall: line 2 is not a page with a count (--skip=2 skips it)\n" {
			t.Errorf("%s: exit code %d, %q, %q", line, code, stdout, stderr)
		}
		if diff := cmp.Diff(map[string]int64{"a": 1}, counts); diff != "" {
			t.Errorf("%s: set (-want +got):\n%s", line, diff)
		}
		if code, stdout, stderr := run(t, "import", file, "--skip=2", flag); code != 0 || stdout != `{"lines":3,"without_count":0}`+"\n" {
			t.Errorf("%s is not skipped: exit code %d, %q, %q", line, code, stdout, stderr)
		}
	}
}

// A line without an end is not read whole.
func TestAnEndlessLineEndsAnImport(t *testing.T) {
	t.Parallel()
	counts, flag := takingPages(t)
	file := filepath.Join(t.TempDir(), "all.ndjson")
	writeFile(t, file, oneLine+strings.Repeat("b", 2<<20))
	code, stdout, stderr := run(t, "import", file, flag)
	if want := "footfall: line 2: bufio.Scanner: token too long\n"; code != 1 || stdout != "" || stderr != want || counts["a"] != 1 {
		t.Errorf("exit code %d, %q, %q, %v", code, stdout, stderr, counts)
	}
}

// importStdin is an import as a process, which reads its stdin.
func importStdin(t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"import", "-"}, flags...)...)
	cmd.Env = append(os.Environ(), "FOOTFALL_UNDER_TEST=1")
	return cmd
}

func TestAnImportReadsStdin(t *testing.T) {
	t.Parallel()
	counts, flag := takingPages(t)
	cmd := importStdin(t, flag, "--skip=1")
	cmd.Stdin = strings.NewReader("{\"page_id\":\"a\",\"count\":1}\n{\"page_id\":\"b\",\"count\":2}\n{\"page_id\":\"c\",\"count\":3}\n")
	out, err := cmd.CombinedOutput()
	check.Must(t, err)
	check.Equal(t, string(out), `{"lines":3,"without_count":0}`+"\n", "the output")
	if diff := cmp.Diff(map[string]int64{"b": 2, "c": 3}, counts); diff != "" {
		t.Errorf("set (-want +got):\n%s", diff)
	}
}

// A signal ends an import that waits for a pipe.
func TestAnImportThatWaitsForStdinIsInterrupted(t *testing.T) {
	t.Parallel()
	_, flag := takingPages(t)
	cmd := importStdin(t, flag)
	stdin := check.Value(cmd.StdinPipe())(t)
	defer stdin.Close()
	stderr := check.Value(cmd.StderrPipe())(t)
	check.Must(t, cmd.Start())
	// The note about this line shows that it has begun.
	check.Value(io.WriteString(stdin, `{"page_id":"a","count":null}`+"\n"))(t)
	lines := bufio.NewScanner(stderr)
	lines.Scan()
	check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	lines.Scan()
	check.Equal(t, lines.Text(), "footfall: terminated signal received (continue with --skip=0)", "stderr")
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
}
