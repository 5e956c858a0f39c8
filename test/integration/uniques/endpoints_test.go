package uniques_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/test/integration/service"
)

// U1 of the list of failures: ids that come while an endpoint is slow to take
// the last window's count are counted.
func TestIDsThatComeDuringASlowCallbackAreCounted(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t, service.LocalCallbacks("2s", "200ms")...)
	in := d.Start()
	const extra = 50
	var once sync.Once
	sent := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Do(func() {
			defer close(sent)
			for id := range extra {
				got, _, err := service.Send(http.DefaultClient, http.MethodGet, fmt.Sprintf("%s/api/verve/accept?id=%d", in.Public, 1000+id))
				if got != service.Acknowledged || err != nil {
					t.Errorf("accept during a callback: %v %v", got, err)
				}
			}
			time.Sleep(time.Second)
		})
	}))
	defer slow.Close()
	service.Accept(t, in, 1, slow.URL)
	select {
	case <-sent:
	case <-time.After(30 * time.Second):
		t.Fatal("the endpoint was not called")
	}
	service.WaitFor(t, "every id is published", 30*time.Second, func() bool { return service.Total(d.Reports()) >= 1+extra })
	if got := service.Total(d.Reports()); got != 1+extra { // the 50 may lie on both sides of a boundary, but differ
		t.Errorf("%d ids became %d", 1+extra, got)
	}
}

// U2 of the list of failures: an endpoint that hangs for four windows keeps
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
	service.WaitFor(t, "the hanging endpoint is called", 15*time.Second, func() bool { return hung.Load() > 0 })
	// Much less than it would take if each window waited for the one that hangs.
	service.WaitFor(t, "four windows are reported", 15*time.Second, func() bool { return len(d.Reports()) >= 4 })
	service.WaitFor(t, "the other endpoint has its counts", 15*time.Second, func() bool { return len(good.Got()) >= 3 })
}

// U21, U16 of the list of failures: endpoints that refuse, reset, or answer
// garbage kill nothing, and each attempt has its line.
func TestBrokenEndpointsKillNothing(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t, service.LocalCallbacks("1s", "100ms")...)
	in := d.Start()
	garbage, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer garbage.Close()
	reset, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer reset.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	go serveConns(garbage, func(c net.Conn) { _, _ = c.Write([]byte("\x00\xff not http\r\n\r\n")) })
	go serveConns(reset, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
	endpoints := []string{"http://" + garbage.Addr().String(), "http://" + reset.Addr().String(), "http://" + nobody}
	for i, e := range endpoints {
		service.Accept(t, in, i, url.QueryEscape(e))
	}
	service.WaitFor(t, "each attempt has its line", 30*time.Second, func() bool {
		logged := make(map[string]bool)
		for _, l := range d.Lines() {
			if l.Event == "callback" {
				logged[l.Endpoint] = true
			}
		}
		return len(logged) == len(endpoints)
	})
	service.Accept(t, in, 100, "")
}

func serveConns(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		serve(c)
		_ = c.Close()
	}
}
