package httpcallback

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"footfall/domain/publishing"
)

const (
	// Bounds in bytes: maxHeader of an answer's header with all interim
	// answers before it, maxBody of what is read of its body, maxKept of
	// what is kept of that.
	maxHeader = 16 << 10
	maxBody   = 4 << 10
	maxKept   = 256
	// maxRetryAfter is the longest pause that an endpoint can ask for.
	maxRetryAfter = 24 * time.Hour
)

// request returns the POST of a report, signed for the time at. The count is at
// the end of the query.
func (n *Notifier) request(u *url.URL, r publishing.Report, at time.Time) *http.Request {
	body := r.Body()
	header := http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {n.userAgent},
		"Webhook-Id":        {r.ID},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
	}
	if signature := n.secrets.sign(r.ID, at, body); signature != "" {
		header["Webhook-Signature"] = []string{signature}
	}
	to := *u
	if to.RawQuery != "" && !strings.HasSuffix(to.RawQuery, "&") { // its bytes stay as they are
		to.RawQuery += "&"
	}
	to.RawQuery += "count=" + strconv.FormatInt(r.Count, 10)
	return &http.Request{
		Method: http.MethodPost, URL: &to, Host: u.Host, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		Close: true,
	}
}

// exchange sends a request and reads the beginning of the answer into an
// attempt. It does not use http.Transport, which reads megabytes of header lines
// into maps, logs unsolicited answers, and leaves goroutines that dial after the
// end of ctx.
func exchange(conn net.Conn, req *http.Request) (a publishing.Attempt, err error) {
	// The endpoint may answer early and close the connection, so that the
	// answer is read even if the write fails. Other failures show in the read.
	_ = req.Write(conn)
	limit := &io.LimitedReader{R: conn, N: maxHeader}
	from := bufio.NewReader(limit)
	answer, err := readHeader(from, req)
	switch {
	case err != nil && limit.N <= 0:
		return a, errors.New("the header of the answer is too long")
	case err != nil:
		return a, err
	}
	limit.N = maxBody
	kept, err := io.ReadAll(io.LimitReader(answer.Body, maxKept))
	if err == nil {
		// Reading a little more keeps the endpoint from seeing a reset.
		_, _ = io.CopyN(io.Discard, answer.Body, maxBody-maxKept)
	}
	limit.N = 0 // else Close would read more
	_ = answer.Body.Close()
	a.Status, a.Response, a.RetryAfter = answer.StatusCode, string(kept), retryAfter(answer.Header, time.Now())
	return a, nil
}

// retryAfter returns the value of Retry-After, which is in seconds or a date
// (RFC 9110, 10.2.3). It is 0 for anything else, and at most a day.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	seconds, err := strconv.ParseUint(text, 10, 32) // the largest, for too many digits
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

// readHeader reads the answer's header after any interim answers. Its errors
// quote nothing of what the endpoint sent.
func readHeader(from *bufio.Reader, req *http.Request) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(from, req)
		var op *net.OpError
		switch {
		case errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil, err
		case err != nil || answer.StatusCode < 100:
			return nil, errors.New("the answer is not HTTP")
		case answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols:
			return answer, nil
		}
	}
}
