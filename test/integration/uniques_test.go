package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// endpoint is a server that is told counts.
type endpoint struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

type call struct{ id, count, body string }

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.calls = append(e.calls, call{r.Header.Get("webhook-id"), r.URL.Query().Get("count"), string(body)})
		_, _ = io.WriteString(w, "thank you")
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) got() []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]call(nil), e.calls...)
}

// reports are the counts of the capture log by window, which must not differ
// where one window has several.
func (d *deployment) reports() map[string]line {
	d.t.Helper()
	reports := make(map[string]line)
	for _, l := range d.lines() {
		if l.Event != "unique_ids" {
			continue
		}
		if before, ok := reports[l.ID]; ok && before.Count != l.Count {
			d.t.Fatalf("window %s has the counts %d and %d", l.ID, before.Count, l.Count)
		}
		reports[l.ID] = l
	}
	return reports
}

func total(reports map[string]line) (n int64) {
	for _, l := range reports {
		n += l.Count
	}
	return n
}

func accept(t *testing.T, in *instance, id int, endpoint string) {
	t.Helper()
	url := fmt.Sprintf("%s/api/verve/accept?id=%d", in.public, id)
	if endpoint != "" {
		url += "&endpoint=" + endpoint
	}
	if got, body, err := send(http.DefaultClient, http.MethodGet, url); got != acknowledged || body != "ok" {
		t.Fatalf("accept %d: %v %q %v", id, got, body, err)
	}
}

// P5, P6, and U9 of the list of failures: ids sent through the boundaries of
// three windows and more, each counted once; the endpoint is told each
// window's number.
func TestEveryWindowHasOneRightNumber(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	d := newDeployment(t, "FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=300ms", "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8")
	in := d.start()
	sent := 0
	for begin := time.Now(); time.Since(begin) < 7*time.Second; sent++ {
		accept(t, in, sent, e.URL)
		accept(t, in, sent, e.URL) // the same id again, counted once unless a boundary lies between
		time.Sleep(10 * time.Millisecond)
	}
	// At most one id is counted twice at each boundary: its pair lay on both sides.
	waitFor(t, "every id is published", 30*time.Second, func() bool { return total(d.reports()) >= int64(sent) })
	reports := d.reports()
	if got := total(reports); got > int64(sent+len(reports)) {
		t.Errorf("%d ids became %d", sent, got)
	}
	if len(reports) < 3 {
		t.Fatalf("%d windows", len(reports))
	}
	waitFor(t, "every window is told", 30*time.Second, func() bool { return len(e.got()) >= countedWindows(reports) })
	told := make(map[string]bool)
	for _, c := range e.got() {
		l, ok := reports[c.id]
		if !ok || c.count != fmt.Sprint(l.Count) || !strings.Contains(c.body, fmt.Sprintf(`"count":%d`, l.Count)) {
			t.Errorf("the endpoint was told %+v, the log says %+v", c, l)
		}
		if told[c.id] {
			t.Errorf("the endpoint was told twice of %s", c.id)
		}
		told[c.id] = true
	}
	waitFor(t, "the responses are in the log", 30*time.Second, func() bool {
		n := 0
		for _, l := range d.lines() {
			if l.Event == "callback" && l.Status == 200 && l.Response == "thank you" && l.Endpoint == e.URL {
				n++
			}
		}
		return n == len(told)
	})
}

// countedWindows are those with ids, which came with the endpoint.
func countedWindows(reports map[string]line) (n int) {
	for _, l := range reports {
		if l.Count > 0 {
			n++
		}
	}
	return n
}

// P5, and U17 of the list of failures: a window whose end the process did not
// live to see is published after the restart, with its own number; a window
// in which no process lived is not.
func TestAWindowThatTheProcessDidNotSurviveIsPublishedLater(t *testing.T) {
	t.Parallel()
	for _, end := range []struct {
		name string
		end  func(*instance)
	}{{"kill", (*instance).kill}, {"SIGTERM", func(in *instance) { in.stop() }}} {
		t.Run(end.name, func(t *testing.T) {
			t.Parallel()
			const window = 3 * time.Second
			name := func(start time.Time) string { return "footfall_" + start.UTC().Format("20060102T150405Z") + "_3s" }
			var d *deployment
			var begin time.Time
			for try := 0; ; try++ { // a machine that is busy may miss the window
				if try == 5 {
					t.Fatal("50 ids and the end took longer than a window, each time")
				}
				d = newDeployment(t, "FOOTFALL_WINDOW=3s", "FOOTFALL_GRACE=300ms")
				in := d.start()
				begin = time.Unix((time.Now().Unix()/3+1)*3, 0)
				time.Sleep(time.Until(begin.Add(50 * time.Millisecond)))
				acceptMany(t, in, 50, func(int) string { return "" })
				end.end(in)
				if time.Since(begin) < window {
					break
				}
			}
			time.Sleep(time.Until(begin.Add(3*window + window/2))) // two windows without a process
			d.start()
			waitFor(t, "the window is published", 30*time.Second, func() bool { return d.reports()[name(begin)].ID != "" })
			if got := d.reports()[name(begin)].Count; got != 50 {
				t.Errorf("50 ids became %d", got)
			}
			for _, later := range []time.Duration{window, 2 * window} {
				if l, ok := d.reports()[name(begin.Add(later))]; ok {
					t.Errorf("a window without a process was published: %+v", l)
				}
			}
		})
	}
}

// P5: a minute in which an instance lived and no id came has the count 0.
func TestAnEmptyWindowIsPublishedAsZero(t *testing.T) {
	t.Parallel()
	d := newDeployment(t, "FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms")
	d.start()
	waitFor(t, "three windows", 30*time.Second, func() bool { return len(d.reports()) >= 3 })
	if n := total(d.reports()); n != 0 {
		t.Errorf("nothing became %d", n)
	}
}
