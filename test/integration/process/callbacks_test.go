package process_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// S9, P7: 200 endpoints of one address are called as often as its rate permits, over two
// windows. The one at another address has its callback, and the rest says why it has none.
func TestS9OneAddressGetsNoMoreCallbacksThanItsRate(t *testing.T) {
	t.Parallel()
	c := service.NewCrowd(t, func(string) func(*service.Crowd, net.Conn) {
		return func(c *service.Crowd, conn net.Conn) {
			c.Hear(conn)
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		}
	})
	d := service.NewDeployment(t, "FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=100ms", "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8",
		"FOOTFALL_CALLBACK_RATE=20/h", "FOOTFALL_CALLBACK_CONTACT=mailto:ops@example.com", "FOOTFALL_CLIENT_SHARE=100")
	in := d.Start()
	for window := range 2 {
		service.AcceptMany(t, in, 200, func(i int) string { return c.URL("127.0.11.1") + fmt.Sprint(i) })
		other := c.URL(fmt.Sprint("127.0.12.", window+1))
		service.Accept(t, in, 1000, other)
		service.WaitFor(t, "the other endpoint is called", func() bool { return len(d.AttemptsAt(other)) > 0 })
		service.WaitFor(t, "all have their result", func() bool {
			text, results := string(check.Value(os.ReadFile(d.CaptureLog()))(t)), 0
			for _, final := range []string{`"status":200`, `"error":"abandoned: `, `"attempt":3,"status":0`} {
				results += strings.Count(text, final)
			}
			return results >= 201*(window+1)
		})
	}
	heard := c.Heard("127.0.11.1")
	if n := len(heard); n < 1 || n > 20 { // fewer if the machine is busy, and some are cut off
		t.Fatalf("%d calls of one address, want 20 at most", n)
	}
	check.Equal(t, heard[0].Header.Get("User-Agent"), "footfall (+mailto:ops@example.com)", "the User-Agent")
	service.WaitFor(t, "endpoints are counted and shown as limited", func() bool {
		limited := 0
		for id := range d.Reports() {
			limited += strings.Count(in.Administer(http.MethodGet, "/windows/"+id, "").Body, `"reason":"limited"`)
		}
		return limited > 0 && !strings.Contains(in.Metrics(), `footfall_callbacks_total{outcome="limited"} 0`)
	})
	if metrics := in.Metrics(); !strings.Contains(metrics, "footfall_callback_pauses 0") {
		t.Errorf("the metrics are %s", metrics)
	}
}

// S10: callbacks may have a file of their own, that can be rotated. The capture log then
// has only counts.
func TestS10CallbacksHaveALogOfTheirOwn(t *testing.T) {
	t.Parallel()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("\x01", 4096)))
	}))
	t.Cleanup(endpoint.Close)
	d := service.NewDeployment(t, append(service.LocalCallbacks("1s", "0s"), "FOOTFALL_CALLBACK_LOG=callbacks.log")...)
	in := d.Start()
	file := filepath.Join(d.Dir, "callbacks.log")
	called := func(n int) {
		const line = `"event":"callback"`
		service.Accept(t, in, n, endpoint.URL)
		service.WaitFor(t, "a line about the callback", func() bool {
			own, _ := os.ReadFile(file)
			capture, _ := os.ReadFile(d.CaptureLog())
			if strings.Contains(string(capture), line) {
				t.Fatalf("the line about callback %d is in the capture log, and %s has %q", n, filepath.Base(file), own)
			}
			return strings.Contains(string(own), line)
		})
	}
	called(1)
	check.Must(t, os.Rename(file, file+".1"))
	called(2)
	line := check.Value(os.ReadFile(file))(t)
	if len(line) > 1000 || !strings.Contains(string(line), `"response":"\u0001`) {
		t.Errorf("the log of callbacks is %s", line)
	}
	if text := string(check.Value(os.ReadFile(d.CaptureLog()))(t)); strings.Contains(text, `"event":"callback"`) || !strings.Contains(text, `"event":"unique_ids"`) {
		t.Errorf("the capture log is %s", text)
	}
}

// S15: a start warns of what a range opens, and the log names it.
func TestS15ARangeThatOpensInternalAddressesIsNamedAtTheStart(t *testing.T) {
	t.Parallel()
	for allow, want := range map[string][]string{
		"hooks.internal,10.0.0.0/8": {"10.0.0.0/8", "private networks", "hooks.internal@CIDR"},
		"0.0.0.0/0":                 {"0.0.0.0/0", "this machine, private networks"},
		"hooks.internal@10.0.0.0/8": nil,
	} {
		in := service.NewDeployment(t, "FOOTFALL_CALLBACK_ALLOW="+allow, "FOOTFALL_WINDOW=24h").Start()
		warning := ""
		for line := range strings.Lines(in.Logged()) {
			if strings.Contains(line, "callbacks may reach internal addresses") {
				warning = line
			}
		}
		for _, part := range want {
			if !strings.Contains(warning, part) {
				t.Errorf("%s: the log says %q, want %s", allow, warning, part)
			}
		}
		if len(want) == 0 && warning != "" {
			t.Errorf("%s: the log says %q", allow, warning)
		}
		in.Get(service.AcceptPath("1", "http://169.254.169.254/latest/")).Want(t, http.StatusBadRequest)
		in.Kill()
	}
}

// S3: one client names as many endpoints as it can. Its ids all count, and endpoints of
// another client are kept. The window's own limit still refuses the id.
func TestS3OneClientDoesNotFillTheWindow(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_CALLBACK_LIMIT=20", "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8", "FOOTFALL_WINDOW=24h",
		"FOOTFALL_TRUSTED_PROXIES=127.0.0.1").Start()
	name := func(id int, client, host string) service.Reply {
		path := service.AcceptPath(fmt.Sprint(id), fmt.Sprint("http://", host, ":8080/", id))
		return check.Value(service.Request(http.DefaultClient, http.MethodGet, in.Public+path, "", "X-Forwarded-For", client))(t)
	}
	id := 0
	for range 40 {
		got := name(id, "198.51.100.1", fmt.Sprint("127.0.0.", id+1))
		got.Want(t, http.StatusOK)
		check.Equal(t, got.Header.Get("X-Footfall-Endpoint") == "refused", id >= 5, "endpoint %d is refused", id)
		id++
	}
	check.Equal(t, openWindow(t, in).Count, 40, "ids that count")
	for range 15 { // the rest of the window, by three clients
		got := name(id, fmt.Sprint("198.51.100.", 2+id%3), fmt.Sprint("127.0.0.", id+1))
		got.Want(t, http.StatusOK)
		check.Equal(t, got.Header.Get("X-Footfall-Endpoint"), "", "endpoint %d", id)
		id++
	}
	name(id, "198.51.100.9", "127.0.0.200").Want(t, http.StatusServiceUnavailable, "failed")
	if metrics := in.Metrics(); !strings.Contains(metrics, `footfall_refused_total{bound="client",resource="endpoints"} 35`) {
		t.Errorf("the metrics are %s", metrics)
	}
}
