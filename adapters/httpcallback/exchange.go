package httpcallback

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
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
	// maxHeader bounds the header of an answer and of all interim ones
	// before it, maxBody what is read of its body, maxKept what is kept of
	// that, all in bytes.
	maxHeader = 16 << 10
	maxBody   = 4 << 10
	maxKept   = 256
	// maxRetryAfter is the longest time for which an endpoint can ask to be
	// left alone.
	maxRetryAfter = 24 * time.Hour
)

var (
	errLongHeader = errors.New("the header of the answer is too long")
	errNotHTTP    = errors.New("the answer is not HTTP")
)

// request is the POST of a report at a time.
func (n *Notifier) request(ctx context.Context, u *url.URL, r publishing.Report, at time.Time) (*http.Request, error) {
	body := r.Body()
	signature, err := n.secrets.sign(r.ID, at, body)
	if err != nil {
		return nil, err
	}
	header := http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {"footfall"},
		"Webhook-Id":        {r.ID},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
	}
	if signature != "" {
		header["Webhook-Signature"] = []string{signature}
	}
	to := *u
	to.RawQuery = withCount(u.RawQuery, r.Count)
	req := &http.Request{
		Method: http.MethodPost, URL: &to, Host: u.Host, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		Close: true,
	}
	return req.WithContext(ctx), nil
}

// withCount adds the count behind whatever query there is, byte for byte.
func withCount(query string, count int64) string {
	if query != "" && !strings.HasSuffix(query, "&") {
		query += "&"
	}
	return query + "count=" + strconv.FormatInt(count, 10)
}

// connect ends when ctx does, and closes what it opened if it fails.
func (n *Notifier) connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	host := u.Hostname()
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	dialer := net.Dialer{Resolver: n.resolver, Control: n.guard.control(host), KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil || u.Scheme == "http" {
		return conn, err
	}
	secure := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// exchange sends a request and reads the beginning of the answer into an
// attempt. It isn't
// http.Transport's work, since that reads megabytes of header lines into
// maps, prints what a server says unasked to the log, and leaves goroutines
// behind that dial on after the end of ctx.
func exchange(conn net.Conn, req *http.Request) (a publishing.Attempt, err error) {
	// Who answers early and hangs up is heard; a send that failed otherwise
	// shows in the read.
	_ = req.Write(conn)
	limit := &io.LimitedReader{R: conn, N: maxHeader}
	from := bufio.NewReader(limit)
	answer, err := readHeader(from, req)
	switch {
	case err != nil && limit.N <= 0:
		return a, errLongHeader
	case err != nil:
		return a, err
	}
	limit.N = maxBody
	kept, err := io.ReadAll(io.LimitReader(answer.Body, maxKept))
	if err == nil {
		// An endpoint that says a little more shall not see its connection
		// reset.
		_, _ = io.CopyN(io.Discard, answer.Body, maxBody-maxKept)
	}
	limit.N = 0 // or Close would read on
	_ = answer.Body.Close()
	a.Status, a.Response, a.RetryAfter = answer.StatusCode, string(kept), retryAfter(answer.Header, time.Now())
	return a, nil
}

// retryAfter reads the header of that name, seconds or a date (RFC 9110,
// 10.2.3); what is neither is nothing, and more than a day is a day.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.ParseInt(text, 10, 32)
	if err != nil { // there are too many digits
		return maxRetryAfter
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

// readHeader skips interim answers. What doesn't parse is told without
// quoting it.
func readHeader(from *bufio.Reader, req *http.Request) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(from, req)
		var op *net.OpError
		switch {
		case errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil, err
		case err != nil || answer.StatusCode < 100:
			return nil, errNotHTTP
		case answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols:
			return answer, nil
		}
	}
}
