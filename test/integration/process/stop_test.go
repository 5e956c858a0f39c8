package process_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"footfall/test/integration/service"
)

// dial connects to a listener of the program, and sends text.
func dial(t *testing.T, listener, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(listener, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answer reads one answer from a connection.
func answer(t *testing.T, conn net.Conn) (status int, body string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
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

// P10: callers who say nothing, or not all of it, are none that a stop waits
// for, on either listener.
func TestSIGTERMWaitsForNobodyWhoIsSilent(t *testing.T) {
	t.Parallel()
	const post = "POST /visits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
	for _, c := range []struct{ name, text string }{
		{"nothing", ""},
		{"half a header", "GET /healthz HTTP/1.1\r\nHost: loc"},
		{"a request before", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"half a header after a request", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: loc"},
		{"half a body", post + "["},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := service.NewDeployment(t).Start()
			for _, listener := range []string{in.Public, in.Admin} {
				conn := dial(t, listener, c.text)
				if strings.Contains(c.name, "request") {
					answer(t, conn)
				}
			}
			// All of it has been read when a later connection is served.
			answer(t, dial(t, in.Public, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			answer(t, dial(t, in.Admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			begin := time.Now()
			if code := in.Stop(); code != 0 {
				t.Errorf("exit code %d:\n%s", code, in.Logged())
			}
			if took := time.Since(begin); took > 2500*time.Millisecond {
				t.Errorf("the stop took %v", took)
			}
		})
	}
}

// P10: a request whose body is on its way at SIGTERM is answered, and counted.
func TestSIGTERMAnswersARequestInFlight(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t)
	in := d.Start()
	const body = `[{"page_id":"home"}]`
	conn := dial(t, in.Public, "POST /visits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"+body[:10])
	answer(t, dial(t, in.Public, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	if err := in.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	service.WaitFor(t, "the listener is closed", 5*time.Second, func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(in.Public, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if _, err := io.WriteString(conn, body[10:]); err != nil {
		t.Fatal(err)
	}
	if status, got := answer(t, conn); status != http.StatusOK || !strings.Contains(got, `"success"`) {
		t.Errorf("%d %s", status, got)
	}
	<-in.Done
	if code := in.Cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, in.Logged())
	}
	if got := d.Start().Visits("home"); got != 1 {
		t.Errorf("%d visits, one was answered", got)
	}
}

// V26, P10: balancers see on new connections that the service stops, while it
// serves as before.
func TestSIGTERMIsSeenBeforeTheListenerCloses(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t)
	in := d.Start()
	kept := dial(t, in.Public, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	answer(t, kept)
	if err := in.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	service.WaitFor(t, "a new connection is told that the service drains", 5*time.Second, func() bool {
		status, body := answer(t, dial(t, in.Public, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		return status == http.StatusServiceUnavailable && strings.Contains(body, `"draining"`)
	})
	const visit = "POST /visit/home HTTP/1.1\r\nHost: localhost\r\n\r\n"
	if status, body := answer(t, dial(t, in.Public, visit)); status != http.StatusOK {
		t.Errorf("on a new connection: %d %s", status, body)
	}
	if _, err := io.WriteString(kept, visit); err != nil {
		t.Fatal(err)
	}
	if status, body := answer(t, kept); status != http.StatusOK {
		t.Errorf("on a connection from before: %d %s", status, body)
	}
	<-in.Done
	if code := in.Cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, in.Logged())
	}
	if got := d.Start().Visits("home"); got != 2 {
		t.Errorf("%d visits, two were answered", got)
	}
}

// P10: a signal in the middle of the start, here one that waits for a node, is
// a clean stop.
func TestSIGTERMInTheStartIsACleanStop(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_STORE=redis://127.0.0.1:1").Launch()
	time.Sleep(500 * time.Millisecond)
	began := time.Now()
	if code := in.Stop(); code != 0 || time.Since(began) > 5*time.Second {
		t.Errorf("exit code %d after %v:\n%s", code, time.Since(began), in.Logged())
	}
}
