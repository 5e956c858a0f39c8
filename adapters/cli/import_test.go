package cli_test

import (
	"bufio"
	"encoding/json"
	"fmt"
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
	"github.com/google/go-cmp/cmp/cmpopts"
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
	if code != 1 || stdout != `{"lines":5,"pages":3,"without_count":2,"invalid":0}`+"\n" {
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

// badLines are lines that the service would refuse, and what is said of them.
var badLines = []struct{ text, why string }{
	{`nonsense`, `want {"page_id":"home","count":12}, or CSV whose first line is page,count`},
	{`[]`, `want {"page_id":"home","count":12}, or CSV whose first line is page,count`},
	{`{"page_id":"b","count":1} {}`, `want {"page_id":"home","count":12}, or CSV whose first line is page,count`},
	{`{"page_id":"b","count":1`, `want {"page_id":"home","count":12}, or CSV whose first line is page,count`},
	{`{"count":1}`, "bad page id: it is empty"},
	{`{"page_id":null,"count":1}`, "bad page id: it is empty"},
	{`{"page_id":7,"count":1}`, "page_id is not a string of Unicode characters"},
	{`{"page_id":"b","count":"1"}`, "count is not an integer from 0 to 2^63-1"},
	{`{"page_id":"b","count":1.5}`, "count is not an integer from 0 to 2^63-1"},
	{`{"page_id":"b","count":1e3}`, "count is not an integer from 0 to 2^63-1"},
	{`{"page_id":"b","count":9223372036854775808}`, "count is not an integer from 0 to 2^63-1"},
	{`{"page_id":"b","count":-1}`, "count is not an integer from 0 to 2^63-1"},
	{`{"page_id":"b","count":1,"more":2}`, `it has the unknown field "more"`},
	{`{"page_id":"b","Count":1}`, `it has the unknown field "Count"`},
	{`{"page_id":"b","count":1,"count":2}`, `it has the field "count" twice`},
	{`{"page_id":"b","page_id":"c","count":1}`, `it has the field "page_id" twice`},
	{`{"page_id":"b\n","count":1}`, "bad page id: it has the control character U+000A"},
	{"{\"page_id\":\"\xff\",\"count\":1}", "it is not valid UTF-8"},
	{`{"page_id":"x\udcff","count":1}`, "page_id is not a string of Unicode characters"},
	{`{"page_id":"x\ufffd\udcfe","count":1}`, "page_id is not a string of Unicode characters"},
	{`{"page_id":"` + strings.Repeat("b", 283) + `","count":1}`, "bad page id: it has 283 bytes, the most is 256"},
	{`{"page_id":"` + strings.Repeat("b", 2<<20) + `","count":1}`, "it has more than 1048576 bytes"},
}

// F9, F10: a line that the service would refuse ends an import, and says why.
func TestALineThatIsNoPageEndsAnImport(t *testing.T) {
	t.Parallel()
	for _, bad := range badLines {
		counts, flag := takingPages(t)
		file := filepath.Join(t.TempDir(), "all.ndjson")
		writeFile(t, file, oneLine+bad.text+"\n{\"page_id\":\"c\",\"count\":3}\n")
		code, stdout, stderr := run(t, "import", file, flag)
		if want := "footfall: line 2: " + bad.why + " (--skip=2 skips it, --skip-invalid all such lines)\n"; code != 1 || stdout != "" || stderr != want {
			t.Errorf("%.100s: exit code %d, %q, %q, want %q", bad.text, code, stdout, stderr, want)
		}
		if diff := cmp.Diff(map[string]int64{"a": 1}, counts); diff != "" {
			t.Errorf("%.100s: set (-want +got):\n%s", bad.text, diff)
		}
		if code, stdout, stderr := run(t, "import", file, "--skip=2", flag); code != 0 || stdout != `{"lines":3,"pages":1,"without_count":0,"invalid":0}`+"\n" {
			t.Errorf("%.100s is not skipped: exit code %d, %q, %q", bad.text, code, stdout, stderr)
		}
	}
}

// F10: with --skip-invalid each such line is reported, and all others are set.
func TestInvalidLinesAreReportedAndSkipped(t *testing.T) {
	t.Parallel()
	counts, flag := takingPages(t)
	file := filepath.Join(t.TempDir(), "all.ndjson")
	text, want := oneLine, ""
	for i, bad := range badLines {
		text += bad.text + "\n"
		want += fmt.Sprintf("footfall: line %d: %s\n", i+2, bad.why)
	}
	want += fmt.Sprintf("footfall: %d lines are invalid and were skipped; all others were set\n", len(badLines))
	writeFile(t, file, text+`{"page_id":"c","count":3}`)
	code, stdout, stderr := run(t, "import", "--skip-invalid", file, flag)
	if diff := cmp.Diff(want, stderr); code != 1 || stdout != fmt.Sprintf("{\"lines\":%d,\"pages\":2,\"without_count\":0,\"invalid\":%d}\n", len(badLines)+2, len(badLines)) || diff != "" {
		t.Errorf("exit code %d, %q, stderr (-want +got):\n%s", code, stdout, diff)
	}
	if diff := cmp.Diff(map[string]int64{"a": 1, "c": 3}, counts); diff != "" {
		t.Errorf("set (-want +got):\n%s", diff)
	}
}

// F10: files that Windows has written are read; those that are UTF-16 say so. What
// names no line is not silent.
func TestFilesOfOtherSystemsAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, stdout, stderr string
		args                       []string
		want                       map[string]int64
	}{
		{name: "a mark, CRLF and empty lines", text: "\ufeff{\"page_id\":\"a\",\"count\":1}\r\n\r\n \n{\"page_id\":\"b\",\"count\":2}\r\n", stdout: `{"lines":4,"pages":2,"without_count":0,"invalid":0}` + "\n", want: map[string]int64{"a": 1, "b": 2}},
		{name: "a second mark", text: oneLine + "\ufeff" + oneLine, want: map[string]int64{"a": 1}, stderr: "footfall: line 2: want {"},
		{name: "UTF-16", text: "\xff\xfe{\x00", args: []string{"--skip-invalid"}, stderr: "footfall: the file is UTF-16, want UTF-8\n"},
		{name: "an empty file", stdout: `{"lines":0,"pages":0,"without_count":0,"invalid":0}` + "\n"},
		{name: "fewer lines than are skipped", text: oneLine, args: []string{"--skip=2"}, stdout: `{"lines":1,"pages":0,"without_count":0,"invalid":0}` + "\n", stderr: "footfall: --skip is 2, and the file has 1 lines: no page was set\n"},
		{name: "as many lines as are skipped", text: oneLine, args: []string{"--skip=1"}, stdout: `{"lines":1,"pages":0,"without_count":0,"invalid":0}` + "\n"},
	} {
		counts, flag := takingPages(t)
		file := filepath.Join(t.TempDir(), "all.ndjson")
		writeFile(t, file, c.text)
		code, stdout, stderr := run(t, append([]string{"import", file, flag}, c.args...)...)
		if (code == 0) != (c.stderr == "") || stdout != c.stdout || !strings.HasPrefix(stderr, c.stderr) {
			t.Errorf("%s: exit code %d, %q, %q, want %q, %q", c.name, code, stdout, stderr, c.stdout, c.stderr)
		}
		if diff := cmp.Diff(c.want, counts, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: set (-want +got):\n%s", c.name, diff)
		}
	}
	code, _, stderr := run(t, "import", t.TempDir(), "--admin-listen=127.0.0.1:1")
	if code != 1 || !strings.HasSuffix(stderr, ": is a directory\n") {
		t.Errorf("a directory: exit code %d, %q", code, stderr)
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
	check.Equal(t, string(out), `{"lines":3,"pages":2,"without_count":0,"invalid":0}`+"\n", "the output")
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
	check.Equal(t, lines.Text(), "footfall: terminated signal received", "stderr")
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
}

// N10: CSV is read by its header. A line that can't be read says what is wanted.
func TestN10CSVIsReadByItsHeader(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want, stderr string }{
		"page,count": {"page,count\nhome,12\n\"a,b \"\"c\"\"\",0\n", `[{"page_id":"home","count":12},{"page_id":"a,b \"c\"","count":0}]`, ""},
		"an export":  {"\ufeffPath;Title;Views\r\n/blog/hello;Hello;7\r\n", `[{"page_id":"/blog/hello","count":7}]`, ""},
		"tabs":       {"visits\tpage\n3\thome\n", `[{"page_id":"home","count":3}]`, ""},
		"no header": {"url,12\n", "", `line 1: want {"page_id":"home","count":12}, or CSV whose first line is page,count; ` +
			`page may be page_id, path, page path, and count may be visits, views, pageviews, hits (--skip=1`},
		"not UTF-8": {"page,count\n/caf\xe9/,1\n", "", `line 2: it is not valid UTF-8; convert the file first, such as by iconv`},
		"no number": {"page,count\nhome,\"1,204\"\n", "", `line 2: want a page and a whole number from 0 to 2^63-1, such as home,12: the number is "1,204"`},
		"negative":  {"page,count\nhome,-1\n", "", `line 2: want a page and a whole number`},
		"too many":  {"page,count\nhome,1,2\n", "", `line 2: want a page and a whole number from 0 to 2^63-1, such as home,12: it has 3 fields, the header has 2`},
		"a quote":   {"page,count\nho\"me,1\n", "", `line 2: want a page and a whole number from 0 to 2^63-1, such as home,12: bare "`},
		"no page":   {"page,count\n,1\n", "", `line 2: bad page id`},
		"twice":     {"page,count\nhome,1\nhome,2\n", `[{"page_id":"home","count":1}]`, `line 3: its page has an earlier line`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = append(got, string(body))
				_, _ = w.Write([]byte("{}"))
			})
			file := filepath.Join(t.TempDir(), "pages.csv")
			writeFile(t, file, c.file)
			code, _, stderr := run(t, "import", file, flag)
			if (code == 0) != (c.stderr == "") || !strings.Contains(stderr, c.stderr) || strings.Join(got, "") != c.want {
				t.Errorf("exit code %d, %q, sent %s, want %s, %q", code, stderr, got, c.want, c.stderr)
			}
		})
	}
	t.Run("continued", func(t *testing.T) {
		t.Parallel()
		var got string
		flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = string(body)
			_, _ = w.Write([]byte("{}"))
		})
		file := filepath.Join(t.TempDir(), "pages.csv")
		writeFile(t, file, "page,count\na,1\nb,2\n")
		if code, _, stderr := run(t, "import", "--skip=2", file, flag); code != 0 || got != `[{"page_id":"b","count":2}]` {
			t.Errorf("exit code %d, %q, sent %s", code, stderr, got)
		}
		writeFile(t, file, "page,count\na,1\nb,2\na,3\n")
		got = ""
		if code, _, stderr := run(t, "import", "--skip=3", file, flag); code == 0 || !strings.Contains(stderr, "line 4: its page has an earlier line") || got != "" {
			t.Errorf("a second line of a page that was skipped: exit code %d, %q, sent %s", code, stderr, got)
		}
	})
}
