package ingest_test

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/netconn"
	"footfall/adapters/ingest"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// instant is an application that takes no time.
type instant struct{ counter.Visits }

func (instant) Record(context.Context, counting.Page, int64) error { return nil }

func (instant) Read(context.Context, []counting.Page) []counting.Reading {
	return make([]counting.Reading, 1)
}

func (instant) Accept(context.Context, netip.Prefix, counting.ID, publishing.Endpoint) (bool, error) {
	return true, nil
}

// BenchmarkRequest measures one request after another on one connection, beside a bare
// server of fasthttp that says ok.
func BenchmarkRequest(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	shared := check.Value(counter.New(counter.Options{Visits: instant{}, IDs: instant{}, Metrics: prometheus.NewRegistry(), Log: log}))(b)
	s := ingest.New(ingest.Options{
		Addr: "127.0.0.1:0", Counter: shared, Connections: netconn.NewConnections(netconn.Limits{}, log), RequestTime: time.Minute, Log: log,
	})
	check.Must(b, s.Start(b.Context()))
	defer func() { check.OK(b, s.Stop(context.WithoutCancel(b.Context()))) }()
	bare := fasthttputil.NewInmemoryListener()
	defer bare.Close()
	go func() {
		_ = fasthttp.Serve(bare, func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("ok") })
	}()
	for _, c := range []struct {
		name, request string
		dial          func() (net.Conn, error)
	}{
		{"bare fasthttp in memory", "POST /visit/home HTTP/1.1\r\nHost: counts.example\r\n\r\n", bare.Dial},
		{"record", "POST /visit/home HTTP/1.1\r\nHost: counts.example\r\n\r\n", func() (net.Conn, error) { return net.Dial("tcp", s.Addr()) }},
		{"read", "GET /visits/home HTTP/1.1\r\nHost: counts.example\r\n\r\n", func() (net.Conn, error) { return net.Dial("tcp", s.Addr()) }},
		{"accept", "GET /api/verve/accept?id=1 HTTP/1.1\r\nHost: counts.example\r\n\r\n", func() (net.Conn, error) { return net.Dial("tcp", s.Addr()) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			conn := check.Value(c.dial())(b)
			defer conn.Close()
			answers := bufio.NewReader(conn)
			var answer fasthttp.Response
			request := []byte(c.request)
			b.ReportAllocs()
			for b.Loop() {
				check.Value(conn.Write(request))(b)
				check.OK(b, answer.Read(answers))
			}
		})
	}
}
