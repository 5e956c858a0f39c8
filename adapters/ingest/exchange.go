package ingest

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"footfall/adapters/httpapi/problem"
)

// exchange is one request with its answer, as request.Header and request.Answer. fasthttp
// uses its bytes again, so every text here is a copy.
type exchange struct {
	*fasthttp.RequestCtx
	method      string
	path, query string // as sent
	host        string
	// fields are those of the header as they were sent: fasthttp adds what comes after a
	// chunked body to those that it has. They are no copies.
	fields []field
	holds  holds
}

// field is one field of a header, without the spaces around its value.
type field struct{ name, value []byte }

// begin reads the header of a request.
func (x *exchange) begin(ctx *fasthttp.RequestCtx) {
	x.RequestCtx = ctx
	switch { // without a copy
	case ctx.IsPost():
		x.method = fasthttp.MethodPost
	case ctx.IsGet():
		x.method = fasthttp.MethodGet
	default:
		x.method = string(ctx.Method())
	}
	for lines := ctx.Request.Header.RawHeaders(); len(lines) > 0; {
		var line []byte
		line, lines, _ = bytes.Cut(lines, []byte("\n"))
		if name, value, ok := bytes.Cut(line, []byte(":")); ok {
			x.fields = append(x.fields, field{name, bytes.Trim(value, " \t\r")})
		}
	}
}

// end makes room for another request. It keeps the host, which is mostly the same.
func (x *exchange) end() {
	clear(x.fields)
	*x = exchange{host: x.host, fields: x.fields[:0]}
}

// readTarget reads the target of a request as net/url does; ok is false if it can't be read.
func (x *exchange) readTarget() (ok bool) {
	target := string(x.Request.Header.RequestURI())
	if host := x.Request.Header.Host(); x.host != string(host) {
		x.host = string(host)
	}
	if !strings.HasPrefix(target, "/") {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return false
		}
		if u.Host != "" {
			x.host = u.Host
		}
		if x.path, x.query = u.RawPath, u.RawQuery; x.path == "" {
			x.path = u.EscapedPath()
		}
		return true
	}
	x.path, x.query, _ = strings.Cut(target, "?")
	return true
}

// refusedByHTTP is the status of a request that net/http refuses and fasthttp does not; 0 for
// none.
func (x *exchange) refusedByHTTP() (status int) {
	if protocol := x.Request.Header.Protocol(); string(protocol) != "HTTP/1.1" && string(protocol) != "HTTP/1.0" {
		return fasthttp.StatusHTTPVersionNotSupported
	}
	for _, f := range x.fields {
		if bytes.IndexByte(f.name, ' ') >= 0 {
			status = fasthttp.StatusBadRequest
		}
		if f.is("Expect") && !strings.EqualFold(string(f.value), "100-continue") && status == 0 {
			status = fasthttp.StatusExpectationFailed
		}
	}
	return status
}

func (f field) is(name string) bool {
	return len(f.name) == len(name) && strings.EqualFold(name, string(f.name))
}

// Values implements request.Header.
func (x *exchange) Values(name string) (values []string) {
	for _, f := range x.fields {
		if f.is(name) {
			values = append(values, string(f.value))
		}
	}
	return values
}

// value is the first of a field; empty for none.
func (x *exchange) value(name string) string {
	if all := x.Values(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// Get implements request.Answer.
func (x *exchange) Get(name string) string { return string(x.Response.Header.Peek(name)) }

// Set implements request.Answer.
func (x *exchange) Set(name, value string) { x.Response.Header.Set(name, value) }

// succeed answers 200 with a body, which is not changed any more.
func (x *exchange) succeed(body []byte, plain bool) {
	kind := "application/json"
	if plain {
		kind = "text/plain; charset=utf-8"
	}
	x.Response.Header.SetContentType(kind)
	x.neverCached()
	if len(body) < largeAnswer {
		x.Response.SetBodyRaw(body)
		return
	}
	held := &heldAnswer{holds: x.holds}
	held.Reset(body)
	x.holds = holds{}
	x.Response.SetBodyStream(held, len(body))
}

func (x *exchange) neverCached() {
	x.Response.Header.SetCanonical([]byte("Cache-Control"), []byte("no-store"))
}

// fail answers with a fault, as httpapi.Handler.Fail.
func (x *exchange) fail(f problem.Fault, plain bool) {
	if f.RetryAfter > 0 {
		x.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	x.Response.SetStatusCode(f.Status)
	x.neverCached()
	if plain {
		x.Set("X-Footfall-Error", f.Code)
		x.Response.Header.SetContentType("text/plain; charset=utf-8")
		x.Response.SetBodyString("failed")
		return
	}
	x.Response.Header.SetContentType("application/problem+json")
	x.Response.SetBodyRaw(f.JSON())
}

// refuse answers a request that HTTP does not allow in the words of net/http, and ends the
// connection.
func refuse(ctx *fasthttp.RequestCtx, status int) {
	ctx.Response.Reset()
	ctx.Response.SetStatusCode(status)
	ctx.SetConnectionClose()
	if status == fasthttp.StatusExpectationFailed {
		return
	}
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	ctx.Response.SetBodyString(strconv.Itoa(status) + " " + fasthttp.StatusMessage(status))
}
