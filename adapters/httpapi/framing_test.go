package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/netconn"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// S17: a request with two lengths is refused and its connection closed, however the bytes
// of its header arrive. Requests before and after it on a connection don't matter.
func TestS17ARequestWithTwoLengthsIsRefused(t *testing.T) {
	t.Parallel()
	const (
		start   = "POST / HTTP/1.1\r\nHost: x\r\n"
		length  = start + "Content-Length: 2\r\n\r\n[]"
		chunked = start + "Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
		both    = start + "content-length: 2\r\nTRANSFER-ENCODING: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
		reverse = start + "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 2\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
		old     = "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n[]"
		part    = start + "Content-Length: 2\r\n"
		rest    = "Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
		body    = start + "Transfer-Encoding: chunked\r\n\r\n13\r\n\nContent-Length: 2\n\r\n0\r\n\r\n"
	)
	s := httpcheck.Serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	for name, c := range map[string]struct {
		requests []string // each is sent when the answer to the one before is there
		step     int      // bytes at a time; 0 is all
		answers  string   // statuses; . is that the connection was closed
	}{
		"length":                      {[]string{length, length}, 0, "200 200"},
		"chunked":                     {[]string{chunked, length, chunked, chunked}, 0, "200 200 200 200"},
		"both":                        {[]string{both}, 0, "400 ."},
		"both, byte by byte":          {[]string{both}, 1, "400 ."},
		"both, by seven":              {[]string{reverse}, 7, "400 ."},
		"both, after others":          {[]string{length, chunked, reverse}, 0, "200 200 400 ."},
		"both, by the old protocol":   {[]string{old}, 0, "400 ."},
		"the words in a body":         {[]string{body, length}, 0, "200 200"},
		"chunked with the one before": {[]string{length + chunked}, 0, "200 200 ."},
		"partly with the one before":  {[]string{length + part, rest}, 0, "200 200 ."},
		"partly with chunked":         {[]string{chunked + part, rest}, 0, "200 200 ."},
		"partly after two others":     {[]string{length + length + part, "", rest}, 0, "200 200 200 ."},
		"a bare line feed":            {[]string{length, strings.Replace(length, "x\r\n", "x\n", 1)}, 0, "200 400 ."},
		"bare line feeds":             {[]string{strings.ReplaceAll(length, "\r\n", "\n")}, 0, "400 ."},
		"a bare one, byte by byte":    {[]string{strings.Replace(length, "2\r\n", "2\n", 1)}, 1, "400 ."},
		"a bare one at the end":       {[]string{strings.Replace(length, "\r\n\r\n", "\r\n\n", 1)}, 0, "400 ."},
		"a folded line":               {[]string{strings.Replace(length, "x\r\n", "x\r\nA: b\r\n y\r\n", 1)}, 0, "400 ."},
		"a folded line, by seven":     {[]string{strings.Replace(length, "x\r\n", "x\r\nA: b\r\n\ty\r\n", 1)}, 7, "400 ."},
		"length with the one before":  {[]string{length + length, "", length, length}, 0, "200 200 200 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr()))(t)
			defer conn.Close()
			check.Must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
			answers := bufio.NewReader(conn)
			var got []string
			wanted := strings.Fields(c.answers)
			for i, request := range c.requests {
				sendBy(t, conn, request, c.step)
				for len(got) < i+1 || i == len(c.requests)-1 && len(got) < len(wanted) {
					answer, err := http.ReadResponse(answers, nil)
					if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
						got = append(got, ".")
						break
					}
					check.Must(t, err, "after %v", got)
					_, _ = io.Copy(io.Discard, answer.Body)
					got = append(got, answer.Status[:3])
					check.Equal(t, answer.Header.Get("X-Content-Type-Options"), "nosniff", "the header of an answer")
				}
			}
			check.Equal(t, strings.Join(got, " "), c.answers, "the answers")
		})
	}
}

// S17: a body is not taken for a header whose end came with the request before: nothing is
// accounted, or answered, beside the request itself.
func TestS17ABodyIsNoHeader(t *testing.T) {
	t.Parallel()
	pool := &limits.Pool{Resource: "bytes", Total: 8 << 10, Share: 8 << 10}
	arrived := make(chan struct{}, 2)
	s := httpapi.NewServer("127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body)
	}), time.Minute, slog.New(slog.DiscardHandler))
	s.Limit(bound(netconn.Limits{Bytes: pool}))
	check.Must(t, s.Start(t.Context()))
	defer func() { check.Must(t, s.Stop(context.WithoutCancel(t.Context()))) }()
	conn := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr()))(t)
	defer conn.Close()
	check.Must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	const size = 64 << 10
	check.Value(io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "+strconv.Itoa(size)+"\r\n\r\n"))(t)
	<-arrived
	<-arrived
	_, _ = io.WriteString(conn, strings.Repeat("x", size)) // fails if the connection ends before
	answers, _ := io.ReadAll(conn)
	check.Equal(t, strings.Count(string(answers), "HTTP/1.1 200 "), 2, "answers 200 in %q", answers)
	check.Equal(t, strings.Count(string(answers), "HTTP/1.1 "), 2, "answers in %q", answers)
}

// sendBy sends a request, its header some bytes at a time; 0 is all at once.
func sendBy(t *testing.T, conn net.Conn, request string, step int) {
	t.Helper()
	for step > 0 && len(request) > step && strings.Contains(request[step:], "\r\n\r\n") {
		check.Value(io.WriteString(conn, request[:step]))(t)
		request = request[step:]
		time.Sleep(time.Millisecond) // so that the bytes mostly arrive by themselves
	}
	check.Value(io.WriteString(conn, request))(t)
}
