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
	"time"

	"footfall/test/integration/service"
	"footfall/test/servers"
)

// exported are the counts of a file; a page that is there twice has its last one.
func exported(t *testing.T, name string) map[string]int64 {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
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
			want[page] = int64(k + 1)
			items = append(items, fmt.Sprintf(`{"page_id":%q,"count":%d}`, page, k+1))
		}
		if status, _ := post(t, from.Public+"/visits", "["+strings.Join(items, ",")+"]"); status != 200 {
			t.Fatal(status)
		}
	}
	file := filepath.Join(t.TempDir(), "all.ndjson")
	d := service.NewDeployment(t)
	if out, err := from.Tool(d, "export", file); err != nil {
		t.Fatal(err, out)
	}
	if got := exported(t, file); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%d pages are exported, want %d", len(got), len(want))
	}

	into := d.Start()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	lines[2500] = "nonsense\n"
	broken := filepath.Join(d.Dir, "broken")
	if err := os.WriteFile(broken, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := into.Tool(d, "import", broken); err == nil || !strings.Contains(out, "line 2501") {
		t.Errorf("a broken line was imported: %s", out)
	}
	for range 2 {
		if out, err := into.Tool(d, "import", "--skip=2000", file); err != nil {
			t.Fatal(err, out)
		}
	}
	back := filepath.Join(d.Dir, "back.ndjson")
	if out, err := into.Tool(d, "export", back); err != nil {
		t.Fatal(err, out)
	}
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
		items = append(items, fmt.Sprintf(`{"page_id":"page-%d","count":%d}`, k, k+1))
	}
	if status, _ := post(t, in.Public+"/visits", "["+strings.Join(items, ",")+"]"); status != 200 {
		t.Fatal(status)
	}
	_, body := in.Administer(http.MethodGet, "/pages", "")
	var first struct{ Next string }
	if err := json.Unmarshal([]byte(body), &first); err != nil || first.Next == "" {
		t.Fatal(err, body)
	}
	added := servers.StartRedis(t)
	in.Change(http.MethodPost, "/ring/nodes", fmt.Sprintf(`{"addr":"redis://%s"}`, added.Addr))
	service.WaitFor(t, "arcs to move", 2*time.Minute, func() bool { return in.Ring().Moves.Left == 0 })
	if status, body := in.Administer(http.MethodGet, "/pages?cursor="+url.QueryEscape(first.Next), ""); status < 400 || status >= 500 {
		t.Errorf("a listing over a change of the ring: %d %s", status, body)
	}
	d := service.NewDeployment(t)
	file := filepath.Join(d.Dir, "all.ndjson")
	if out, err := in.Tool(d, "export", file); err != nil {
		t.Fatal(err, out)
	}
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
	if err := os.Symlink("elsewhere", link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, t.TempDir()} {
		if out, err := in.Tool(d, "export", name); err == nil || !strings.Contains(out, "no regular file") {
			t.Errorf("%s: %v %s", name, err, out)
		}
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
		if status, body := in.Administer(c.method, c.path, c.body); status != c.status {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.path, c.body, status, body, c.status)
		}
	}
	for page, want := range map[string]int64{"a/b": 7, "gone": 0, "x": 1, "y": 0} {
		if got := in.Visits(page); got != want {
			t.Errorf("%s has %d visits, want %d", page, got, want)
		}
	}
	if _, body := in.Administer("GET", "/pages", ""); strings.Contains(body, "gone") || !strings.Contains(body, `{"page_id":"y","count":0}`) {
		t.Errorf("listed: %s", body)
	}
}

func post(t *testing.T, url, body string) (int, error) {
	t.Helper()
	c := service.NewClient()
	defer c.CloseIdleConnections()
	resp, err := c.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
