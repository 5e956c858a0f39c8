package cli_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"footfall/bootstrap"
	"footfall/test/check"
)

// windowPages answers with two pages of windows.
func windowPages(asked *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RequestURI())
		const head = `{"windows":[`
		switch r.URL.Query().Get("cursor") {
		case "":
			_, _ = fmt.Fprint(w, head+`{"id":"footfall_20261122T100600Z","window_start":"2026-11-22T10:06:00Z","window_end":"2026-11-22T10:07:00Z","count":9,"state":"done","published_to":"rabbitmq","callbacks":{"endpoints":3,"delivered":2,"failed":1}},`+
				`{"id":"footfall_20261122T100500Z","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":0,"state":"lost","callbacks":{"endpoints":0,"delivered":0,"failed":0},"later":1}],"next_cursor":"a+b"}`)
		case "a+b":
			_, _ = fmt.Fprint(w, head+`{"id":"footfall_20261122T100400Z","window_start":"2026-11-22T10:04:00Z","window_end":"2026-11-22T10:05:00Z","count":1234567890123456789,"state":"done","published_to":"log","callbacks":{"endpoints":0,"delivered":0,"failed":0}}]}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, `{"detail":"The cursor is bad.","code":"bad_cursor"}`)
		}
	}
}

func TestWindowsAreListedInEachFormat(t *testing.T) {
	t.Parallel()
	const table = `WINDOW                     START                 COUNT                STATE  PUBLISHED TO  CALLBACKS
footfall_20261122T100600Z  2026-11-22T10:06:00Z  9                    done   rabbitmq      2 of 3 delivered, 1 failed
footfall_20261122T100500Z  2026-11-22T10:05:00Z  0                    lost   -             -
footfall_20261122T100400Z  2026-11-22T10:04:00Z  1234567890123456789  done   log           -
`
	for format, want := range map[string]string{
		"table": table,
		"csv": `id,window_start,window_end,count,state,published_to,endpoints,delivered,failed
footfall_20261122T100600Z,2026-11-22T10:06:00Z,2026-11-22T10:07:00Z,9,done,rabbitmq,3,2,1
footfall_20261122T100500Z,2026-11-22T10:05:00Z,2026-11-22T10:06:00Z,0,lost,,0,0,0
footfall_20261122T100400Z,2026-11-22T10:04:00Z,2026-11-22T10:05:00Z,1234567890123456789,done,log,0,0,0
`,
		"ndjson": `{"id":"footfall_20261122T100600Z","window_start":"2026-11-22T10:06:00Z","window_end":"2026-11-22T10:07:00Z","count":9,"state":"done","published_to":"rabbitmq","callbacks":{"endpoints":3,"delivered":2,"failed":1}}
{"id":"footfall_20261122T100500Z","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":0,"state":"lost","callbacks":{"endpoints":0,"delivered":0,"failed":0},"later":1}
{"id":"footfall_20261122T100400Z","window_start":"2026-11-22T10:04:00Z","window_end":"2026-11-22T10:05:00Z","count":1234567890123456789,"state":"done","published_to":"log","callbacks":{"endpoints":0,"delivered":0,"failed":0}}
`,
	} {
		var asked []string
		flag := adminAt(t, windowPages(&asked))
		code, stdout, stderr := run(t, "windows", "--from=2026-11-22", "--to=2026-11-23T00:00:00+01:00", "--format="+format, flag)
		if code != 0 || stdout != want || stderr != "" {
			t.Errorf("exit code %d, %q, the output is\n%s", code, stderr, stdout)
		}
		const first = "/windows?from=2026-11-22&limit=1000&to=2026-11-23T00%3A00%3A00%2B01%3A00"
		check.Equal(t, strings.Join(asked, " "), first+" "+strings.Replace(first, "?", "?cursor=a%2Bb&", 1), "the requests")
		if code, other, _ := run(t, "windows", flag); format == "ndjson" && (code != 0 || other != want) {
			t.Errorf("without a format: exit code %d, %q", code, other)
		}
	}
	shown := typed(t, func(screen *os.File) {
		var asked []string
		bootstrap.Main([]string{"windows", adminAt(t, windowPages(&asked))}, screen, screen)
	})
	check.Equal(t, shown, table, "the output on a terminal")
}

// What was listed before a failure is written, and the error says how to go on.
func TestAListThatFailsMidwaySaysWhereToGoOn(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"table", "csv", "ndjson"} {
		var asked []string
		pages := windowPages(&asked)
		flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("cursor") != "" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			pages(w, r)
		})
		code, stdout, stderr := run(t, "windows", "--format="+format, flag)
		if code != 1 || !strings.Contains(stdout, "footfall_20261122T100500Z") || !strings.Contains(stderr, "(go on with --to 2026-11-22T10:05:00Z)") {
			t.Errorf("%s: exit code %d, %q, %q", format, code, stdout, stderr)
		}
	}
}

func TestFlagsOfWindowsAreChecked(t *testing.T) {
	t.Parallel()
	flag := adminAt(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for word, want := range map[string]string{
		"--from=yesterday":  "--from is neither a date",
		"--to=2026-13-01":   "--to is neither a date",
		"--format=xml":      `--format is "xml", want one of table, csv, ndjson`,
		"windows":           "unexpected argument windows",
		"--to=2026-11-22 1": "--to is neither a date",
	} {
		code, stdout, stderr := run(t, "windows", word, flag)
		if code != 2 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, %q", word, code, stdout, stderr)
		}
	}
}
