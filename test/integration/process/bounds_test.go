package process_test

import (
	"bufio"
	"fmt"
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

// attacker is a client at 127.0.0.2. All others in these tests are at 127.0.0.1.
type attacker struct {
	t       *testing.T
	address string
}

func newAttacker(t *testing.T, in *service.Instance) attacker {
	t.Helper()
	return attacker{t, strings.TrimPrefix(in.Public, "http://")}
}

// connect opens a connection, sends a text and reads what comes.
func (a attacker) connect(text string) (net.Conn, *bufio.Reader) {
	a.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c := check.Value(d.DialContext(a.t.Context(), "tcp", a.address))(a.t)
	a.t.Cleanup(func() { _ = c.Close() })
	check.Must(a.t, c.SetDeadline(time.Now().Add(time.Minute)))
	_, _ = io.WriteString(c, text) // an error shows when it is read
	return c, bufio.NewReader(c)
}

// ask sends a text on connections until one is answered: the service closes one whose header
// it does not see in time, which happens on a busy machine.
func (a attacker) ask(text string) *bufio.Reader {
	a.t.Helper()
	for range 20 {
		_, answers := a.connect(text)
		if _, err := answers.Peek(1); err == nil {
			return answers
		}
	}
	a.t.Fatal("20 connections were closed without an answer")
	return nil
}

// serves checks that an honest caller is served by every kind of route.
func serves(t *testing.T, in *service.Instance) {
	t.Helper()
	in.Record("home").Want(t, http.StatusOK)
	service.MustSend(t, http.MethodPost, in.Public+"/visits", `[{"page_id":"home"}]`).Want(t, http.StatusOK, `"status":"success"`)
	in.Get("/visits/home").Want(t, http.StatusOK)
	in.Get(service.AcceptPath("1", "")).Want(t, http.StatusOK)
	in.Administer(http.MethodGet, "/ring", "").Want(t, http.StatusOK)
}

// S6: 416 headers of 1 MiB that are not complete take little memory, and no other caller is
// refused.
func TestS6UnfinishedHeadersTakeLittleMemory(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	a, header := newAttacker(t, in), "GET / HTTP/1.1\r\nHost: localhost\r\nA: "+strings.Repeat("a", 1<<20)
	var all sync.WaitGroup
	for range 416 {
		all.Go(func() { a.connect(header) })
	}
	all.Wait()
	if kB := in.ResidentKB(); kB > 200<<10 {
		t.Errorf("the service has %d kB", kB)
	}
	serves(t, in)
}

// S7: 128 callers announce a bulk and send nothing. The bulk of another one is recorded.
func TestS7SilentBulksStopNoOther(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	a := newAttacker(t, in)
	for range 128 {
		answers := a.ask("POST /visits HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 450000\r\n\r\n")
		line, err := answers.ReadString('\n') // it waits for the body
		if err != nil || !strings.Contains(line, "100 Continue") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	serves(t, in)
	check.Equal(t, in.Visits("home"), 2, "visits of the page")
}

// S8: 20 streams of 50 invented names stop no stream of another client.
func TestS8StreamsOfInventedNamesStopNoOther(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	a := newAttacker(t, in)
	begins := func(answers *bufio.Reader) bool {
		for {
			line, err := answers.ReadString('\n')
			if err != nil || strings.HasPrefix(line, "event: hello") {
				return err == nil
			}
		}
	}
	for i := range 20 {
		var query strings.Builder
		for k := range 50 {
			fmt.Fprintf(&query, "page_id=invented-%d-%d&", i, k)
		}
		if answers := a.ask("GET /events?" + query.String() + " HTTP/1.1\r\nHost: localhost\r\n\r\n"); !begins(answers) {
			t.Fatalf("the stream %d does not begin", i)
		}
	}
	in.Record("home").Want(t, http.StatusOK)
	conn := dial(t, in.Public, "GET /events?page_id=home HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check.Must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "200 OK") {
		t.Fatalf("the stream of another client: %q, %v", line, err)
	}
	for shown := false; !shown; {
		line, err := answers.ReadString('\n')
		check.Must(t, err, "the count of the page")
		shown = strings.Contains(line, `"page_id":"home","visits":1`)
	}
	serves(t, in)
}

// S6, S8: one client opens as many connections as it can, with streams that do not end.
// Others have theirs, and the log and the metrics say so.
func TestS6OneClientDoesNotTakeAllConnections(t *testing.T) {
	t.Parallel()
	in := withFiles(t, 600).Start() // 450 connections
	a, last := newAttacker(t, in), 0
	for range 500 {
		line, _ := a.ask("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").ReadString('\n')
		if _, err := fmt.Sscanf(line, "HTTP/1.1 %d", &last); err != nil || last != http.StatusOK {
			break
		}
	}
	serves(t, in)
	if last == http.StatusOK {
		t.Error("one client has 500 streams")
	}
	if log := in.Logged(); strings.Count(log, `"resource":"streams","bound":"client","client":"127.0.0.2/32"`) != 1 {
		t.Errorf("the log does not name the client once: %s", log)
	}
	if metrics := in.Metrics(); strings.Contains(metrics, `footfall_refused_total{bound="client",resource="streams"} 0`) {
		t.Error("the refusal is not counted")
	}
}

// S6: a probe of the admin listener is answered without the token while callers have all
// connections of the public one. The health check of the container is such a probe.
func TestS6HealthIsAnsweredAtTheLimitOfConnections(t *testing.T) {
	t.Parallel()
	const token = "the token of this test"
	in := service.NewDeployment(t, "FOOTFALL_CONNECTION_LIMIT=1", "FOOTFALL_ADMIN_TOKEN="+token).Start()
	a := newAttacker(t, in)
	_, answers := a.connect("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	line, err := answers.ReadString('\n')
	if err != nil || !strings.Contains(line, " 200 ") {
		t.Fatalf("%q, %v", line, err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		service.MustSend(t, http.MethodGet, in.Admin+path, "").Want(t, http.StatusOK, `"status"`)
	}
	in.MustTool("healthcheck")
	service.MustSend(t, http.MethodGet, in.Admin+"/ring", "").Want(t, http.StatusUnauthorized)
	answer(t, dial(t, in.Public, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")).Want(t, http.StatusServiceUnavailable, `"overloaded"`)
}
