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

	"footfall/test/check"
	"footfall/test/integration/service"
)

// dial connects to a listener of the program, and sends text.
func dial(t *testing.T, listener, text string) net.Conn {
	t.Helper()
	conn := check.Value(net.Dial("tcp", strings.TrimPrefix(listener, "http://")))(t)
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answer reads one answer from a connection.
func answer(t *testing.T, conn net.Conn) service.Reply {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	resp := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
	defer resp.Body.Close()
	b := check.Value(io.ReadAll(resp.Body))(t)
	return service.Reply{Request: "a request on a connection", Status: resp.StatusCode, Body: string(b)}
}

// P10: a stop does not wait for clients that send nothing, or only a part, on
// either listener.
func TestSIGTERMWaitsForNoSilentClient(t *testing.T) {
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
			in := service.NewDeployment(t, service.Ingest).Start()
			for _, listener := range []string{in.Public, in.Counts, in.Admin} {
				conn := dial(t, listener, c.text)
				if strings.Contains(c.name, "request") {
					answer(t, conn)
				}
			}
			// All of it has been read when a later connection is served.
			answer(t, dial(t, in.Public, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			answer(t, dial(t, in.Counts, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			answer(t, dial(t, in.Admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			begin := time.Now()
			in.Stop()
			in.Exited()
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("the stop took %v", took)
			}
		})
	}
}

// P10: a request whose body is on its way at SIGTERM is answered, and counted.
func TestSIGTERMAnswersARequestInFlight(t *testing.T) {
	t.Parallel()
	service.EachListener(t, answersARequestInFlight)
}

func answersARequestInFlight(t *testing.T, env ...string) {
	t.Parallel()
	d := service.NewDeployment(t, env...)
	in := d.Start()
	const body = `[{"page_id":"home"}]`
	conn := dial(t, in.Counts, "POST /visits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"+body[:10])
	answer(t, dial(t, in.Counts, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	check.Must(t, in.Cmd.Process.Signal(syscall.SIGTERM))
	service.WaitFor(t, "the listener is closed", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(in.Counts, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if _, err := io.WriteString(conn, body[10:]); err != nil {
		t.Fatal(err)
	}
	answer(t, conn).Want(t, http.StatusOK, `"success"`)
	in.Exited()
	check.Equal(t, d.Start().Visits("home"), 1, "visits")
}

// V26, P10: balancers see on new connections that the service stops, while it
// serves as before.
func TestSIGTERMIsSeenBeforeTheListenerCloses(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t)
	in := d.Start()
	kept := dial(t, in.Public, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	answer(t, kept)
	check.Must(t, in.Cmd.Process.Signal(syscall.SIGTERM))
	service.WaitFor(t, "new connections show that the service drains", func() bool {
		for _, listener := range []string{in.Public, in.Admin} {
			got := answer(t, dial(t, listener, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			if got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, `"draining"`) {
				return false
			}
		}
		return true
	})
	const visit = "POST /visit/home HTTP/1.1\r\nHost: localhost\r\n\r\n"
	answer(t, dial(t, in.Public, visit)).Want(t, http.StatusOK)
	if _, err := io.WriteString(kept, visit); err != nil {
		t.Fatal(err)
	}
	answer(t, kept).Want(t, http.StatusOK)
	in.Exited()
	check.Equal(t, d.Start().Visits("home"), 2, "visits")
}

// P10: a signal during the start is a clean stop, here in a start that waits for
// a node.
func TestSIGTERMInTheStartIsACleanStop(t *testing.T) {
	t.Parallel()
	node := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer node.Close()
	in := service.NewDeployment(t, "FOOTFALL_STORE=redis://"+node.Addr().String()).Launch()
	defer check.Value(node.Accept())(t).Close() // it never answers
	began := time.Now()
	if code := in.Stop(); code != 0 || time.Since(began) > 5*time.Second {
		t.Errorf("exit code %d after %v:\n%s", code, time.Since(began), in.Logged())
	}
}
