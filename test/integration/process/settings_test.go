package process_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// openWindow is the window that is open now.
func openWindow(t *testing.T, in *service.Instance) service.Line {
	t.Helper()
	var windows struct{ Windows []service.Line }
	in.Get("/api/verve/windows?limit=1").Into(t, &windows)
	if len(windows.Windows) != 1 {
		t.Fatalf("%+v", windows)
	}
	return windows.Windows[0]
}

func TestWindowIsTheLengthOfWindows(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_WINDOW=2h").Start()
	w := openWindow(t, in)
	check.Equal(t, w.WindowEnd.Sub(w.WindowStart), 2*time.Hour, "the length of the window")
}

func TestNameBeginsTheIDsOfWindows(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_NAME=a-1", "FOOTFALL_WINDOW=24h").Start()
	w := openWindow(t, in)
	check.Equal(t, w.ID, "a-1_"+w.WindowStart.Format("20060102T150405Z")+"_86400s", "the id of the window")
}

func TestGraceIsTheTimeFromAWindowsEndToItsReport(t *testing.T) {
	t.Parallel()
	after := func(d *service.Deployment) (waits []time.Duration) {
		for _, l := range d.Lines() {
			if l.Event == "unique_ids" {
				waits = append(waits, l.Time.Sub(l.WindowEnd))
			}
		}
		return waits
	}
	t.Run("0s", func(t *testing.T) {
		t.Parallel()
		d := service.NewDeployment(t, "FOOTFALL_WINDOW=3s", "FOOTFALL_GRACE=0s")
		d.Start()
		service.WaitFor(t, "a report earlier than the default would have it", func() bool {
			for _, wait := range after(d) {
				if wait < 2*time.Second {
					return true
				}
			}
			return false
		})
	})
	t.Run("3s", func(t *testing.T) {
		t.Parallel()
		d := service.NewDeployment(t, "FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=3s")
		d.Start()
		service.WaitFor(t, "two reports", func() bool { return len(after(d)) >= 2 })
		for _, wait := range after(d) {
			if wait < 3*time.Second {
				t.Errorf("a report came %v after its window", wait)
			}
		}
	})
}

// V27: the clock of the only node is 5 s ahead.
func TestMaxClockSkewBoundsTheDifferenceOfTwoClocks(t *testing.T) {
	t.Parallel()
	r := service.NewRingWithClocks(t, 1)
	r.Servers[0].Clock.Shift(t, 5*time.Second)
	for skew, status := range map[string]int{"2s": http.StatusServiceUnavailable, "10s": http.StatusOK} {
		r.Env = []string{"FOOTFALL_WINDOW=24h", "FOOTFALL_MAX_CLOCK_SKEW=" + skew}
		in := r.Start()
		r.Accept(in, 1, "").Want(t, status)
		in.Record("home").Want(t, http.StatusOK)
	}
}

func TestCallbackAllowSaysWhoMayBeCalled(t *testing.T) {
	t.Parallel()
	const endpoint = "http://127.0.0.1:8080/"
	for _, c := range []struct {
		allow  string
		status int
	}{{"public", http.StatusBadRequest}, {"none", http.StatusBadRequest}, {"10.0.0.0/8", http.StatusBadRequest}, {"127.0.0.0/8", http.StatusOK}} {
		in := service.NewDeployment(t, "FOOTFALL_CALLBACK_ALLOW="+c.allow, "FOOTFALL_WINDOW=24h").Start()
		in.Get(service.AcceptPath("1", endpoint)).Want(t, c.status)
		in.Kill()
	}
}

func TestCallbackLimitBoundsTheEndpointsOfAWindow(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_CALLBACK_LIMIT=1", "FOOTFALL_CLIENT_SHARE=100", "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8", "FOOTFALL_WINDOW=24h").Start()
	for _, c := range []struct {
		id, endpoint string
		status       int
		body         string
	}{
		{"1", "http://127.0.0.1:8080/one", http.StatusOK, "ok"},
		{"2", "http://127.0.0.1:8080/two", http.StatusServiceUnavailable, "failed"},
		{"3", "http://127.0.0.1:8080/one", http.StatusOK, "ok"},
	} {
		got := in.Get(service.AcceptPath(c.id, c.endpoint))
		got.Want(t, c.status)
		check.Equal(t, got.Body, c.body, "the body for id %s", c.id)
	}
	check.Equal(t, openWindow(t, in).Count, 2, "ids that are counted")
}

func TestCallbackSecretSignsCalls(t *testing.T) {
	t.Parallel()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a key of thirty-two bytes, no less"))
	verifier := check.Value(standardwebhooks.NewWebhook(secret))(t)
	verified := make(chan error, 100)
	e := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		verified <- verifier.Verify(body, r.Header)
	}))
	t.Cleanup(e.Close)
	in := service.NewDeployment(t, append(service.LocalCallbacks("1s", "0s"), "FOOTFALL_CALLBACK_SECRET="+secret)...).Start()
	service.Accept(t, in, 1, e.URL)
	check.OK(t, service.Await(t, "the endpoint is called", verified))
}

func TestAdminTokenGuardsTheAdminListener(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_ADMIN_TOKEN=open sesame, please").Start()
	for token, want := range map[string]int{"sesame": 401, "open sesame, please": 200} {
		got := service.MustSend(t, http.MethodGet, in.Admin+"/metrics", "", "Authorization", "Bearer "+token)
		check.Equal(t, got.Status, want, "the status with the token %q", token)
	}
	service.MustSend(t, http.MethodGet, in.Admin+"/metrics", "").Want(t, http.StatusUnauthorized)
	in.Get("/healthz").Want(t, http.StatusOK)
}

func TestCaptureLogIsWhereCountsGo(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t, "FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=0s", "FOOTFALL_CAPTURE_LOG=elsewhere.log")
	d.Start()
	service.WaitFor(t, "a count", func() bool {
		b, _ := os.ReadFile(filepath.Join(d.Dir, "elsewhere.log"))
		return strings.Contains(string(b), `"event":"unique_ids"`)
	})
	if _, err := os.Stat(d.CaptureLog()); !os.IsNotExist(err) {
		t.Errorf("the default file is there as well: %v", err)
	}
}

func TestStoreIsWhereVisitsGo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		store string
		after int64
		files []string
	}{{"memory://", 0, nil}, {"embedded://./elsewhere", 1, []string{"elsewhere"}}} {
		d := service.NewDeployment(t, "FOOTFALL_STORE="+c.store)
		in := d.Start()
		in.Record("home").Want(t, http.StatusOK)
		check.Equal(t, in.Visits("home"), 1, "visits")
		in.Kill()
		check.Equal(t, d.Start().Visits("home"), c.after, "visits")
		folders, err := filepath.Glob(filepath.Join(d.Dir, "*/footfall.db"))
		if err != nil || len(folders) != len(c.files) || len(folders) > 0 && filepath.Base(filepath.Dir(folders[0])) != c.files[0] {
			t.Errorf("%s: data in %v (%v)", c.store, folders, err)
		}
	}
}

// startAt runs the program on a port that the test chose, for settings with
// which the log doesn't tell it, and returns when it is ready.
func startAt(t *testing.T, env ...string) *service.Instance {
	t.Helper()
	address := servers.FreeAddr(t)
	in := service.NewDeployment(t, append(env, "FOOTFALL_LISTEN="+address)...).Launch()
	service.WaitFor(t, "the program is ready", func() bool {
		resp, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return in
}

func TestLogLevelIsTheLeastThatIsLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		level  string
		logged []bool
	}{
		{"debug", []bool{true, true, true}},
		{"info", []bool{false, true, true}},
		{"warn", []bool{false, false, true}},
		{"error", []bool{false, false, false}},
	} {
		in := startAt(t, "FOOTFALL_LOG_LEVEL="+c.level, "FOOTFALL_ODD=1")
		in.Stop()
		for i, message := range []string{"http request", "stopping", "unknown setting is ignored"} {
			if strings.Contains(in.Logged(), `"`+message+`"`) != c.logged[i] {
				t.Errorf("%s: logged, or not, against its level: %s\n%s", c.level, message, in.Logged())
			}
		}
	}
}

func TestLogFormatIsTheFormOfTheLog(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, want string }{
		{"text", " level=INFO msg=ready "}, {"json", `"level":"INFO","msg":"ready"`}, {"", `"level":"INFO","msg":"ready"`},
	} {
		in := startAt(t, "FOOTFALL_LOG_FORMAT="+c.format)
		in.Stop()
		if !strings.Contains(in.Logged(), c.want) {
			t.Errorf("%q:\n%s", c.format, in.Logged())
		}
	}
}
