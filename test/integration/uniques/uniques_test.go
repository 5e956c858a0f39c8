package uniques_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// P5, P6, U9: ids sent through the boundaries of
// three windows and more, each counted once; the endpoint receives
// each window's number.
func TestEveryWindowHasOneRightNumber(t *testing.T) {
	t.Parallel()
	e := service.NewEndpoint(t)
	d := service.NewDeployment(t, service.LocalCallbacks("2s", "300ms")...)
	in := d.Start()
	sent := 0
	for begin := time.Now(); time.Since(begin) < 7*time.Second; sent++ {
		service.Accept(t, in, sent, e.URL)
		service.Accept(t, in, sent, e.URL) // the same id again, counted once unless a boundary lies between
		time.Sleep(10 * time.Millisecond)
	}
	// At most one id is counted twice at each boundary: its pair lay on both sides.
	service.WaitFor(t, "every id is published", func() bool { return service.Total(d.Reports()) >= int64(sent) })
	reports := d.Reports()
	if got := service.Total(reports); got > int64(sent+len(reports)) {
		t.Errorf("%d ids became %d", sent, got)
	}
	if len(reports) < 3 {
		t.Fatalf("%d windows", len(reports))
	}
	service.WaitFor(t, "the endpoint has every number", func() bool { return len(e.Got()) >= countedWindows(reports) })
	seen := make(map[string]bool)
	for _, c := range e.Got() {
		l, ok := reports[c.ID]
		if !ok || c.Count != fmt.Sprint(l.Count) || !strings.Contains(c.Body, fmt.Sprintf(`"count":%d`, l.Count)) {
			t.Errorf("the endpoint received %+v, the log says %+v", c, l)
		}
		if seen[c.ID] {
			t.Errorf("the endpoint was notified twice of %s", c.ID)
		}
		seen[c.ID] = true
	}
	service.WaitFor(t, "the responses are in the log", func() bool {
		n := 0
		for _, l := range d.Lines() {
			if l.Event == "callback" && l.Status == 200 && l.Response == "thank you" && l.Endpoint == e.URL {
				n++
			}
		}
		return n == len(seen)
	})
}

// countedWindows are those with ids, which came with the endpoint.
func countedWindows(reports map[string]service.Line) (n int) {
	for _, l := range reports {
		if l.Count > 0 {
			n++
		}
	}
	return n
}

// P5, U17: a window whose end the process did not
// live to see is published after the restart, with its own number; a window
// in which no process lived is not.
func TestAWindowThatTheProcessDidNotSurviveIsPublishedLater(t *testing.T) {
	t.Parallel()
	for _, end := range []struct {
		name string
		end  func(*service.Instance)
	}{{"kill", (*service.Instance).Kill}, {"SIGTERM", func(in *service.Instance) { in.Stop() }}} {
		t.Run(end.name, func(t *testing.T) {
			t.Parallel()
			const window = 3 * time.Second
			name := func(start time.Time) string { return "footfall_" + start.UTC().Format("20060102T150405Z") + "_3s" }
			var d *service.Deployment
			var begin time.Time
			for try := 0; ; try++ { // a machine that is busy may miss the window
				if try == 5 {
					t.Fatal("50 ids and the end took longer than a window, each time")
				}
				d = service.NewDeployment(t, "FOOTFALL_WINDOW=3s", "FOOTFALL_GRACE=300ms")
				in := d.Start()
				begin = time.Unix((time.Now().Unix()/3+1)*3, 0)
				time.Sleep(time.Until(begin.Add(50 * time.Millisecond)))
				service.AcceptMany(t, in, 50, func(int) string { return "" })
				end.end(in)
				if time.Since(begin) < window {
					break
				}
			}
			time.Sleep(time.Until(begin.Add(3*window + window/2))) // two windows without a process
			d.Start()
			service.WaitFor(t, "the window is published", func() bool { return d.Reports()[name(begin)].ID != "" })
			check.Equal(t, d.Reports()[name(begin)].Count, 50, "ids of the window")
			for _, later := range []time.Duration{window, 2 * window} {
				if l, ok := d.Reports()[name(begin.Add(later))]; ok {
					t.Errorf("a window without a process was published: %+v", l)
				}
			}
		})
	}
}
