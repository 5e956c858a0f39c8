package faults_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// P5, U7: an instance dies when its report is out
// and not yet noted, or when an endpoint took the number and that is not noted.
// Another repeats it: with the same id and number.
func TestWhatIsRepeatedAfterACrashIsTheSame(t *testing.T) {
	t.Parallel()
	for fault, repeats := range map[string]func(c *closers, repeated int) bool{
		"kill before publish 0": func(_ *closers, repeated int) bool { return repeated > 0 },
		"kill before call 0": func(c *closers, _ int) bool {
			calls := make(map[service.Call]int)
			for _, got := range c.endpoint.Got() {
				calls[got]++
			}
			for _, n := range calls {
				if n > 1 {
					return true
				}
			}
			return false
		},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			c := newClosers(t, 2, time.Second)
			first := c.launchUp(c.members[0], fault)
			for range 20 {
				c.send(c.endpoint.URL, first)
			}
			first.AwaitEnd()
			c.end(c.members[0], (*service.Instance).Kill)
			c.launchUp(c.members[1], "none")
			if repeated := c.resolve(); !repeats(c, repeated) {
				t.Errorf("nothing was repeated: %d reports, %+v", repeated, c.endpoint.Got())
			}
		})
	}
}

// P5: an instance that is stopped in the middle of a close for longer than its
// lease finds, when it goes on, that another has closed the window: it changes
// nothing, and repeats the same number at most.
func TestACloserThatOutsleepsItsLeaseChangesNothing(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"after claim", "before record", "before publish"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			c := newClosers(t, 2, time.Second)
			first := c.launchUp(c.members[0], "stop "+step+" 0")
			service.WaitFor(t, "the instance stops itself", func() bool {
				c.send("", c.any())
				return first.IsStopped()
			})
			c.members[0].set(nil)
			stopped, _ := c.published()
			second := c.launchUp(c.members[1], "none")
			service.WaitFor(t, "the other closes the window", func() bool {
				c.send("", second)
				reports := c.members[1].folder.Reports()
				for id := range stopped {
					if _, ok := reports[id]; !ok {
						return false
					}
				}
				return len(reports) > len(stopped)
			})
			if !first.IsStopped() {
				t.Fatal("the instance went on by itself")
			}
			_ = first.Cmd.Process.Signal(syscall.SIGCONT)
			c.members[0].set(first)
			service.WaitFor(t, "the instance goes on", func() bool { return c.Visit(first, "home").Status == 200 })
			c.under(2, never, func() { time.Sleep(2 * time.Second) })
			if repeated := c.resolve(); repeated < len(stopped) {
				t.Errorf("%d reports were repeated, want those that the instance had published before it was stopped, %d", repeated, len(stopped))
			}
		})
	}
}

// P5, U8: instances that start half a window apart
// publish one report for each window, and not one each.
func TestInstancesThatStartApartPublishOneReport(t *testing.T) {
	t.Parallel()
	const window = 2 * time.Second
	c := newClosers(t, 2, window)
	for _, m := range c.members {
		m.folder.Program = service.Program() // with leases of 15 s
	}
	c.launchUp(c.members[0], "none")
	time.Sleep(time.Until(time.Now().Truncate(window).Add(window * 3 / 2)))
	c.launchUp(c.members[1], "none")
	c.under(6, never, func() { time.Sleep(3 * window) })
	check.Equal(t, c.resolve(), 0, "reports that were repeated, though nothing went wrong")
}

// U1, U19, with two instances: ids that come to both simultaneously, while an endpoint
// takes its time, are counted, and once.
func TestIDsThatComeDuringASlowCallbackAreCountedOnce(t *testing.T) {
	t.Parallel()
	c := newClosers(t, 2, time.Second)
	c.begin()
	called := make(chan struct{})
	var once sync.Once
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Do(func() {
			for range 100 {
				c.send("", c.members[0].get(), c.members[1].get())
			}
			close(called)
			time.Sleep(500 * time.Millisecond) // half a window
		})
	}))
	defer slow.Close()
	c.send(slow.URL, c.any())
	service.Await(t, "the endpoint is called", called)
	c.resolve()
}

// P5, P6, U9, U17, U20: all instances end, killed
// at a boundary or stopped in mid-window, and come back three windows later.
// The windows in which they lived are published then, with every id; those in
// which no instance lived are not.
func TestWindowsWaitUntilAnInstanceIsBack(t *testing.T) {
	t.Parallel()
	const window = time.Second
	for name, end := range map[string]func(*service.Instance){
		"killed at the boundary": (*service.Instance).Kill,
		"stopped in mid-window":  func(in *service.Instance) { in.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClosers(t, 2, window)
			c.begin()
			var dead time.Time
			c.under(8, never, func() {
				into := window
				if strings.HasPrefix(name, "stopped") {
					into /= 2
				}
				time.Sleep(time.Until(time.Now().Truncate(window).Add(window + into)))
				var all sync.WaitGroup
				for _, m := range c.members {
					all.Go(func() { c.end(m, end) })
				}
				all.Wait()
				dead = time.Now()
			})
			before, _ := c.published()
			if _, ok := before[c.arrivals.name(c.arrivals.window(dead))]; ok {
				t.Error("a window is published before its end")
			}
			time.Sleep(3 * window)
			back := time.Now()
			c.begin()
			c.resolve()
			reports, _ := c.published()
			if len(reports) <= len(before) {
				t.Errorf("%d windows were published before, %d after: nothing had waited", len(before), len(reports))
			}
			for w := c.arrivals.window(dead) + 1; w < c.arrivals.window(back); w++ {
				if l, ok := reports[c.arrivals.name(w)]; ok {
					t.Errorf("no instance lived in a window that is published: %+v", l)
				}
			}
		})
	}
}

// P3, P5: while a node is away nothing is published in part: the windows
// wait, and come late and right.
func TestWindowsWaitForANodeThatIsAway(t *testing.T) {
	t.Parallel()
	const window = time.Second
	c := newClosers(t, 3, window)
	c.begin()
	c.under(8, never, func() {
		time.Sleep(2 * window)
		c.Servers[1].Kill()
		gone := time.Now()
		time.Sleep(3*window + window/2)
		reports, _ := c.published()
		for w := c.arrivals.window(gone); w <= c.arrivals.window(time.Now()); w++ {
			if l, ok := reports[c.arrivals.name(w)]; ok {
				t.Errorf("published without a node: %+v", l)
			}
		}
		check.Must(t, c.Servers[1].Start())
		time.Sleep(window)
	})
	c.resolve()
	if c.arrivals.denied == 0 {
		t.Error("no id was refused: the node was not away")
	}
}
