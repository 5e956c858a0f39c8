package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/meter"
	"footfall/adapters/httpapi/netconn"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
)

// serve is the fasthttp.RequestHandler. fasthttp does not recover from a panic.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	s.working.Add(1)
	conn := ctx.Conn().(*netconn.Conn)
	x := s.exchanges.Get().(*exchange)
	x.holds = holds{counter: s.Counter, working: &s.working}
	defer func() {
		if v := recover(); v != nil {
			s.Log.Error("http request failed", "error", fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
			_ = conn.Close() // without an answer, as net/http
		}
		x.holds.release()
		x.end()
		s.exchanges.Put(x)
	}()
	s.listener.Track(conn, netconn.Active)
	ctx.Response.Header.SetCanonical([]byte("X-Content-Type-Options"), []byte("nosniff"))
	if s.undrained.Err() != nil || s.Connections.Waiting() {
		ctx.SetConnectionClose()
	}
	x.begin(ctx)
	header := &ctx.Request.Header
	if status := x.refusedByHTTP(); status != 0 {
		refuse(ctx, status)
		return
	}
	length := int64(header.ContentLength()) // -1: chunked
	if length < -1 {
		length = 0
	}
	_, refused := conn.Framing(length, header.RawHeaders())
	if refused != nil {
		ctx.SetConnectionClose()
		x.fail(problem.Of(refused, false), false)
		return
	}
	if !x.readTarget() {
		refuse(ctx, fasthttp.StatusBadRequest)
		return
	}
	if s.Origins != nil && s.answerOrigin(x) {
		return
	}
	s.route(x, conn, length)
}

// answerOrigin sets what pages of other origins need, and reports whether that is all.
func (s *Server) answerOrigin(x *exchange) (answered bool) {
	sent := make(map[string][]string)
	for _, f := range x.fields {
		name := fasthttp.AppendNormalizedHeaderKeyBytes(nil, f.name)
		sent[string(name)] = append(sent[string(name)], string(f.value))
	}
	fields, answered := s.Origins(x.method, sent)
	for name, values := range fields {
		for _, value := range values {
			x.Response.Header.Add(name, value)
		}
	}
	if answered {
		x.Response.SetStatusCode(fasthttp.StatusNoContent)
	}
	return answered
}

// route answers a request by its route.
func (s *Server) route(x *exchange, conn *netconn.Conn, length int64) {
	start := time.Now()
	e, at, variable, allow, ok := s.find(x.method, x.path)
	switch {
	case !ok:
		refuse(x.RequestCtx, fasthttp.StatusBadRequest)
	case at == nil:
		s.refuse(x, conn, meter.Unmatched, false, start, problem.NotFound("no_such_route", "Nothing is served at this path."))
	case e == nil:
		x.Set("Allow", strings.Join(allow, ", "))
		s.refuse(x, conn, at.Path, at.Plain, start, problem.New(fasthttp.StatusMethodNotAllowed, "method_not_allowed", "The Allow header has the methods that this path takes."))
	default:
		s.answer(x, conn, e, variable, length, start)
	}
}

// refuse answers a request that no route takes.
func (s *Server) refuse(x *exchange, conn *netconn.Conn, path string, plain bool, start time.Time, f problem.Fault) {
	if err := s.checkRate(conn, x.Values("X-Forwarded-For")); err != nil {
		f = problem.Of(err, false)
		x.Response.Header.Del("Allow")
	}
	x.fail(f, plain)
	s.Counter.Meter.Refused(path, x.method, f.Status, time.Since(start))
}

func (s *Server) checkRate(conn *netconn.Conn, forwarded []string) error {
	if s.Counter.Clients == nil {
		return nil
	}
	return s.Counter.Clients.Check(conn.Addr, forwarded)
}

// answer serves a route.
func (s *Server) answer(x *exchange, conn *netconn.Conn, e *endpoint, variable string, length int64, start time.Time) {
	status, code := fasthttp.StatusOK, ""
	traced := s.Log.Enabled(s.serving, slog.LevelDebug)
	if traced {
		request.ID(x, x)
	}
	body, err := s.run(x, conn, e, variable, length)
	if err != nil {
		f := problem.Of(err, e.Writes)
		if f.Unexpected {
			s.Log.Error("http request failed", append(request.LogIDs(x, x), "route", e.Path, "error", err)...)
		}
		status, code = f.Status, f.Code
		x.fail(f, e.Plain)
	} else {
		x.succeed(body, e.Plain)
	}
	took := time.Since(start)
	e.meter.Observe(x.method, status, took)
	if traced {
		s.Log.Debug("http request", append(request.LogIDs(x, x), "route", e.Path, "method", x.method,
			"status", status, "code", code, "duration", took)...)
	}
}

// run applies the limits, of which the exchange holds what it takes, and runs the action. It
// turns a panic into an error: a write that panicked may have been applied, so it is in doubt.
func (s *Server) run(x *exchange, conn *netconn.Conn, e *endpoint, variable string, length int64) (body []byte, err error) {
	c, client, forwarded := s.Counter, conn.Client, x.Values("X-Forwarded-For")
	if !client.IsValid() {
		client = c.Identify.Of(conn.Addr, forwarded)
	}
	if err := s.checkRate(conn, forwarded); err != nil {
		return nil, err
	}
	if e.Query != nil {
		if err := request.Only(x.query, e.Query...); err != nil {
			return nil, err
		}
	}
	x.holds.client = client
	sent, err := s.receive(x, conn, e, length)
	if err != nil {
		x.SetConnectionClose()
		return nil, err
	}
	if err := c.Requests.Acquire(client, 1); err != nil {
		return nil, err
	}
	x.holds.requests = 1
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return e.Do(counter.Request{
		Context: s.serving, Host: x.host, Addr: conn.Addr, Query: x.query, Client: client, Header: x, Answer: x, Body: sent,
	}, variable)
}

// receive reads the body of a request before the request has a slot: a caller that sends
// slowly, or nothing, takes none. It accounts the bytes as they come.
func (s *Server) receive(x *exchange, conn *netconn.Conn, e *endpoint, length int64) ([]byte, error) {
	if e.MaxBody == 0 || length == 0 || e.JSONBody && !request.IsJSON(x.value("Content-Type")) {
		return nil, nil
	}
	s.working.Add(-1) // it waits for its caller
	defer s.working.Add(1)
	return request.Body{
		Reader: bodyReader{x.RequestBodyStream(), conn}, Length: length, SetDeadline: conn.SetReadDeadline, Last: time.Now().Add(s.RequestTime),
	}.Receive(e.MaxBody, func(n int64) error {
		err := s.Counter.Bytes.Acquire(x.holds.client, n)
		if err == nil {
			x.holds.bytes += n
		}
		return err
	})
}

// refuseUnread is fasthttp.Server.ErrorHandler, for requests that it can't read. A caller
// that is gone, or has not sent a header in time, gets no answer.
func (s *Server) refuseUnread(ctx *fasthttp.RequestCtx, err error) {
	conn := ctx.Conn().(*netconn.Conn)
	late := errors.Is(err, os.ErrDeadlineExceeded)
	var lost *net.OpError
	switch {
	case late && conn.HasHeader():
		// The body did not begin, or the header ends in a way that fasthttp does not take.
		_, fault := conn.Framing(0, nil)
		ctx.Response.Reset()
		ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
		x := exchange{RequestCtx: ctx}
		x.fail(problem.Of(cmp.Or(fault, request.BodyFault(err)), false), false)
	case late, errors.As(err, &lost):
		_ = conn.Close()
	case isTooLarge(err):
		refuse(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge)
	case errors.Is(err, fasthttp.ErrUnsupportedTransferEncoding):
		refuse(ctx, fasthttp.StatusNotImplemented)
	default:
		refuse(ctx, fasthttp.StatusBadRequest)
	}
}

// isTooLarge reports whether a header has more bytes than it may have.
func isTooLarge(err error) bool {
	var small *fasthttp.ErrSmallBuffer
	return errors.As(err, &small)
}
