package visits_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// inFile writes an import, and returns the name of its file.
func inFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "all.ndjson")
	check.Must(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// F9: two names that are not Unicode are not imported as one page, but refused, as all
// routes refuse them. A name that has U+FFFD itself is a name.
func TestF9NamesAreNeverMerged(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	for _, pair := range [][2]string{
		{`{"page_id":"x\udcff","count":1}`, `{"page_id":"x\udcfe","count":2}`},
		{"{\"page_id\":\"x\xff\",\"count\":1}", "{\"page_id\":\"x\xfe\",\"count\":2}"},
	} {
		in.ToolFails([]string{"line 1: "}, "import", inFile(t, pair[0]+"\n"+pair[1]+"\n"))
		for _, item := range pair {
			in.Administer(http.MethodPost, "/pages", "["+item+"]").Want(t, http.StatusBadRequest)
			service.MustSend(t, http.MethodPost, in.Public+"/visits", item+"\n").Want(t, http.StatusOK, `"failed"`, "!success")
		}
	}
	for _, name := range []string{"x%ff", "x%ED%B3%BF"} {
		in.Administer(http.MethodPut, "/pages/"+name, `{"count":1}`).Want(t, http.StatusBadRequest)
		in.Administer(http.MethodDelete, "/pages/"+name, "").Want(t, http.StatusBadRequest)
		in.Administer(http.MethodGet, "/ring/owner?page_id="+name, "").Want(t, http.StatusBadRequest)
		service.MustSend(t, http.MethodPost, in.Public+"/visit/"+name, "").Want(t, http.StatusBadRequest)
		in.Get("/visits/"+name).Want(t, http.StatusBadRequest)
		in.Get("/visits?page_id="+name).Want(t, http.StatusOK, "bad_page_id")
		in.Get("/api/verve/accept?id=1&endpoint=http://h.example/"+name).Want(t, http.StatusBadRequest)
	}
	in.Administer(http.MethodGet, "/pages", "").Want(t, http.StatusOK, `"pages":[]`)

	whole := "{\"page_id\":\"x\ufffd\",\"count\":1}\n"
	in.MustTool("import", inFile(t, whole))
	back := filepath.Join(t.TempDir(), "back")
	in.MustTool("export", back)
	check.Equal(t, string(check.Value(os.ReadFile(back))(t)), whole, "what comes back")
}

// F10: an import says of each line why it is refused. With --skip-invalid it sets all
// others, says how many it has skipped, and fails.
func TestF10AnImportSaysWhyAndGoesOn(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	long := strings.Repeat("n", 283)
	file := inFile(t, "\ufeff{\"page_id\":\"a\",\"count\":1}\r\n"+
		"{\"page_id\":\"b\\t\",\"count\":2}\r\n"+
		"{\"page_id\":\"c\",\"count\":-3}\r\n"+
		"{\"page_id\":\"d\",\"count\":4}\r\n"+
		"{\"page_id\":\""+long+"\",\"count\":5}\r\n"+
		"{\"page_id\":\"f\",\"count\":6}\r\n")
	in.ToolFails([]string{"line 2: bad page id: it has the control character U+0009", "--skip=2"}, "import", file)
	in.Administer(http.MethodGet, "/pages", "").Want(t, http.StatusOK, `{"page_id":"a","count":1}`, `!"d"`, `!"f"`)
	in.ToolFails([]string{
		"line 2: bad page id: it has the control character U+0009\n",
		"line 3: count is not an integer from 0 to 2^63-1\n",
		"line 5: bad page id: it has 283 bytes, the most is 256\n",
		"3 lines are invalid and were skipped; all others were set\n",
		`{"lines":6,"pages":3,"without_count":0,"invalid":3}`,
	}, "import", "--skip-invalid", file)
	for page, want := range map[string]int64{"a": 1, "c": 0, "d": 4, "f": 6} {
		check.Equal(t, in.Visits(page), want, "visits of %s", page)
	}
}

// X2: an import or an export waits for a service that refuses it, and is then restarted.
func TestX2ACommandWaitsForAServiceThatRefusesAndRestarts(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"import", "export"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			const pages = 2500
			r := service.NewRing(t, 1)
			d := r.Deployment()
			d.Env = append(d.Env, "FOOTFALL_ADMIN_LISTEN="+servers.FreeAddr(t))
			in := d.Start()
			var text strings.Builder
			for i := range pages {
				fmt.Fprintf(&text, "{\"page_id\":\"page-%d\",\"count\":%d}\n", i, i+1)
			}
			file := inFile(t, text.String())
			if command == "export" {
				in.MustTool("import", file)
			}
			r.Servers[0].Freeze()
			cmd := d.Command(context.Background(), command, file)
			stderr := check.Value(cmd.StderrPipe())(t)
			check.Must(t, cmd.Start())
			said := make(chan string, 100)
			go func() {
				defer close(said)
				for lines := bufio.NewScanner(stderr); lines.Scan(); {
					said <- lines.Text()
				}
			}()
			saysOnce := func(what string) {
				for {
					if line := service.Await(t, what, said); line == "" || strings.Contains(line, what) {
						check.Equal(t, line != "", true, "it ended before it said %q", what)
						return
					}
				}
			}
			saysOnce("; trying again for up to 1m0s") // the service has refused it
			in.Kill()
			saysOnce("no service listens")
			r.Servers[0].Thaw()
			in = d.Start()
			for line := range said {
				t.Log(line)
			}
			check.Must(t, cmd.Wait())
			back := filepath.Join(d.Dir, "back")
			in.MustTool("export", back)
			for _, name := range []string{file, back} {
				got := exported(t, name)
				check.Equal(t, len(got), pages, "pages in %s", name)
				for i := range pages {
					check.Equal(t, got[fmt.Sprintf("page-%d", i)], int64(i+1), "page %d in %s", i, name)
				}
			}
		})
	}
}
