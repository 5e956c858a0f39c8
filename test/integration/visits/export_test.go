package visits_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// exported are the counts of a file; a page that is there twice has its last one.
func exported(t *testing.T, name string) map[string]int64 {
	t.Helper()
	text := check.Value(os.ReadFile(name))(t)
	counts := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		var l struct {
			PageID string `json:"page_id"`
			Count  int64  `json:"count"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		counts[l.PageID] = l.Count
	}
	return counts
}

// record sends items in one request.
func record(t *testing.T, in *service.Instance, items []string) {
	t.Helper()
	service.MustSend(t, http.MethodPost, in.Public+"/visits", "["+strings.Join(items, ",")+"]", "Content-Type", "application/json").Want(t, http.StatusOK)
}

// V30: an export has every page with its count. An import of it, repeated or not,
// restores the counts, also in another kind of store, and after an interruption.
func TestAnExportIsImportedExactly(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	from := r.Start()
	want := make(map[string]int64)
	for i := 0; i < 4000; i += 1000 {
		var items []string
		for k := i; k < i+1000; k++ {
			page := fmt.Sprintf("page/%d ä<&>\"", k)
			want[page] = int64(k%8 + 1)
			items = append(items, fmt.Sprintf(`{"page_id":%q,"count":%d}`, page, k%8+1))
		}
		record(t, from, items)
	}
	file := filepath.Join(t.TempDir(), "all.ndjson")
	d := service.NewDeployment(t)
	from.MustTool("export", file)
	if got := exported(t, file); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%d pages are exported, want %d", len(got), len(want))
	}

	into := d.Start()
	text := check.Value(os.ReadFile(file))(t)
	lines := strings.SplitAfter(string(text), "\n")
	lines[2500] = "nonsense\n"
	broken := filepath.Join(d.Dir, "broken")
	check.Must(t, os.WriteFile(broken, []byte(strings.Join(lines, "")), 0o600))
	into.ToolFails([]string{"line 2501"}, "import", broken)
	for range 2 {
		into.MustTool("import", "--skip=2000", file)
	}
	back := filepath.Join(d.Dir, "back.ndjson")
	into.MustTool("export", back)
	if got := exported(t, back); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d pages came back, want %d", len(got), len(want))
	}
}

// V30: a listing that began before a change of the ring is refused rather than
// short, so that an export over the change fails. The next one has every page.
func TestAnExportOverAChangeOfTheRingStartsOver(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	in := r.Start()
	var items []string
	for k := range 2000 {
		items = append(items, fmt.Sprintf(`{"page_id":"page-%d","count":%d}`, k, k%8+1))
	}
	record(t, in, items)
	var first struct{ Next string }
	if in.Administer(http.MethodGet, "/pages", "").Into(t, &first); first.Next == "" {
		t.Fatal("the listing is one page")
	}
	added := servers.StartRedis(t)
	in.Add(added)
	in.Moved()
	if got := in.Administer(http.MethodGet, "/pages?cursor="+url.QueryEscape(first.Next), ""); got.Status < 400 || got.Status >= 500 {
		t.Errorf("a listing over a change of the ring: %d %s", got.Status, got.Body)
	}
	d := service.NewDeployment(t)
	file := filepath.Join(d.Dir, "all.ndjson")
	in.MustTool("export", file)
	if got := exported(t, file); len(got) != 2000 || got["page-7"] != 8 {
		t.Errorf("%d pages are exported, want 2000", len(got))
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// An export never replaces a link or a device.
func TestAnExportReplacesOnlyAFile(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t)
	in := d.Start()
	link := filepath.Join(t.TempDir(), "link")
	check.Must(t, os.Symlink("elsewhere", link))
	for _, name := range []string{link, t.TempDir()} {
		in.ToolFails([]string{"no regular file"}, "export", name)
	}
	if to, err := os.Readlink(link); err != nil || to != "elsewhere" {
		t.Errorf("the link leads to %q now: %v", to, err)
	}
}

// An operator sets and forgets pages; what isn't right changes nothing.
func TestAPageIsSetAndForgotten(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/pages/a%2Fb", `{"count":7}`, 200},
		{"PUT", "/pages/a%2Fb", `{"count":-1}`, 400},
		{"PUT", "/pages/a%2Fb", `{"count":1.5}`, 400},
		{"PUT", "/pages/a%2Fb", `{"count":1,"more":2}`, 400},
		{"PUT", "/pages/a%2Fb", `{}`, 400},
		{"PUT", "/pages/a%2Fb", ``, 415},
		{"PUT", "/pages/gone", `{"count":5}`, 200},
		{"DELETE", "/pages/gone", ``, 200},
		{"POST", "/pages", `[{"page_id":"x","count":1},{"page_id":"y","count":0}]`, 200},
		{"POST", "/pages", `[{"page_id":"x","count":9},{"page_id":"","count":1}]`, 400},
		{"GET", "/pages?cursor=nonsense", ``, 400},
	} {
		in.Administer(c.method, c.path, c.body).Want(t, c.status)
	}
	for page, want := range map[string]int64{"a/b": 7, "gone": 0, "x": 1, "y": 0} {
		check.Equal(t, in.Visits(page), want, "visits of %s", page)
	}
	in.Administer("GET", "/pages", "").Want(t, 200, "!gone", `{"page_id":"y","count":0}`)
}

// S5: pages are deleted by their prefix on all nodes, also when the ring changes meanwhile.
// All others keep their counts.
func TestS5PagesAreDeletedByPrefixOverAChangeOfTheRing(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2)
	in := r.Start()
	var items []string
	for k := range 2000 {
		items = append(items, fmt.Sprintf(`{"page_id":"spam/%d"}`, k))
	}
	record(t, in, items[:1000])
	record(t, in, items[1000:])
	record(t, in, []string{`{"page_id":"spam","count":3}`, `{"page_id":"good/spam/1","count":4}`, `{"page_id":"Spam/1","count":5}`})
	if got := in.MustTool("delete", "--prefix=spam/", "--dry-run"); !strings.Contains(got, `"pages":2000`) {
		t.Errorf("the dry run says %s", got)
	}
	check.Equal(t, in.Visits("spam/7"), 1, "visits after the dry run")
	in.ToolFails([]string{"--prefix is wanted"}, "delete")
	const step = `{"prefix":"spam/"}`
	in.Administer(http.MethodPost, "/pages/delete", step).Want(t, http.StatusOK, `"next":"`)
	in.Add(servers.StartRedis(t))
	in.MustTool("delete", "--prefix=spam/") // it waits for the arcs
	in.Moved()
	file := filepath.Join(t.TempDir(), "all.ndjson")
	in.MustTool("export", file)
	if got := exported(t, file); len(got) != 3 || got["spam"] != 3 || got["good/spam/1"] != 4 || got["Spam/1"] != 5 {
		t.Errorf("these pages are left: %v", got)
	}
	if !strings.Contains(in.Logged(), "pages were deleted") {
		t.Error("the log says nothing")
	}
}
