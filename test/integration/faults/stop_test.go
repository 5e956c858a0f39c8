package faults_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// begin sends a request on a connection of its own, and returns what reads the answer. A bulk
// whose item is in doubt has the status 504.
func begin(t *testing.T, listener, method, path, body string) (answer func() (status int)) {
	t.Helper()
	host := strings.TrimPrefix(listener, "http://")
	conn := check.Value(net.Dial("tcp", host))(t)
	t.Cleanup(func() { conn.Close() })
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, path, host, len(body), body)
	check.Value(io.WriteString(conn, text))(t)
	return func() int {
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return 0
		}
		defer func() { _ = resp.Body.Close() }()
		if text, _ := io.ReadAll(resp.Body); strings.Contains(string(text), `"status":"in_doubt"`) {
			return http.StatusGatewayTimeout
		}
		return resp.StatusCode
	}
}

// X3, P10: a stop while batches are in doubt at a node that does not answer: every request
// is answered, and the exit code is 0 within 10 s. Nothing is counted twice when the node
// goes on.
func TestX3AStopWithABatchInDoubtIsClean(t *testing.T) {
	t.Parallel()
	service.EachListener(t, stopInDoubt)
}

func stopInDoubt(t *testing.T, env ...string) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		doubts  int // requests in doubt before the signal
		flights int // requests in flight at the signal
	}{{"in doubt", 1, 0}, {"in flight", 0, 20}, {"in doubt and in flight", 1, 20}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := service.NewRing(t, 1)
			r.Env = append([]string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}, env...) // windows are closed all the time
			d := r.Deployment()
			in := d.Start()
			r.MustVisit(in, "home")
			service.Accept(t, in, 1, "")
			r.Servers[0].Freeze()
			unknown := int64(c.doubts)
			for range c.doubts {
				in.Record("home").Want(t, http.StatusGatewayTimeout, "in_doubt")
			}
			var answers []func() int
			for range c.flights {
				answers = append(answers, begin(t, in.Counts, http.MethodPost, "/visit/home", ""))
			}
			if c.flights > 0 {
				answers = append(answers,
					begin(t, in.Counts, http.MethodPost, "/visits", `[{"page_id":"home"}]`),
					begin(t, in.Counts, http.MethodGet, "/api/verve/accept?id=7", ""),
					begin(t, in.Counts, http.MethodGet, "/visits/home", ""),
					begin(t, in.Admin, http.MethodPut, "/pages/set", `{"count":7}`),
					begin(t, in.Admin, http.MethodGet, "/pages", ""))
			}
			// All of it has been read when a later connection is served.
			for _, listener := range []string{in.Counts, in.Public} {
				check.Equal(t, begin(t, listener, http.MethodPost, "/visit/%00", "")(), http.StatusBadRequest, "a later request")
			}
			at := time.Now()
			check.Must(t, in.Cmd.Process.Signal(syscall.SIGTERM))
			for i, answer := range answers {
				switch status := answer(); status {
				case http.StatusGatewayTimeout:
					unknown++
				case http.StatusServiceUnavailable:
				default:
					t.Errorf("the answer of request %d is %d", i, status)
				}
			}
			check.Equal(t, unknown > 0, true, "nothing was in doubt")
			in.Exited()
			if took := time.Since(at); took > 10*time.Second {
				t.Errorf("the stop took %v", took)
			}
			r.Servers[0].Thaw()
			if n := d.Start().Visits("home"); n < 1 || n > 1+unknown {
				t.Errorf("%d visits, want 1 to %d", n, 1+unknown)
			}
		})
	}
}
