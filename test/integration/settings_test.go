package integration_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"footfall/test/servers"
)

// get returns the status and the body of a page, with a bearer token unless
// that is empty.
func get(t *testing.T, address, token string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	c := newClient()
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// openWindow is the window that is open now.
func openWindow(t *testing.T, in *instance) line {
	t.Helper()
	var windows struct{ Windows []line }
	_, body := get(t, in.public+"/api/verve/windows?limit=1", "")
	if err := json.Unmarshal([]byte(body), &windows); err != nil || len(windows.Windows) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	return windows.Windows[0]
}

func acceptStatus(t *testing.T, in *instance, id, endpoint string) (status int, body string) {
	t.Helper()
	return get(t, in.public+"/api/verve/accept?id="+id+"&endpoint="+url.QueryEscape(endpoint), "")
}

func TestWindowIsTheLengthOfWindows(t *testing.T) {
	t.Parallel()
	in := newDeployment(t, "FOOTFALL_WINDOW=2h").start()
	if w := openWindow(t, in); w.WindowEnd.Sub(w.WindowStart) != 2*time.Hour {
		t.Errorf("from %v to %v", w.WindowStart, w.WindowEnd)
	}
}

func TestGraceIsTheTimeFromAWindowsEndToItsReport(t *testing.T) {
	t.Parallel()
	after := func(d *deployment) (waits []time.Duration) {
		for _, l := range d.lines() {
			if l.Event == "unique_ids" {
				waits = append(waits, l.Time.Sub(l.WindowEnd))
			}
		}
		return waits
	}
	t.Run("0s", func(t *testing.T) {
		t.Parallel()
		d := newDeployment(t, "FOOTFALL_WINDOW=3s", "FOOTFALL_GRACE=0s")
		d.start()
		waitFor(t, "a report earlier than the default would have it", 60*time.Second, func() bool {
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
		d := newDeployment(t, "FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=3s")
		d.start()
		waitFor(t, "two reports", 60*time.Second, func() bool { return len(after(d)) >= 2 })
		for _, wait := range after(d) {
			if wait < 3*time.Second {
				t.Errorf("a report came %v after its window", wait)
			}
		}
	})
}

func TestCallbackAllowSaysWhoMayBeCalled(t *testing.T) {
	t.Parallel()
	const endpoint = "http://127.0.0.1:8080/"
	for _, c := range []struct {
		allow  string
		status int
	}{{"public", http.StatusBadRequest}, {"none", http.StatusBadRequest}, {"10.0.0.0/8", http.StatusBadRequest}, {"127.0.0.0/8", http.StatusOK}} {
		in := newDeployment(t, "FOOTFALL_CALLBACK_ALLOW="+c.allow, "FOOTFALL_WINDOW=24h").start()
		if status, body := acceptStatus(t, in, "1", endpoint); status != c.status {
			t.Errorf("%s: %d %s, want %d", c.allow, status, body, c.status)
		}
		in.kill()
	}
}

func TestCallbackLimitBoundsTheEndpointsOfAWindow(t *testing.T) {
	t.Parallel()
	in := newDeployment(t, "FOOTFALL_CALLBACK_LIMIT=1", "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8", "FOOTFALL_WINDOW=24h").start()
	for _, c := range []struct {
		id, endpoint string
		status       int
		body         string
	}{
		{"1", "http://127.0.0.1:8080/one", http.StatusOK, "ok"},
		{"2", "http://127.0.0.1:8080/two", http.StatusServiceUnavailable, "failed"},
		{"3", "http://127.0.0.1:8080/one", http.StatusOK, "ok"},
	} {
		if status, body := acceptStatus(t, in, c.id, c.endpoint); status != c.status || body != c.body {
			t.Errorf("id %s: %d %s, want %d %s", c.id, status, body, c.status, c.body)
		}
	}
	if w := openWindow(t, in); w.Count != 2 {
		t.Errorf("%d ids are counted, two were taken", w.Count)
	}
}

func TestCallbackSecretSignsCalls(t *testing.T) {
	t.Parallel()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a key of thirty-two bytes, no less"))
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	verified := make(chan error, 100)
	e := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		verified <- verifier.Verify(body, r.Header)
	}))
	t.Cleanup(e.Close)
	in := newDeployment(t, append(localCallbacks("1s", "0s"), "FOOTFALL_CALLBACK_SECRET="+secret)...).start()
	accept(t, in, 1, e.URL)
	select {
	case err := <-verified:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(60 * time.Second):
		t.Error("the endpoint was not called")
	}
}

func TestAdminTokenGuardsTheAdminListener(t *testing.T) {
	t.Parallel()
	in := newDeployment(t, "FOOTFALL_ADMIN_TOKEN=open sesame").start()
	for token, want := range map[string]int{"": 401, "sesame": 401, "open sesame": 200} {
		if status, _ := get(t, in.admin+"/metrics", token); status != want {
			t.Errorf("token %q: %d, want %d", token, status, want)
		}
	}
	if status, _ := get(t, in.public+"/healthz", ""); status != http.StatusOK {
		t.Errorf("the public listener answers %d", status)
	}
}

func TestCaptureLogIsWhereCountsGo(t *testing.T) {
	t.Parallel()
	d := newDeployment(t, "FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=0s", "FOOTFALL_CAPTURE_LOG=elsewhere.log")
	d.start()
	waitFor(t, "a count", 60*time.Second, func() bool {
		b, _ := os.ReadFile(filepath.Join(d.dir, "elsewhere.log"))
		return strings.Contains(string(b), `"event":"unique_ids"`)
	})
	if _, err := os.Stat(d.captureLog()); !os.IsNotExist(err) {
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
		d := newDeployment(t, "FOOTFALL_STORE="+c.store)
		in := d.start()
		if got, body, err := send(http.DefaultClient, http.MethodPost, in.public+"/visit/home"); got != acknowledged {
			t.Fatalf("%v %s %v", got, body, err)
		}
		if got := in.visits("home"); got != 1 {
			t.Errorf("%s: %d visits, one was answered", c.store, got)
		}
		in.kill()
		if got := d.start().visits("home"); got != c.after {
			t.Errorf("%s: %d visits after a restart, want %d", c.store, got, c.after)
		}
		folders, err := filepath.Glob(filepath.Join(d.dir, "*/footfall.db"))
		if err != nil || len(folders) != len(c.files) || len(folders) > 0 && filepath.Base(filepath.Dir(folders[0])) != c.files[0] {
			t.Errorf("%s: data in %v (%v)", c.store, folders, err)
		}
	}
}

// startAt runs the program on a port that the test chose, for settings with
// which the log doesn't tell it, and returns when it is ready.
func startAt(t *testing.T, env ...string) *instance {
	t.Helper()
	address := servers.FreeAddr(t)
	in := newDeployment(t, append(env, "FOOTFALL_LISTEN="+address)...).launch()
	waitFor(t, "the program is ready", 60*time.Second, func() bool {
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
		in.stop()
		for i, message := range []string{"http request", "stopping", "unknown setting is ignored"} {
			if strings.Contains(in.logged(), `"`+message+`"`) != c.logged[i] {
				t.Errorf("%s: logged, or not, against its level: %s\n%s", c.level, message, in.logged())
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
		in.stop()
		if !strings.Contains(in.logged(), c.want) {
			t.Errorf("%q:\n%s", c.format, in.logged())
		}
	}
}
