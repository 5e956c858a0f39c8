package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"footfall/bootstrap"
	"footfall/test/check"
)

// TestMain is the program itself where FOOTFALL_UNDER_TEST is set.
func TestMain(m *testing.M) {
	if os.Getenv("FOOTFALL_UNDER_TEST") != "" {
		os.Exit(bootstrap.Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// run executes a command of the program.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = bootstrap.Main(args, &out, &errs)
	return code, out.String(), errs.String()
}

// adminAt returns the flag of an admin listener that answers as h does.
func adminAt(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return "--admin-listen=" + strings.TrimPrefix(s.URL, "http://")
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	check.Must(t, os.WriteFile(name, []byte(text), 0o600))
}

func mustHave(t *testing.T, name, want string) {
	t.Helper()
	if text, err := os.ReadFile(name); err != nil || string(text) != want {
		t.Errorf("%s is %q, %v, want %q", name, text, err, want)
	}
}

// S6: health is asked for where callers can't use up the connections, and without the token.
func TestS6TheHealthIsThatOfTheAdminListener(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s with the header %v", r.URL, r.Header)
		}
		w.WriteHeader(status)
	})
	if code, stdout, stderr := run(t, "healthcheck", flag, "--admin-token=secret"); code != 0 || stdout != "" || stderr != "" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	status = http.StatusServiceUnavailable
	if code, _, stderr := run(t, "healthcheck", flag); code != 1 || stderr != "footfall: not ready: 503 Service Unavailable\n" {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
