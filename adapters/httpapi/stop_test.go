package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/httpcheck"
)

// untilClosed returns when nothing listens at addr: Stop has closed its listener,
// and waits.
func untilClosed(t *testing.T, addr string) {
	t.Helper()
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return
		}
		conn.Close()
	}
}

func TestStopWaitsForRequestsInFlight(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := httpcheck.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	check.Must(t, s.Start(t.Context()))
	c, addr := httpcheck.Client(t), s.Addr()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, body := httpcheck.Ask(t, c, "GET", "http://"+addr); body != "done" {
			t.Errorf("body %q", body)
		}
	})
	<-entered
	stopped := make(chan error)
	go func() { stopped <- s.Stop(context.Background()) }()
	untilClosed(t, addr)
	select {
	case err := <-stopped:
		t.Errorf("stopped with a request in flight: %v", err)
	default:
	}
	close(release)
	check.OK(t, <-stopped)
	wg.Wait()
}

func TestStopClosesConnectionsWhenItsContextEnds(t *testing.T) {
	entered, gone := make(chan struct{}), make(chan struct{})
	s := httpcheck.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(gone)
	}))
	check.Must(t, s.Start(t.Context()))
	c, addr := httpcheck.Client(t), s.Addr()
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp, err := c.Get("http://" + addr); err == nil {
			resp.Body.Close()
			t.Errorf("answered %d", resp.StatusCode)
		}
	})
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check.Is(t, s.Stop(ctx), context.Canceled, "Stop")
	<-gone
	wg.Wait()
}

// P10: a request that arrives while the listener closes is served. There is
// little time to send it, so one of ten attempts has to succeed.
func TestStopServesRequestsThatArriveMeanwhile(t *testing.T) {
	for range 10 {
		s := httpcheck.NewServer(http.NotFoundHandler())
		check.Must(t, s.Start(t.Context()))
		conn := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr()))(t)
		defer conn.Close()
		// The first connection is accepted when a later one is served.
		httpcheck.Ask(t, httpcheck.Client(t), "GET", "http://"+s.Addr())
		stopped := make(chan error)
		go func() { stopped <- s.Stop(context.Background()) }()
		untilClosed(t, s.Addr())
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		check.OK(t, <-stopped)
		if err == nil {
			resp.Body.Close()
			return
		}
	}
	t.Error("no request was served")
}

// P10: a caller that sends no complete request makes no stop unclean.
func TestStopClosesSilentConnectionsWithoutAnError(t *testing.T) {
	entered, gone := make(chan struct{}), make(chan error, 1)
	s := httpcheck.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		_, err := io.ReadAll(r.Body)
		gone <- err
	}))
	check.Must(t, s.Start(t.Context()))
	for _, sent := range []string{"", "POST / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"} {
		conn := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr()))(t)
		defer conn.Close()
		check.Value(io.WriteString(conn, sent))(t)
	}
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	check.OK(t, s.Stop(ctx))
	check.Fails(t, <-gone, "half a body was read to its end")
}
