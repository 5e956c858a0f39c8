package bootstrap_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// takingPages is an admin listener that notes the counts that it is given; the
// flag that leads there.
func takingPages(t *testing.T) (counts map[string]int64, flag string) {
	t.Helper()
	counts = make(map[string]int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	}))
	t.Cleanup(s.Close)
	return counts, "--admin-listen=" + strings.TrimPrefix(s.URL, "http://")
}

// V30: an export has pages that could not be read, with the count null. They
// keep no other page from being imported, and none is passed over silently.
func TestAPageWithoutACountIsLeftOutOfAnImport(t *testing.T) {
	t.Parallel()
	counts, flag := takingPages(t)
	file := filepath.Join(t.TempDir(), "all.ndjson")
	text := `{"page_id":"a","count":1}
{"page_id":"b","count":null}
{"page_id":"c","count":3}
{"page_id":"d\n","count":null}
{"page_id":"e","count":0}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := run(t, "import", file, flag)
	if code != 1 || stdout != `{"lines":5,"without_count":2}`+"\n" {
		t.Errorf("exit code %d, %q", code, stdout)
	}
	want := `footfall: line 2: page "b" has no count
footfall: line 4: page "d\n" has no count
footfall: 2 pages have no count in the file, and were left as they are; all others were set
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
	for _, line := range []string{`nonsense`, `{"count":1}`, `{"page_id":"b","count":"1"}`, `{"page_id":"b","count":1.5}`, `[]`} {
		counts, flag := takingPages(t)
		file := filepath.Join(t.TempDir(), "all.ndjson")
		if err := os.WriteFile(file, []byte("{\"page_id\":\"a\",\"count\":1}\n"+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := run(t, "import", file, flag)
		if code != 1 || stdout != "" || stderr != "footfall: line 2 is no page with a count (--skip=2 leaves it out)\n" {
			t.Errorf("%s: exit code %d, %q, %q", line, code, stdout, stderr)
		}
		if diff := cmp.Diff(map[string]int64{"a": 1}, counts); diff != "" {
			t.Errorf("%s: set (-want +got):\n%s", line, diff)
		}
	}
}
