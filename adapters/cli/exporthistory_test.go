package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
)

// An export asks for the histories of the pages that are listed, until it has all of them, and says of how many
// they can't be read.
func TestAnExportAsksForHistoriesUntilItHasAll(t *testing.T) {
	t.Parallel()
	var asked []string
	flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		body := check.Value(io.ReadAll(r.Body))(t)
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"a","count":1},{"page_id":"b<","count":2},{"page_id":"c","count":3},{"page_id":"d","count":null}],"next":""}`))
			return
		}
		asked = append(asked, r.URL.Path+" "+string(body))
		if len(asked) == 1 {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"a","count":5,"history":{"since":7,"1h":[[3600,4]]}},{"page_id":"b<","count":2,"history":{"since":8}}]}`))
		} else {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"c","count":null},{"page_id":"d","count":null}]}`))
		}
	})
	file := filepath.Join(t.TempDir(), "all.ndjson")
	code, stdout, stderr := run(t, "export", "--history", file, flag)
	if code != 1 || stdout != `{"pages":4,"unreadable":1}`+"\n" || !strings.Contains(stderr, "the history of 2 pages can't be read") || !strings.Contains(stderr, "1 pages can't be read") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	mustHave(t, file, `{"page_id":"a","count":5,"history":{"since":7,"1h":[[3600,4]]}}
{"page_id":"b<","count":2,"history":{"since":8}}
{"page_id":"c","count":3}
{"page_id":"d","count":null}
`)
	check.Equal(t, strings.Join(asked, "; "), `/pages/history {"page_ids":["a","b\u003c","c","d"]}; /pages/history {"page_ids":["c","d"]}`, "what was asked")
}

// A service that keeps no history is no other listener: the command says what to do.
func TestAnExportOfHistoryThatIsOffSaysWhatToDo(t *testing.T) {
	t.Parallel()
	flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`{"pages":[{"page_id":"a","count":1}],"next":""}`))
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"detail":"This store keeps no history.","code":"no_history"}`))
	})
	code, stdout, stderr := run(t, "export", "--history", filepath.Join(t.TempDir(), "all.ndjson"), flag)
	if code != 1 || stdout != "" || !strings.Contains(stderr, "This store keeps no history.") ||
		!strings.Contains(stderr, "footfall history status") || !strings.Contains(stderr, "without --history") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}

// A request of an import has few pages with histories, and of no more than some length.
func TestAnImportSendsHistoriesInSmallRequests(t *testing.T) {
	t.Parallel()
	hour := time.Now().Truncate(time.Hour).Add(-time.Hour).Unix()
	short := fmt.Sprintf(`"count":9,"history":{"since":%d,"1h":[[%[1]d,2]]}`, hour)
	long := fmt.Sprintf(`"count":99999,"history":{"since":%d,"1h":[[%[1]d,2]%s]}`, hour, strings.Repeat(fmt.Sprintf(",[%d,1]", hour), 18_000))
	var text strings.Builder
	for i := range 250 {
		fmt.Fprintf(&text, "{\"page_id\":\"short-%d\",%s}\n", i, short)
	}
	for i := range 3 {
		fmt.Fprintf(&text, "{\"page_id\":\"long-%d\",%s}\n", i, long)
	}
	file := filepath.Join(t.TempDir(), "all.ndjson")
	writeFile(t, file, text.String())
	var sizes []int
	refuse := 4
	flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		body := check.Value(io.ReadAll(r.Body))(t)
		if len(body) > 2<<20 {
			t.Errorf("a request has %d bytes", len(body))
		}
		var pages []struct {
			History *struct {
				Hours [][2]int64 `json:"1h"`
			}
		}
		check.OK(t, json.Unmarshal(body, &pages))
		for _, p := range pages {
			if p.History == nil || p.History.Hours[0] != [2]int64{hour, 2} {
				t.Errorf("a page comes with %v", p.History)
			}
		}
		if sizes = append(sizes, len(pages)); len(sizes) == refuse {
			w.WriteHeader(http.StatusConflict)
		}
		_, _ = w.Write([]byte("{}"))
	})
	code, _, stderr := run(t, "import", file, flag)
	if code != 1 || !strings.Contains(stderr, "(continue with --skip=251)") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	code, stdout, stderr := run(t, "import", "--skip=251", file, flag)
	if code != 0 || stdout != `{"lines":253,"pages":2,"without_count":0,"invalid":0}`+"\n" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	check.Equal(t, fmt.Sprint(sizes), "[100 100 51 1 1 1]", "pages of the requests")
}

// The line of the documentation is one, and what is no history is refused with the reason.
func TestAHistoryThatIsNoneIsAnInvalidLine(t *testing.T) {
	t.Parallel()
	page := check.Value(os.ReadFile("../../docs/export-import.md"))(t)
	example := regexp.MustCompile("(?s)```json\n(.*?\n)```").FindSubmatch(page)
	check.Equal(t, len(example), 2, "an example in the documentation")
	for line, want := range map[string]string{
		string(example[1]): "",
		`{"page_id":"a","count":1,"history":{"since":3600,"1h":[[3600,2]]}}`:   "line 1: bad history: its buckets have more visits than the count, 1",
		`{"page_id":"a","count":1,"history":{"since":3600,"1h":[[3601,1]]}}`:   "line 1: bad history: 1h has a bucket of 3601, where none starts",
		`{"page_id":"a","count":1,"history":{"since":"x"}}`:                    "line 1: its fields are not page_id, count and history as an export has them",
		`{"page_id":"a","count":1,"history":{"since":3600,"2h":[[7200,1]]}}`:   `line 1: it has the unknown field "2h"`,
		`{"page_id":"a","count":1,"history":{"since":3600,"1h":[[3600,1,1]]}}`: "line 1: its fields are not",
	} {
		_, flag := takingPages(t)
		file := filepath.Join(t.TempDir(), "all.ndjson")
		writeFile(t, file, line)
		code, _, stderr := run(t, "import", file, flag)
		if (code == 0) != (want == "") || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, want %q", line, code, stderr, want)
		}
	}
}
