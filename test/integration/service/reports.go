package service

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

// endpoint is a server that is told counts.
type Endpoint struct {
	*httptest.Server
	mu    sync.Mutex
	calls []Call
}

type Call struct{ Id, Count, Body string }

func NewEndpoint(t *testing.T) *Endpoint {
	e := &Endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.calls = append(e.calls, Call{r.Header.Get("webhook-id"), r.URL.Query().Get("count"), string(body)})
		_, _ = io.WriteString(w, "thank you")
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *Endpoint) Got() []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Call(nil), e.calls...)
}

// reports are the counts of the capture log by window, which must not differ
// where one window has several.
func (d *Deployment) Reports() map[string]Line {
	d.T.Helper()
	reports := make(map[string]Line)
	for _, l := range d.Lines() {
		if l.Event != "unique_ids" {
			continue
		}
		if before, ok := reports[l.ID]; ok && before.Count != l.Count {
			d.T.Fatalf("window %s has the counts %d and %d", l.ID, before.Count, l.Count)
		}
		reports[l.ID] = l
	}
	return reports
}

func Total(reports map[string]Line) (n int64) {
	for _, l := range reports {
		n += l.Count
	}
	return n
}

func Accept(t *testing.T, in *Instance, id int, endpoint string) {
	t.Helper()
	url := fmt.Sprintf("%s/api/verve/accept?id=%d", in.Public, id)
	if endpoint != "" {
		url += "&endpoint=" + endpoint
	}
	if got, body, err := Send(http.DefaultClient, http.MethodGet, url); got != Acknowledged || body != "ok" {
		t.Fatalf("accept %d: %v %q %v", id, got, body, err)
	}
}

// attemptsAt are the lines about an endpoint: attempt and status, or what is
// wrong.
func (d *Deployment) AttemptsAt(endpoint string) (all []Line) {
	for _, l := range d.Lines() {
		if l.Event == "callback" && l.Endpoint == endpoint {
			all = append(all, l)
		}
	}
	return all
}

// acceptMany sends ids by several clients at once.
func AcceptMany(t *testing.T, in *Instance, n int, endpoint func(i int) string) {
	t.Helper()
	client := NewClient()
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				text := fmt.Sprintf("%s/api/verve/accept?id=%d&endpoint=%s", in.Public, i, url.QueryEscape(endpoint(i)))
				if endpoint(i) == "" {
					text = fmt.Sprintf("%s/api/verve/accept?id=%d", in.Public, i)
				}
				got, body, err := Send(client, http.MethodGet, text)
				for again := 0; again < 10 && got != Acknowledged && err == nil; again++ { // a machine that stands still refuses some
					got, body, err = Send(client, http.MethodGet, text)
				}
				if got != Acknowledged || err != nil {
					t.Errorf("accept %d: %v %q %v", i, got, body, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// startAll starts n instances at once.
func (r *Ring) StartAll(n int) (all []*Instance, folders []*Deployment) {
	r.T.Helper()
	for range n {
		d := r.Deployment()
		folders = append(folders, d)
		all = append(all, d.Launch())
		// The order in which an instance is told its nodes must not matter.
		r.Seeds = append(r.Seeds[1:], r.Seeds[0])
		r.Servers = append(r.Servers[1:], r.Servers[0])
	}
	for _, in := range all {
		in.AwaitReady()
	}
	return all, folders
}

// listed is a window as GET /api/verve/windows shows it.
type Listed struct {
	Line
	State string `json:"state"`
}

// windows are those that are listed, none when the list can't be had.
func (r *Ring) Windows(in *Instance) []Listed {
	var answer struct {
		Windows []Listed `json:"windows"`
	}
	got := r.Ask(in, "GET", "/api/verve/windows?limit=1000", "")
	if got.Status != 200 || json.Unmarshal([]byte(got.Body), &answer) != nil {
		return nil
	}
	return answer.Windows
}

// localCallbacks is the environment for endpoints of the tests' own.
func LocalCallbacks(window, grace string) []string {
	return []string{"FOOTFALL_WINDOW=" + window, "FOOTFALL_GRACE=" + grace, "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8"}
}

// long tells whether the tests with a long form are to run it.
func Long() bool { return os.Getenv("FOOTFALL_TEST_LONG") != "" }
