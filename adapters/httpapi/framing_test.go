package httpapi_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

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
