package process_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// startBalancer runs HAProxy in front of an instance with the configuration of the stack, but
// with a hundredth of its connections: 80 for callers and two more, of which one source has
// 20. status is where it says how it is.
func startBalancer(t *testing.T, in *service.Instance) (url, status string) {
	t.Helper()
	config := string(check.Value(os.ReadFile("../../../deploy/haproxy/haproxy.cfg"))(t))
	b := service.StartBalancer(t, in, service.ReplaceOnce(t, config, "maxconn 8192", "maxconn 82", "maxconn 8000", "maxconn 80",
		"gt 2048", "gt 20", "gt 2304", "gt 22"))
	return b.URL, b.Status
}

// S12: one source opens as many connections as it can, and keeps them. It gets a quarter of
// those of the balancer, and 429 beyond; another source is served.
func TestS12OneSourceDoesNotTakeAllConnectionsOfTheBalancer(t *testing.T) {
	t.Parallel()
	balancer, _ := startBalancer(t, service.NewDeployment(t, "FOOTFALL_TRUSTED_PROXIES=127.0.0.1").Start())
	statuses := make(map[int]int)
	for range 200 {
		status, retryAfter := holdFrom(t, "127.0.0.2", balancer)
		statuses[status]++
		if status == http.StatusTooManyRequests {
			check.Equal(t, retryAfter, "1", "the wait in a 429")
		}
	}
	if statuses[http.StatusOK] > 20 || statuses[http.StatusTooManyRequests] == 0 {
		t.Errorf("of 200 connections of one source: %v", statuses)
	}
	honest := clientFrom(t, "127.0.0.1")
	honest.Timeout = 10 * time.Second // those of the source are kept for a minute
	for range 10 {
		got, err := service.Request(honest, http.MethodPost, balancer+"/visit/home", "")
		check.Must(t, err, "another source")
		got.Want(t, http.StatusOK)
		honest.CloseIdleConnections()
	}
}

// S6, S12: callers have all connections of the balancer. It goes on to see that the instance
// is ready, and both are healthy.
func TestS12HealthIsSeenWhileCallersHaveAllConnectionsOfTheBalancer(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_TRUSTED_PROXIES=127.0.0.1", "FOOTFALL_CONNECTION_LIMIT=100").Start()
	balancer, status := startBalancer(t, in)
	refused := 0
	for i := range 5 * 18 {
		if got, _ := holdFrom(t, fmt.Sprint("127.0.0.", 2+i%5), balancer); got != http.StatusOK {
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("the balancer has connections for all")
	}
	before := checksOf(t, in)
	service.WaitFor(t, "the balancer has checked the instance again", func() bool { return checksOf(t, in) > before+5 })
	probe := clientFrom(t, "127.0.0.1")
	probe.Timeout = 5 * time.Second // that of the stack's health check
	for path, want := range map[string]string{"/healthz": "200", "/metrics": `haproxy_backend_active_servers{proxy="footfall"} 1`} {
		got, err := service.Request(probe, http.MethodGet, status+path, "")
		check.Must(t, err, "the status of the balancer")
		got.Want(t, http.StatusOK, want)
	}
	in.MustTool("healthcheck")
}

// The balancer sends what is asked for most to the ingest listener, and all else, as requests
// with a large header, to the public one. Where there is no ingest listener, that gets all.
func TestTheBalancerSendsToTheIngestListenerWhatItServes(t *testing.T) {
	t.Parallel()
	service.EachListener(t, func(t *testing.T, env ...string) {
		balancer, status := startBalancer(t, service.NewDeployment(t, append(env, "FOOTFALL_TRUSTED_PROXIES=127.0.0.1")...).Start())
		ingests := map[bool]string{true: "1", false: "0"}[len(env) > 0]
		service.WaitFor(t, "the balancer has seen whether there is an ingest listener", func() bool {
			got := service.MustSend(t, http.MethodGet, status+"/metrics", "")
			return strings.Contains(got.Body, `haproxy_backend_active_servers{proxy="ingest"} `+ingests)
		})
		for _, c := range []struct {
			method, path, body string
			want               int
		}{
			{"POST", "/visit/a/b", "", 200},
			{"POST", "/api/v1/counter/visit/a%2Fb", "", 200},
			{"POST", "/visits", `[{"page_id":"a/b"}]`, 200},
			{"GET", "/visits/a/b", "", 200},
			{"GET", "/visits?page_id=a/b", "", 200},
			{"GET", "/visits/a/badge.svg", "", 200},
			{"GET", "/visits/a/history?from=x", "", 400},
			{"GET", "/api/verve/accept?id=1", "", 200},
			{"GET", "/readyz", "", 200},
			{"GET", "/nothing", "", 404},
		} {
			client := clientFrom(t, "127.0.0.1")
			for _, large := range []string{"x", strings.Repeat("x", 20<<10)} {
				got, err := service.Request(client, c.method, balancer+c.path, c.body, "X-Large", large)
				check.Must(t, err, "%s %s", c.method, c.path)
				got.Want(t, c.want)
			}
		}
		got, err := service.Request(clientFrom(t, "127.0.0.1"), http.MethodGet, balancer+"/visits/a/b", "")
		check.Must(t, err)
		got.Want(t, http.StatusOK, `"visits":6,`)
		service.MustSend(t, http.MethodGet, status+"/metrics", "").Want(t, http.StatusOK, `haproxy_backend_active_servers{proxy="ingest"} `+ingests)
	})
}

// checksOf is how often the instance has said that it is ready.
func checksOf(t *testing.T, in *service.Instance) int {
	t.Helper()
	m := regexp.MustCompile(`footfall_http_requests_total\{code="200",method="GET",route="/readyz"\} (\d+)`).FindStringSubmatch(in.Metrics())
	if m == nil {
		t.Fatal("no metric of /readyz")
	}
	return check.Value(strconv.Atoi(m[1]))(t)
}

// holdFrom sends a request on a connection of its own, which stays open until the test ends,
// and returns the status of the answer; 0 for none within a second.
func holdFrom(t *testing.T, addr, balancer string) (status int, retryAfter string) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	conn := check.Value(dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(balancer, "http://")))(t)
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /visits/home HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return 0, "" // it was closed
	}
	check.Must(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		check.Equal(t, errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET), true, "no answer: %v", err)
		return 0, ""
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, answer.Header.Get("Retry-After")
}
