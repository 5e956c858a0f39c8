package httpapi_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"footfall/adapters/httpapi/netconn"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// caller is a connection that is kept open.
type caller struct {
	net.Conn
	answers *bufio.Reader
}

func (c caller) send(t *testing.T, path string) {
	t.Helper()
	check.Value(fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path))(t)
}

// answered tells whether an answer comes in some time, and whether the connection goes on.
func (c caller) answered(t *testing.T, within time.Duration) (ok, goesOn bool) {
	t.Helper()
	check.Must(t, c.SetReadDeadline(time.Now().Add(within)))
	got, err := http.ReadResponse(c.answers, nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, true
	}
	check.Must(t, err)
	_, _ = io.Copy(io.Discard, got.Body)
	_ = got.Body.Close()
	return true, !got.Close
}

// F22: the bound of connections closes idle ones for new ones, and no others.
func TestF22TheBoundOfConnectionsClosesIdleOnes(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := httpcheck.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
	}))
	s.Limit(bound(netconn.Limits{Connections: 2}))
	check.Must(t, s.Start(t.Context()))
	t.Cleanup(func() { check.OK(t, s.Stop(t.Context())) })
	dial := func() caller {
		c := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr()))(t)
		t.Cleanup(func() { _ = c.Close() })
		return caller{c, bufio.NewReader(c)}
	}
	idle := dial()
	idle.send(t, "/")
	if ok, goesOn := idle.answered(t, time.Minute); !ok || !goesOn {
		t.Fatal("the first caller is not served")
	}
	slow, next := dial(), dial()
	slow.send(t, "/slow")
	next.send(t, "/slow")
	if n, err := idle.answers.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("%v, %v from the idle connection, want its end", n, err)
	}
	last := dial()
	last.send(t, "/")
	if ok, _ := last.answered(t, 100*time.Millisecond); ok {
		t.Error("there are three connections")
	}
	close(release)
	_, slowGoesOn := slow.answered(t, time.Minute)
	_, nextGoesOn := next.answered(t, time.Minute)
	if ok, _ := last.answered(t, time.Minute); !ok || slowGoesOn && nextGoesOn {
		t.Errorf("the last caller was served: %t, and the others go on: %t, %t", ok, slowGoesOn, nextGoesOn)
	}
}
