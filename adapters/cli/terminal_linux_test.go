package cli_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/bootstrap"
	"footfall/test/check"
)

// typed returns what a terminal shows. A terminal that no process has opened
// echoes its input: a return as the end of a line, and escape as ^[.
func typed(t *testing.T, write func(screen *os.File)) (shown string) {
	t.Helper()
	screen := check.Value(os.OpenFile("/dev/ptmx", os.O_RDWR, 0))(t)
	defer screen.Close()
	write(screen)
	const end = "the end\n"
	check.Value(screen.WriteString(end))(t)
	check.Must(t, screen.SetReadDeadline(time.Now().Add(10*time.Second)))
	for !strings.HasSuffix(shown, end) {
		some := make([]byte, 4096)
		n, err := screen.Read(some)
		if err != nil {
			t.Fatalf("%v after %q", err, shown)
		}
		shown += strings.ReplaceAll(string(some[:n]), "\r\n", "\n")
	}
	return strings.TrimSuffix(shown, end)
}

func TestTheRingIsATableOnATerminal(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"epoch":1,"fence":1,"nodes":[{"id":"embedded","addr":"embedded","weight":1,"state":"active","share":1,"coming":0}],"moves":{"left":0,"total":0},"losses":[]}`: `epoch 1, nothing moves

NODE      ADDRESS   STATE   WEIGHT  SHARE   INCOMING ARCS
embedded  embedded  active  1       100.0%  0
`,
		`{"epoch":1,"fence":1,"nodes":[{"id":"p00","addr":"p00","weight":1,"state":"active","host":"redis_10.0.0.1_6379","share":0.25,"coming":0},` +
			`{"id":"p01","addr":"p01","weight":1,"state":"active","host":"redis_10.0.0.2_6379","share":0.25,"coming":0,"away":"it does not answer"},` +
			`{"id":"p02","addr":"p02","weight":1,"state":"active","host":"redis_10.0.0.1_6379","share":0.25,"coming":0},` +
			`{"id":"p03","addr":"p03","weight":1,"state":"active","share":0.25,"coming":0,"away":"it does not answer"}],"moves":{"left":0,"total":0},"losses":[]}`: `epoch 1, nothing moves

SERVER               SHARE  PARTITIONS
redis_10.0.0.1_6379  50.0%  p00 p02
redis_10.0.0.2_6379  25.0%  p01
unknown              25.0%  p03

away: p01 p03: it does not answer
`,
		`{"epoch":3,"fence":4,"nodes":[{"id":"redis_7070","addr":"n1:7070","weight":1,"state":"active","share":0.3333,"coming":0},` +
			`{"id":"redis_7071","addr":"n2:7071","weight":20,"state":"leaving","share":0.6667,"coming":7,"away":"it does not answer"}],` +
			`"moves":{"left":7,"total":100,"arcs_per_second":3.5,"estimate_s":2,"stuck":[{"arc":5,"from":"redis_7070","to":"redis_7071","at":"redis_7071","reason":"refused","why":"1 of arc 5\u001b"}]},` +
			`"losses":[{"node":"redis_7069","epoch":2}],` +
			`"sweep":{"at":"2025-11-22T08:26:40Z","forgotten":12,"strays":[{"node":"redis_7070","arc":5,"pages":61}],"more_strays":3,"unswept":{"redis_7071":"it does not answer"}}}`: `epoch 3, and a change to 4 is being made; 7 of 100 arcs have to move, 3.5/s, 2 s left

NODE        ADDRESS  STATE    WEIGHT  SHARE  INCOMING ARCS
redis_7070  n1:7070  active   1       33.3%  0
redis_7071  n2:7071  leaving  20      66.7%  7  it does not answer

lost: redis_7069, by the change to epoch 2
leaving: redis_7071; keep it running until it is no longer listed
stuck: arc 5 from redis_7070 to redis_7071, refused at redis_7071: "1 of arc 5\x1b"
not swept: redis_7071: it does not answer
orphans: 4; footfall ring status | cat lists them
`,
	} {
		flag := adminAt(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) })
		for _, verb := range []string{"status", "repair"} {
			var code int
			var stderr strings.Builder
			shown := typed(t, func(screen *os.File) { code = bootstrap.Main([]string{"ring", verb, flag}, screen, &stderr) })
			if diff := cmp.Diff(want, shown); code != 0 || diff != "" || stderr.String() != "" {
				t.Errorf("ring %s: exit code %d, %s (-want +got):\n%s", verb, code, &stderr, diff)
			}
		}
		if code, stdout, stderr := run(t, "ring", "status", flag); code != 0 || stdout != answer+"\n" || stderr != "" {
			t.Errorf("elsewhere: exit code %d, %q, %q", code, stdout, stderr)
		}
	}
}

// A note replaces the bar, and no line stays empty.
func TestANoteReplacesTheBar(t *testing.T) {
	t.Parallel()
	_, flag := takingPages(t)
	for text, want := range map[string]string{
		"": "<clear><clear>",
		"{\"page_id\":\"a\",\"count\":null}\n{\"page_id\":\"b\",\"count\":1}\n": "<clear>footfall: line 1: page \"a\" has no count\n" +
			"<clear>[########################################] 100%, 2 lines<clear><clear>" +
			"footfall: 1 pages have no count in the file and were not changed; all others were set\n",
	} {
		file := filepath.Join(t.TempDir(), "all.ndjson")
		writeFile(t, file, text)
		shown := typed(t, func(screen *os.File) { bootstrap.Main([]string{"import", file, flag}, io.Discard, screen) })
		if diff := cmp.Diff(want, strings.ReplaceAll(shown, "\n^[[K", "<clear>")); diff != "" {
			t.Errorf("of %q (-want +got):\n%s", text, diff)
		}
	}
}
