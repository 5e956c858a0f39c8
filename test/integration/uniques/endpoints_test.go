package uniques_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"footfall/test/integration/service"
	"footfall/test/servers"
)

// U2: an endpoint that hangs for four windows keeps
// no window from being reported, and no other endpoint from being called.
func TestAHangingEndpointStopsNoReport(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t, service.LocalCallbacks("1s", "100ms")...)
	in := d.Start()
	release := make(chan struct{})
	var hung atomic.Int64
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		hung.Add(1)
		<-release
	}))
	defer hanging.Close()
	defer close(release)
	good := service.NewEndpoint(t)
	begin := time.Now()
	for id := 0; time.Since(begin) < 4*time.Second; id++ {
		service.Accept(t, in, id, hanging.URL)
		service.Accept(t, in, id, good.URL)
		time.Sleep(50 * time.Millisecond)
	}
	service.WaitFor(t, "the hanging endpoint is called", time.Minute, func() bool { return hung.Load() > 0 })
	// Much less than it would take if each window waited for the one that hangs.
	service.WaitFor(t, "four windows are reported", 15*time.Second, func() bool { return len(d.Reports()) >= 4 })
	service.WaitFor(t, "the other endpoint has its counts", time.Minute, func() bool { return len(good.Got()) >= 3 })
}

// U21, U16: endpoints that refuse, reset, or answer
// garbage kill nothing, and each attempt has its line.
func TestBrokenEndpointsKillNothing(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t, service.LocalCallbacks("1s", "100ms")...)
	in := d.Start()
	c := service.NewCrowd(t, func(host string) func(*service.Crowd, net.Conn) {
		return map[string]func(*service.Crowd, net.Conn){
			"127.0.9.1": func(_ *service.Crowd, conn net.Conn) { _, _ = conn.Write([]byte("\x00\xff not http\r\n\r\n")) },
			"127.0.9.2": func(_ *service.Crowd, conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) },
		}[host]
	})
	endpoints := []string{c.URL("127.0.9.1"), c.URL("127.0.9.2"), "http://" + servers.FreeAddr(t)}
	for i, e := range endpoints {
		service.Accept(t, in, i, e)
	}
	service.WaitFor(t, "each attempt has its line", time.Minute, func() bool {
		return !slices.ContainsFunc(endpoints, func(e string) bool { return len(d.AttemptsAt(e)) == 0 })
	})
	service.Accept(t, in, 100, "")
}
