package service

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
)

// Endpoint is a server that receives counts.
type Endpoint struct {
	*httptest.Server
	mu    sync.Mutex
	calls []Call
}

// Call is one delivery that an endpoint received: its webhook-id, count and body.
type Call struct{ ID, Count, Body string }

// NewEndpoint starts an endpoint that accepts every delivery. It ends with the test.
func NewEndpoint(t testing.TB) *Endpoint {
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

// Got returns the deliveries so far, in the order of their arrival.
func (e *Endpoint) Got() []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Reports are the counts of the capture logs by window, which must not differ
// where one window has several. Repeated is the number of those that repeat one.
func Reports(t testing.TB, folders ...*Deployment) (reports map[string]Line, repeated int) {
	t.Helper()
	reports = make(map[string]Line)
	for _, d := range folders {
		for _, l := range d.Lines() {
			if l.Event != "unique_ids" {
				continue
			}
			if other, ok := reports[l.ID]; ok {
				repeated++
				if l.Count != other.Count || !l.WindowStart.Equal(other.WindowStart) || !l.WindowEnd.Equal(other.WindowEnd) {
					t.Fatalf("window %s has two reports: %+v and %+v", l.ID, other, l)
				}
			}
			reports[l.ID] = l
		}
	}
	return reports, repeated
}

// Reports are the counts of the capture log by window.
func (d *Deployment) Reports() map[string]Line {
	d.T.Helper()
	reports, _ := Reports(d.T, d)
	return reports
}

// Total is the sum of the counts.
func Total(reports map[string]Line) (n int64) {
	for _, l := range reports {
		n += l.Count
	}
	return n
}

// AttemptsAt are the lines about an endpoint: attempt and status, or what is
// wrong.
func (d *Deployment) AttemptsAt(endpoint string) (all []Line) {
	for _, l := range d.Lines() {
		if l.Event == "callback" && l.Endpoint == endpoint {
			all = append(all, l)
		}
	}
	return all
}

// StartAll starts n instances simultaneously.
func (r *Ring) StartAll(n int) (all []*Instance, folders []*Deployment) {
	r.T.Helper()
	for range n {
		d := r.Deployment()
		folders = append(folders, d)
		all = append(all, d.Launch())
		// The order of the nodes in the setting must not matter.
		r.Seeds = append(r.Seeds[1:], r.Seeds[0])
		r.Servers = append(r.Servers[1:], r.Servers[0])
	}
	for _, in := range all {
		in.AwaitReady()
	}
	return all, folders
}

// Listed is a window as GET /api/verve/windows shows it.
type Listed struct {
	Line
	State string `json:"state"`
}

// Windows are those that are listed, none when the list can't be read.
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

// LocalCallbacks is the environment for endpoints of the tests' own.
func LocalCallbacks(window, grace string) []string {
	return []string{"FOOTFALL_WINDOW=" + window, "FOOTFALL_GRACE=" + grace, "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8", "FOOTFALL_CALLBACK_RATE=1000000/s", "FOOTFALL_CLIENT_SHARE=100"}
}

// Long reports whether the tests with a long form are to run it.
func Long() bool { return os.Getenv("FOOTFALL_TEST_LONG") != "" }
