package ingest_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/netconn"
	"footfall/adapters/ingest"
	"footfall/test/check"
)

// fasthttp would end the process. The connection ends, as with net/http.
func TestAPanicBesideARouteEndsItsConnection(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	shared := check.Value(counter.New(counter.Options{Visits: instant{}, IDs: instant{}, Metrics: prometheus.NewRegistry(), Log: log}))(t)
	var panics atomic.Bool
	panics.Store(true)
	s := ingest.New(ingest.Options{
		Addr: "127.0.0.1:0", Counter: shared, Connections: netconn.NewConnections(netconn.Limits{}, log), RequestTime: time.Minute, Log: log,
		Origins: func(string, map[string][]string) (map[string][]string, bool) {
			if panics.Load() {
				panic("rules that panic")
			}
			return nil, false
		},
	})
	check.Must(t, s.Start(t.Context()))
	ask := func() string {
		c := check.Value(net.Dial("tcp", s.Addr()))(t)
		defer func() { _ = c.Close() }()
		check.Must(t, c.SetDeadline(time.Now().Add(time.Minute)))
		check.Value(io.WriteString(c, "POST /visit/home HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))(t)
		answer, _ := io.ReadAll(c) // a reset is an end, too
		return string(answer)
	}
	check.Equal(t, ask(), "", "the answer")
	panics.Store(false)
	if got := ask(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("after it: %q", got)
	}
	check.OK(t, s.Stop(t.Context()))
	if !strings.Contains(logged.String(), "rules that panic") {
		t.Errorf("the log has %q", logged.String())
	}
}
