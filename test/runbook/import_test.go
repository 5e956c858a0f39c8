package runbook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// N15: files of other programs are imported as docs/export-import.md says: with each name of
// a column that it has, and from a spreadsheet. The program asks for the same names.
func TestN15FilesOfOtherProgramsAreImportedAsThePageSays(t *testing.T) {
	t.Parallel()
	page := string(check.Value(os.ReadFile("../../docs/export-import.md"))(t))
	// command is what the page has between backquotes, from a beginning on.
	command := func(start string) string {
		t.Helper()
		found := regexp.MustCompile("`(" + start + "[^`]*)`").FindStringSubmatch(page)
		if found == nil {
			t.Fatalf("the page has no `%s...`", start)
		}
		return found[1]
	}
	in := service.NewDeployment(t).Start()
	r := newReader(t, t.TempDir(), in)
	file := func(name, text string) { check.Must(t, os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600)) }

	_, list, _ := strings.Cut(page, "names the columns: ")
	list, _, _ = strings.Cut(list, ", in any case")
	list = strings.ReplaceAll(strings.ReplaceAll(list, "\n ", ""), " or ", ", ")
	pages, counts, found := strings.Cut(strings.ReplaceAll(list, "`", ""), ", and ")
	if !found {
		t.Fatalf("the page has no names of columns: %q", list)
	}
	file("url.csv", "url,12\n")
	if out, err := r.shell("-euc", "footfall import url.csv"); err == nil || !strings.Contains(err.Error(),
		"page may be "+strings.TrimPrefix(pages, "page, ")+", and count may be "+strings.TrimPrefix(counts, "count, ")+" (") {
		t.Errorf("the page has %q and %q, the program says %v %s", pages, counts, err, out)
	}
	number := 0
	for name := range strings.SplitSeq(pages, ", ") {
		for count := range strings.SplitSeq(counts, ", ") {
			number++
			file("old.csv", fmt.Sprintf("%s;Other;%s\nhome;x;%d\n", strings.ToUpper(name), count, number))
			check.Equal(t, r.run("footfall import old.csv"), `{"lines":2,"pages":1,"without_count":0,"invalid":0}`+"\n", "import of %s and %s", name, count)
			check.Equal(t, in.Visits("home"), int64(number), "visits of %s and %s", name, count)
		}
	}
	check.Equal(t, number, 20, "pairs of names")

	file("old.csv", "page,count\n/caf\xe9/,3\n/blog/hello,87\n")
	r.run(command("iconv ") + "\nfootfall import new.csv")
	check.Equal(t, in.Visits("/café/"), 3, "visits of a page of a spreadsheet")
	if got := r.run(strings.ReplaceAll(command("curl "), "localhost:8000", strings.TrimPrefix(in.Public, "http://"))); !strings.Contains(got, `"visits":87,`) {
		t.Errorf("the check of an import prints %s", got)
	}
	if _, err := exec.LookPath("jq"); err != nil {
		return
	}
	csv := regexp.MustCompile("```sh\n([^`]*jq [^`]*)```").FindAllStringSubmatch(page, -1)
	check.Equal(t, len(csv), 2, "blocks that make CSV")
	got := r.run("footfall export all.ndjson >counts\n" + csv[0][1] + "footfall import all.csv >counts\ncat all.csv")
	if !strings.HasPrefix(got, "page,count\n") || !strings.Contains(got, "\n\"/café/\",3\n") {
		t.Errorf("the CSV of an export is %s", got)
	}
	in.Record("today").Want(t, http.StatusOK)
	if got := r.run("footfall export --history all.ndjson >counts\n" + csv[1][1]); !regexp.MustCompile(`^"today","[0-9T:-]+:00:00Z",1\n$`).MatchString(got) {
		t.Errorf("the CSV of hours is %s", got)
	}
}

// N15: an endpoint on this machine is called by the commands of docs/integrations.md.
func TestN15AnEndpointOnThisMachineIsCalledAsThePageSays(t *testing.T) {
	t.Parallel()
	counts := make(chan string, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
		counts <- got.URL.String()
		w.WriteHeader(http.StatusNoContent)
	}))
	defer hook.Close()
	public, port := servers.FreeAddr(t), hook.URL[strings.LastIndex(hook.URL, ":")+1:]
	local := strings.NewReplacer("localhost:8000", public, "A9000", "A"+port)
	blocks := subsection(t, "integrations.md", "An endpoint on this machine")
	r := newReader(t, t.TempDir(), nil)
	end := r.terminal(blocks[0], "FOOTFALL_LISTEN="+public, "FOOTFALL_ADMIN_LISTEN=127.0.0.1:0", "FOOTFALL_WINDOW=2s")
	if got := r.run(local.Replace(blocks[1])); got != "ok" {
		t.Fatalf("%s answers %s", blocks[1], got)
	}
	service.WaitFor(t, "the endpoint is called", func() bool { return len(counts) > 0 })
	check.Equal(t, <-counts, "/hook?a=1&count=1", "what is called")
	service.WaitFor(t, "the log has the attempt", func() bool {
		out, err := r.shell("-euc", blocks[2])
		return err == nil && strings.Contains(out, `:`+port+`/hook","attempt":1,"status":204,`)
	})
	end()
}

// subsection are the shell blocks of a page below a heading of the third level, in order.
func subsection(t *testing.T, page, heading string) (blocks []string) {
	t.Helper()
	text := string(check.Value(os.ReadFile("../../docs/" + page))(t))
	_, section, _ := strings.Cut(text, "\n### "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n##")
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) != 3 {
		t.Fatalf("%s has %d blocks below %q, want 3", page, len(blocks), heading)
	}
	return blocks
}
