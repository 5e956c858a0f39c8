// Package httpcheck has what the tests of HTTP handlers have in common: golden
// files, and requests to a handler or to a server.
package httpcheck

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/httpapi"
)

var update = flag.Bool("update", false, "write the golden files again") //nolint:gochecknoglobals // a flag of tests

// Send sends a request to a handler, without a body if that is empty. headers are
// names, each followed by a value; Host is the host that is asked for.
func Send(t *testing.T, h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, reader)
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Add(pair[0], pair[1])
		if pair[0] == "Host" {
			r.Host = pair[1]
		}
	}
	return Answer(h, r)
}

// Answer is the answer of a handler to a request.
func Answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Golden compares an answer, with its headers, with a file in testdata.
func Golden(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	var got bytes.Buffer
	fmt.Fprintf(&got, "%d\n", w.Code)
	for _, header := range []string{"Allow", "Cache-Control", "Content-Type", "Retry-After", "WWW-Authenticate", httpapi.ErrorHeader} {
		if v := w.Header().Get(header); v != "" {
			fmt.Fprintf(&got, "%s: %s\n", header, v)
		}
	}
	fmt.Fprintf(&got, "\n%s\n", w.Body)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// Inner wraps an error as a node's error is wrapped: in texts that no caller may
// see.
func Inner(err error) error {
	return fmt.Errorf("apply on redis_6379: dial tcp 10.0.0.7:6379: connection refused: %w", err)
}

// NothingInner fails when an answer has a text of Inner, or of a panic.
func NothingInner(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for _, secret := range []string{"10.0.0.7", "dial", "redis_6379", "goroutine", "panic"} {
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("the body has %q: %s", secret, w.Body)
		}
	}
}

// NewServer makes a server on loopback that is not started.
func NewServer(h http.Handler) *httpapi.Server {
	return httpapi.NewServer("127.0.0.1:0", h, 30*time.Second, slog.New(slog.DiscardHandler))
}

// Serve starts a server that stops at the end of the test.
func Serve(t *testing.T, h http.Handler) *httpapi.Server {
	t.Helper()
	s := NewServer(h)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Client makes a client that keeps no connections after the test.
func Client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Ask sends a request without a body to a server.
func Ask(t *testing.T, c *http.Client, method, url string) (answer *http.Response, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err = c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}
