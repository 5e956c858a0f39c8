package httpcallback_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
	"footfall/test/check"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// recorder answers ok and keeps the bytes of each request.
func recorder(t *testing.T) (*server, func() string) {
	t.Helper()
	requests := make(chan string, 100)
	s := serve(t, "127.0.0.1:0", func(c net.Conn) {
		var seen bytes.Buffer
		req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c, &seen)))
		if err != nil {
			return
		}
		_, _ = io.ReadAll(req.Body)
		requests <- seen.String()
		_, _ = io.WriteString(c, ok)
	})
	return s, func() string { return <-requests }
}

func TestTheRequestIsThatOfTheContract(t *testing.T) {
	s, next := recorder(t)
	n := notifier(t, "127.0.0.1/32", httpcallback.Options{})
	earliest := time.Now().Unix()
	got := n.Notify(t.Context(), report(), s.endpoint("/hook?a=1"), 2)
	if got.Err != nil || got.Status != 200 || got.Response != "ok" || got.Number != 2 || got.Took <= 0 ||
		got.ReportID != report().ID || got.Endpoint != s.endpoint("/hook?a=1") {
		t.Errorf("attempt %+v", got)
	}
	seen := next()
	stamp := header(t, seen, "Webhook-Timestamp")
	if at, err := strconv.ParseInt(stamp, 10, 64); err != nil || at < earliest || at > time.Now().Unix() {
		t.Errorf("webhook-timestamp %q, want the Unix time of the call", stamp)
	}
	seen = strings.NewReplacer(stamp, "TIME", s.Addr().String(), "HOST", "\r\n", "\n").Replace(seen)
	want := check.Value(os.ReadFile("testdata/request.golden"))(t)
	if seen+"\n" != string(want) {
		t.Errorf("the request is\n%s\nwant\n%s", seen, want)
	}
}

// U12 of the list of failures.
func TestTheCountIsAppendedToTheQuery(t *testing.T) {
	s, next := recorder(t)
	n := notifier(t, "127.0.0.1/32", httpcallback.Options{})
	for path, want := range map[string]string{
		"":                        "/?count=123",
		"/":                       "/?count=123",
		"/p":                      "/p?count=123",
		"/p?":                     "/p?count=123",
		"/p?a=1":                  "/p?a=1&count=123",
		"/p?a=1&":                 "/p?a=1&count=123",
		"/p?b=2&a=1&b=%zz;x&&c":   "/p?b=2&a=1&b=%25zz;x&&c&count=123",
		"/p?q=a+b%20c%2F/?x":      "/p?q=a+b%20c%2F/?x&count=123",
		"/p?count=5":              "/p?count=5&count=123",
		"/a%2Fb/../c//d;e?x=é":    "/a%2Fb/../c//d;e?x=%C3%A9&count=123",
		"/p?next=http://x/?a=1":   "/p?next=http://x/?a=1&count=123",
		"/%0d%0aX-Forged:%20yes?": "/%0d%0aX-Forged:%20yes?count=123",
	} {
		e := check.Value(publishing.ParseEndpoint(string(s.endpoint(path))))(t)
		if got := n.Notify(t.Context(), report(), e, 1); got.Status != 200 {
			t.Errorf("call: %+v", got)
			continue
		}
		if line, _, _ := strings.Cut(next(), "\r\n"); line != "POST "+want+" HTTP/1.1" {
			t.Errorf("%s: %s, want %s", path, line, want)
		}
	}
}

// F13: an endpoint that an earlier version stored is encoded, too, and found in the
// attempt as it was stored.
func TestF13AStoredEndpointIsEncodedWhenItIsCalled(t *testing.T) {
	s, next := recorder(t)
	n := notifier(t, "127.0.0.1/32", httpcallback.Options{})
	stored := s.endpoint("/?f=" + strings.Repeat("{}", publishing.MaxEndpointBytes/2-20)) // longer than the limit when encoded
	got := n.Notify(t.Context(), report(), stored, 1)
	if line, _, _ := strings.Cut(next(), "\r\n"); got.Status != 200 || got.Endpoint != stored || !strings.HasPrefix(line, "POST /?f=%7B%7D%7B%7D") {
		t.Errorf("%+v, %s", got, line)
	}
}

func TestARetryIsTheSameRequestUnderTheSameID(t *testing.T) {
	s, next := recorder(t)
	n := notifier(t, "127.0.0.1/32", httpcallback.Options{})
	for number := range 2 {
		n.Notify(t.Context(), report(), s.endpoint("/"), number+1)
	}
	first, second := next(), next()
	if a, b := header(t, first, "Webhook-Id"), header(t, second, "Webhook-Id"); a != b || a != report().ID {
		t.Errorf("webhook-id %q and %q, want %q", a, b, report().ID)
	}
	if body(first) != body(second) || body(first) != string(report().Body()) {
		t.Errorf("bodies %q and %q", body(first), body(second))
	}
}

// A receiver checks signatures by the rules of Standard Webhooks: base64 of
// HMAC-SHA256 over id, timestamp and body, joined by dots.
func TestEverySecretSignsTheRequest(t *testing.T) {
	keys := [][]byte{bytes.Repeat([]byte("a"), 24), bytes.Repeat([]byte("b"), 64)}
	secrets := check.Value(httpcallback.ParseSecrets("whsec_" + base64.StdEncoding.EncodeToString(keys[0]) +
		", whsec_" + base64.StdEncoding.EncodeToString(keys[1])))(t)
	s, next := recorder(t)
	n := notifier(t, "127.0.0.1/32", httpcallback.Options{Secrets: secrets})
	for number := range 2 { // a retry is signed again
		n.Notify(t.Context(), report(), s.endpoint("/"), number+1)
		seen := next()
		var want []string
		for _, key := range keys {
			mac := hmac.New(sha256.New, key)
			_, _ = fmt.Fprintf(mac, "%s.%s.%s", header(t, seen, "Webhook-Id"), header(t, seen, "Webhook-Timestamp"), body(seen))
			want = append(want, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		}
		check.Equal(t, header(t, seen, "Webhook-Signature"), strings.Join(want, " "), "webhook-signature")
	}
	if text := fmt.Sprintf("%v %+v %#v %s %x", secrets, secrets, secrets, secrets, secrets); strings.Contains(text, "97") || strings.Contains(text, "61") {
		t.Errorf("secrets print as %s", text)
	}
}

func TestABadSecretIsRefusedWithoutBeingQuoted(t *testing.T) {
	good := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	for secret, want := range map[string]string{
		"hunter2":               "begins with whsec_",
		good + ",":              "begins with whsec_",
		"whsec_hunter2!":        "is base64",
		"whsec_aHVudGVyMg==":    "24 to 64 bytes, not 7",
		good + ",whsec_hunter2": "is base64",
	} {
		_, err := httpcallback.ParseSecrets(secret)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %s", secret, err, want)
		}
	}
	check.OK(t, check.Err(httpcallback.ParseSecrets("")), "no secret")
}

func header(t *testing.T, request, name string) string {
	t.Helper()
	req := check.Value(http.ReadRequest(bufio.NewReader(strings.NewReader(request))))(t)
	return req.Header.Get(name)
}

func body(request string) string {
	_, body, _ := strings.Cut(request, "\r\n\r\n")
	return body
}
