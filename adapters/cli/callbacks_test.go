package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"footfall/bootstrap"
	"footfall/test/check"
)

const (
	firstFailed = `{"window":"footfall_20261122T100500Z","endpoint":"http://a.example/hook?a=1&b=<2>","count":123,"failed_at":"2026-11-22T10:06:40.005Z","attempts":3,"status":503`
	otherFailed = `{"window":"footfall_20261122T100600Z","endpoint":"http://b.example/","count":1234567890123456789,"failed_at":"2026-11-22T10:07:00Z","attempts":0,"status":0,"reason":"paused"`
)

// callbackPages answers each request with one callback, and a cursor after the first one.
// ends is what follows the fields of a failed callback.
func callbackPages(asked *[]string, ends ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, strings.TrimSpace(fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", string(body))))
		switch n := len(*asked); {
		case n > len(ends):
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, `{"detail":"The cursor is bad.","code":"bad_cursor"}`)
		case n == 1:
			_, _ = fmt.Fprint(w, `{"callbacks":[`+firstFailed+ends[0]+`],"next_cursor":"1.2+3"}`)
		default:
			_, _ = fmt.Fprint(w, `{"callbacks":[`+otherFailed+ends[1]+`]}`)
		}
	}
}

func TestFailedCallbacksAreListedToTheEnd(t *testing.T) {
	t.Parallel()
	var asked []string
	flag := adminAt(t, callbackPages(&asked, "}", "}"))
	code, stdout, stderr := run(t, "callbacks", "list", "--window=footfall_1", "--endpoint=http://a.example/?a=1&b=2", flag)
	if want := firstFailed + "}\n" + otherFailed + "}\n"; code != 0 || stdout != want || stderr != "" {
		t.Errorf("exit code %d, %q, the output is\n%s", code, stderr, stdout)
	}
	const first = "GET /callbacks?endpoint=http%3A%2F%2Fa.example%2F%3Fa%3D1%26b%3D2&state=failed&window=footfall_1"
	check.Equal(t, strings.Join(asked, "\n"), first+"\n"+strings.Replace(first, "?", "?cursor=1.2%2B3&", 1), "the requests")
	shown := typed(t, func(screen *os.File) {
		asked = nil
		check.Equal(t, bootstrap.Main([]string{"callbacks", "list", flag}, screen, screen), 0, "the exit code")
	})
	check.Equal(t, shown, `2026-11-22T10:06:40Z  footfall_20261122T100500Z  123  3 attempts  status 503  failed  http://a.example/hook?a=1&b=<2>
2026-11-22T10:07:00Z  footfall_20261122T100600Z  1234567890123456789  0 attempts  status 0  paused  http://b.example/
`, "the output on a terminal")
}

func TestAnEmptyListPrintsNothing(t *testing.T) {
	t.Parallel()
	flag := adminAt(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"callbacks":[]}`) })
	for _, command := range []string{"list --since=24h", "retry --failed"} {
		code, stdout, stderr := run(t, append(append([]string{"callbacks"}, strings.Fields(command)...), flag)...)
		if code != 0 || stdout != "" || strings.HasPrefix(command, "list") != (stderr == "") {
			t.Errorf("%s: exit code %d, %q, %q", command, code, stdout, stderr)
		}
	}
}

// The time from which on callbacks are meant is the same in each request of a command.
func TestSinceIsATimeBeforeNow(t *testing.T) {
	t.Parallel()
	var asked []string
	flag := adminAt(t, callbackPages(&asked, `,"result":"delivered"}`, `,"result":"delivered"}`))
	before := time.Now().Add(-90 * time.Minute).Truncate(time.Second)
	code, _, stderr := run(t, "callbacks", "retry", "--since=1h30m", flag)
	if code != 0 || stderr != "footfall: 2 callbacks were delivered\n" || len(asked) != 2 {
		t.Fatalf("exit code %d, %q, the requests are %q", code, stderr, asked)
	}
	sent := regexp.MustCompile(`"since":"([^"]+)"`).FindStringSubmatch(asked[0])
	since := check.Value(time.Parse(time.RFC3339, sent[1]))(t)
	if since.Before(before) || since.After(time.Now().Add(-90*time.Minute)) {
		t.Errorf("since is %v, want %v", since, before)
	}
	want := `POST /callbacks/retry {"endpoint":"",` + sent[0] + `,"state":"failed","window":""}`
	check.Equal(t, asked[0], want, "the first request")
	check.Equal(t, asked[1], strings.Replace(want, "{", `{"cursor":"1.2+3",`, 1), "the second request")
}

// A retry fails unless all callbacks were delivered, and says what became of the others.
func TestARetrySaysWhatCameOfEachCallback(t *testing.T) {
	t.Parallel()
	const delivered, failed, limited, busy = `,"result":"delivered"}`, `,"result":"failed","error":"no answer in time"}`, `,"result":"limited","error":"limited"}`, `,"result":"busy"}`
	for _, c := range []struct {
		first, second string
		code          int
		says          string
	}{
		{delivered, delivered, 0, "footfall: 2 callbacks were delivered\n"},
		{delivered, failed, 1, "footfall: 1 of 2 callbacks were delivered; the others stay on record\n"},
		{limited, delivered, 1, "footfall: 1 callbacks were left out, because their address has had as many as it may have for now: run the command again\n" +
			"footfall: 1 of 2 callbacks were delivered; the others stay on record\n"},
		{busy, busy, 1, "footfall: 2 callbacks are being retried by another call, or its instance has died: see footfall callbacks list in a minute\n" +
			"footfall: 0 of 2 callbacks were delivered; the others stay on record\n"},
	} {
		var asked []string
		flag := adminAt(t, callbackPages(&asked, c.first, c.second))
		code, stdout, stderr := run(t, "callbacks", "retry", "--failed", flag)
		if code != c.code || stdout != firstFailed+c.first+"\n"+otherFailed+c.second+"\n" || stderr != c.says {
			t.Errorf("exit code %d, want %d, %q, the output is\n%s", code, c.code, stderr, stdout)
		}
	}
	shown := typed(t, func(screen *os.File) {
		var asked []string
		bootstrap.Main([]string{"callbacks", "retry", "--failed", adminAt(t, callbackPages(&asked, delivered, failed))}, screen, screen)
	})
	check.Equal(t, shown, `2026-11-22T10:06:40Z  footfall_20261122T100500Z  123  3 attempts  status 503  delivered  http://a.example/hook?a=1&b=<2>
2026-11-22T10:07:00Z  footfall_20261122T100600Z  1234567890123456789  0 attempts  status 0  failed  http://b.example/: no answer in time
footfall: 1 of 2 callbacks were delivered; the others stay on record
`, "the output on a terminal")
}

// What was retried before a failure is printed and counted.
func TestARetryThatFailsMidwaySaysHowFarItCame(t *testing.T) {
	t.Parallel()
	var asked []string
	flag := adminAt(t, callbackPages(&asked, `,"result":"delivered"}`))
	code, stdout, stderr := run(t, "callbacks", "retry", "--failed", flag)
	if code != 1 || stdout != firstFailed+`,"result":"delivered"}`+"\n" ||
		!strings.Contains(stderr, "The cursor is bad.") || !strings.HasSuffix(stderr, " (after 1 callbacks; run the command again for the rest)\n") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = run(t, "callbacks", "list", adminAt(t, func(w http.ResponseWriter, _ *http.Request) { answer("no JSON")(w) }))
	if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "footfall: ") {
		t.Errorf("an answer that is no JSON: exit code %d, %q, %q", code, stdout, stderr)
	}
}

func TestFlagsOfCallbacksAreChecked(t *testing.T) {
	t.Parallel()
	flag := adminAt(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	const which = "say which callbacks: --failed for all, or --since, --window or --endpoint"
	for line, want := range map[string]string{
		"":                            "want one of list, retry",
		"show":                        "unexpected argument show: want one of list, retry",
		"list all":                    "unexpected argument all",
		"list --since=yesterday":      "since",
		"list --since=-1h":            "--since is -1h0m0s, want how long ago, such as 24h",
		"list --window=a --window=b":  "--window is given more than once",
		"retry":                       which,
		"retry --since=0s":            which,
		"retry --failed=false":        which,
		"retry --window=":             which,
		"retry --since=-24h":          "--since is -24h0m0s, want how long ago, such as 24h",
		"retry --failed --cursor=1.2": "cursor",
	} {
		code, stdout, stderr := run(t, append(append([]string{"callbacks"}, strings.Fields(line)...), flag)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, %q", line, code, stdout, stderr)
		}
	}
}
