package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"footfall/application/groupcommit"
	"footfall/test/chaos"
	"footfall/test/check"
)

// Reply is what a caller received.
type Reply struct {
	Request string        // method and address
	Outcome chaos.Outcome // as P2 distinguishes them
	Status  int           // 0: no answer
	Header  http.Header
	Body    string
	Took    time.Duration
}

// NewClient returns a client that shares no connections with other tests.
func NewClient() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
}

// Request sends a request by c, with headers as pairs of name and value. It
// returns an error only when there was no answer. A refused connection has the
// outcome Refused.
func Request(c *http.Client, method, address, body string, headers ...string) (Reply, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(body))
	if err != nil {
		return Reply{Request: method + " " + address, Outcome: chaos.Unknown}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	begin := time.Now()
	resp, err := c.Do(req)
	if err != nil {
		got := Reply{Request: method + " " + address, Outcome: chaos.Unknown, Took: time.Since(begin)}
		if errors.Is(err, syscall.ECONNREFUSED) {
			got.Outcome = chaos.Refused
		}
		return got, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	got := Reply{Request: method + " " + address, Outcome: chaos.Unknown, Status: resp.StatusCode, Header: resp.Header, Body: string(text), Took: time.Since(begin)}
	switch {
	case err != nil:
		got.Status = 0
	case resp.StatusCode == http.StatusOK:
		got.Outcome = chaos.Acknowledged
	case resp.StatusCode == http.StatusServiceUnavailable:
		got.Outcome = chaos.Refused
	}
	return got, err
}

// Want fails the test unless the answer has a status, and a body with each of
// the parts. A part that begins with ! must not be in the body.
func (got Reply) Want(t testing.TB, status int, parts ...string) {
	t.Helper()
	ok := got.Status == status
	for _, part := range parts {
		unwanted, not := strings.CutPrefix(part, "!")
		ok = ok && not != strings.Contains(got.Body, unwanted)
	}
	if !ok {
		t.Errorf("%s: %d %.2000s after %v, want %d %q", got.Request, got.Status, got.Body, got.Took, status, parts)
	}
}

// Into reads the body of an answer with the status 200. It ends the test when
// there is none.
func (got Reply) Into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(got.Body), v); err != nil || got.Status != http.StatusOK {
		t.Fatalf("%s: %d %s: %v", got.Request, got.Status, got.Body, err)
	}
}

// MustSend sends one request on a connection of its own. It ends the test when
// there is no answer.
func MustSend(t testing.TB, method, address, body string, headers ...string) Reply {
	t.Helper()
	c := NewClient()
	c.Timeout = 30 * time.Second
	defer c.CloseIdleConnections()
	return check.Value(Request(c, method, address, body, headers...))(t)
}

// Ingest are settings with an ingest listener, which then gets the requests that it serves.
const Ingest = "FOOTFALL_INGEST_LISTEN=127.0.0.1:0"

// EachListener runs a test for the listeners to which visits and ids can be sent, each with
// the settings that it needs.
func EachListener(t *testing.T, run func(t *testing.T, env ...string)) {
	t.Helper()
	t.Run("public", func(t *testing.T) { run(t) })
	t.Run("ingest", func(t *testing.T) { run(t, Ingest) })
}

// to is the listener for a request, with its path.
func (in *Instance) to(method, path string) string {
	route, _, _ := strings.Cut(path, "?")
	switch {
	case strings.HasPrefix(path, "/visit/"), route == "/visits" && method == http.MethodPost, route == "/api/verve/accept",
		strings.HasPrefix(path, "/visits/") && !strings.HasSuffix(route, "/history") && !strings.HasSuffix(route, "/badge.svg"):
		return in.Counts + path
	}
	return in.Public + path
}

// Get reads a path.
func (in *Instance) Get(path string) Reply {
	in.t.Helper()
	return MustSend(in.t, http.MethodGet, in.to(http.MethodGet, path), "")
}

// Record records one visit.
func (in *Instance) Record(page string) Reply {
	in.t.Helper()
	return MustSend(in.t, http.MethodPost, in.Counts+"/visit/"+url.PathEscape(page), "")
}

// Visits reads the number of a page. It ends the test when there is none.
func (in *Instance) Visits(page string) int64 {
	in.t.Helper()
	var answer struct{ Visits int64 }
	in.Get("/visits/"+url.PathEscape(page)).Into(in.t, &answer)
	return answer.Visits
}

// Administer sends a request to the admin listener.
func (in *Instance) Administer(method, path, body string) Reply {
	in.t.Helper()
	if body == "" {
		return MustSend(in.t, method, in.Admin+path, "")
	}
	return MustSend(in.t, method, in.Admin+path, body, "Content-Type", "application/json")
}

// Metrics returns the answer of GET /metrics.
func (in *Instance) Metrics() string {
	in.t.Helper()
	return in.Administer(http.MethodGet, "/metrics", "").Body
}

// AskOnce sends a request with an idempotency key on a connection of its own:
// net/http repeats such requests by itself on a connection that was used before.
func AskOnce(in *Instance, path, key, body string) Reply {
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	got, _ := Request(c, http.MethodPost, in.to(http.MethodPost, path), body, "Idempotency-Key", key)
	return got
}

// AcceptPath is the path and query for an id, with an endpoint unless that is empty.
func AcceptPath(id, endpoint string) string {
	query := url.Values{"id": {id}}
	if endpoint != "" {
		query.Set("endpoint", endpoint)
	}
	return "/api/verve/accept?" + query.Encode()
}

// Accept sends an id. It ends the test unless the id is accepted. A request that
// a busy machine has answered late is repeated.
func Accept(t testing.TB, in *Instance, id int, endpoint string) {
	t.Helper()
	check.Must(t, accept(http.DefaultClient, in, id, endpoint, groupcommit.Deadline/2))
}

// accept sends an id until it is accepted, ten times at most. Only a request that
// took longer than slow makes it send again.
func accept(c *http.Client, in *Instance, id int, endpoint string, slow time.Duration) (err error) {
	waited := false
	for range 10 {
		got, _ := Request(c, http.MethodGet, in.Counts+AcceptPath(fmt.Sprint(id), endpoint), "")
		if got.Status == http.StatusOK && got.Body == "ok" {
			return nil
		}
		err = fmt.Errorf("accept %d: %d %q after %v", id, got.Status, got.Body, got.Took)
		waited = waited || got.Took >= slow
		if !waited || got.Status == http.StatusBadRequest {
			return err
		}
	}
	return err
}

// AcceptMany sends n ids by several clients simultaneously.
func AcceptMany(t testing.TB, in *Instance, n int, endpoint func(i int) string) {
	t.Helper()
	client := NewClient()
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := accept(client, in, i, endpoint(i), 0); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
