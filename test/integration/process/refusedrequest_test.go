package process_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// F12: an endpoint is refused, and both the answer and the log say why.
func TestF12ARefusedEndpointSaysWhy(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	for _, c := range []struct {
		id, endpoint, code string
		status             int
	}{
		{"1", "http://10.0.0.1:8080/hook?token=secret", "forbidden_endpoint", http.StatusBadRequest},
		{"1", "http://h.example:22/", "bad_endpoint", http.StatusBadRequest},
		{"x", "", "bad_id", http.StatusBadRequest},
		{"1&more=1", "", "unknown_parameter", http.StatusBadRequest},
	} {
		path := service.AcceptPath(c.id, c.endpoint)
		if c.code == "unknown_parameter" {
			path = "/api/verve/accept?id=" + c.id
		}
		got := in.Get(path)
		got.Want(t, c.status, "failed")
		check.Equal(t, got.Header.Get("X-Footfall-Error"), c.code, "the code for %s", path)
	}
	got := service.MustSend(t, http.MethodHead, in.Public+"/api/verve/accept?id=1", "")
	check.Equal(t, got.Header.Get("X-Footfall-Error"), "method_not_allowed", "the code for HEAD")
	var line struct{ Level, Code, Host, Reason string }
	for text := range strings.Lines(in.Logged()) {
		if strings.Contains(text, "endpoint refused") {
			check.Must(t, json.Unmarshal([]byte(text), &line))
			break
		}
	}
	if line.Level != "INFO" || line.Code != "forbidden_endpoint" || line.Host != "10.0.0.1:8080" || !strings.Contains(line.Reason, "10.0.0.1 may not be called") {
		t.Errorf("the line is %+v", line)
	}
	if strings.Contains(in.Logged(), "secret") {
		t.Errorf("the log has the query: %s", in.Logged())
	}
}

// F17: a bulk that arrives too slowly is answered 408 on a connection that is then
// closed, and counts nothing.
func TestF17ABodyThatArrivesTooSlowlyIs408(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	for name, head := range map[string]string{
		"array":   "Content-Length: 450000\r\n\r\n[",
		"NDJSON":  "Content-Length: 450000\r\nContent-Type: application/x-ndjson\r\n\r\n{\"page_id\":\"home\"}\n",
		"chunked": "Transfer-Encoding: chunked\r\n\r\n13\r\n{\"page_id\":\"home\"}\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, in.Public, "POST /visits HTTP/1.1\r\nHost: localhost\r\n"+head)
			stop := sendSlowly(conn, name == "chunked")
			answer(t, conn).Want(t, http.StatusRequestTimeout, `"code":"too_slow"`)
			_, err := conn.Read(make([]byte, 1))
			if wait, ok := err.(net.Error); err == nil || ok && wait.Timeout() { //nolint:errorlint // as net returns it
				t.Errorf("the connection is open after the answer: %v", err)
			}
			stop()
			check.Equal(t, in.Visits("home"), 0, "visits of the page in the body")
		})
	}
}

// sendSlowly sends more of a body, some bytes at a time, until stop is called or
// nothing can be sent.
func sendSlowly(conn net.Conn, chunked bool) (stop func()) {
	more := strings.Repeat(" ", 16)
	if chunked {
		more = "10\r\n" + more + "\r\n"
	}
	stopped := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for {
			select {
			case <-stopped:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if _, err := io.WriteString(conn, more); err != nil {
				return
			}
		}
	})
	return func() { close(stopped); sending.Wait() }
}
