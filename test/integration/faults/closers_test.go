package faults_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/integration/service"
)

// lease is that of the program with a fault point.
const lease = 3 * time.Second

// closers are several instances of the program with a fault point, on Redis servers,
// and those who send ids to them.
type closers struct {
	*service.Ring
	arrivals *arrivals
	endpoint *service.Endpoint
	members  []*member
}

// member is an instance with its folder, over several lives.
type member struct {
	folder *service.Deployment

	mu sync.Mutex
	in *service.Instance // nil while it is down, or stopped
}

func (m *member) get() *service.Instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.in
}

func (m *member) set(in *service.Instance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.in = in
}

// newClosers has n members on three servers. None is started.
func newClosers(t *testing.T, n int, window time.Duration) *closers {
	return newClosersOn(service.NewRing(t, 3), n, window)
}

func newClosersOn(r *service.Ring, n int, window time.Duration) *closers {
	t := r.T
	c := &closers{Ring: r, arrivals: newArrivals(counting.WindowLength(window)), endpoint: service.NewEndpoint(t)}
	c.Lone = true
	c.Client = &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	c.Env = service.LocalCallbacks(window.String(), "200ms")
	for range n {
		m := &member{folder: c.Deployment()}
		m.folder.Program = service.FaultyProgram()
		c.members = append(c.members, m)
	}
	return c
}

// begin starts every member without a fault.
func (c *closers) begin() {
	c.T.Helper()
	var all sync.WaitGroup
	for _, m := range c.members { // at once
		all.Go(func() { c.launch(m, "none") })
	}
	all.Wait()
	if c.any() == nil {
		c.T.Fatal("no instance has started")
	}
}

// launch starts a member; it is false when the fault came before it was ready.
func (c *closers) launch(m *member, fault string) (in *service.Instance, ready bool) {
	d := *m.folder
	d.Env = append(slices.Clone(d.Env), "FAULTPOINT="+fault)
	in = d.Launch()
	late := time.After(5 * time.Minute)
	for {
		select {
		case <-in.Ready:
			m.set(in)
			return in, true
		case <-in.Done:
			if fault == "none" {
				c.T.Errorf("an instance ended before it was ready:\n%s", in.Logged())
			}
			return in, false
		case <-late:
			c.T.Errorf("an instance is not ready after 5m, with the fault %s:\n%s", fault, in.Logged())
			return in, false
		case <-time.After(20 * time.Millisecond):
			if in.IsStopped() {
				return in, false
			}
		}
	}
}

// launchUp starts a member, again if the fault came before it was ready.
func (c *closers) launchUp(m *member, fault string) *service.Instance {
	c.T.Helper()
	for range 5 {
		if in, ready := c.launch(m, fault); ready {
			return in
		} else if in != nil {
			in.Kill()
		}
	}
	c.T.Fatalf("the fault %s comes before the instance is ready, each time", fault)
	return nil
}

// end ends a member in one way or another.
func (c *closers) end(m *member, how func(*service.Instance)) {
	if in := m.get(); in != nil {
		how(in)
		m.set(nil)
	}
}

// freeze stops a process for longer than its lease lasts.
func (c *closers) freeze(m *member, in *service.Instance) {
	m.set(nil)
	_ = in.Cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(lease + time.Second)
	_ = in.Cmd.Process.Signal(syscall.SIGCONT)
	m.set(in)
}

// any is an instance that is up, nil when none is.
func (c *closers) any() *service.Instance {
	for _, i := range rand.Perm(len(c.members)) {
		if in := c.members[i].get(); in != nil {
			return in
		}
	}
	return nil
}

// send sends a new id to each of the instances at once, with or without an
// endpoint.
func (c *closers) send(endpoint string, to ...*service.Instance) {
	id := c.arrivals.take()
	var all sync.WaitGroup
	for _, in := range to {
		if in == nil {
			continue
		}
		all.Go(func() {
			begun := time.Now()
			c.arrivals.add(id, begun, c.Accept(in, int(id), endpoint).Outcome)
		})
	}
	all.Wait()
}

// use sends ids until stopped; ids stop coming while quiet.
func (c *closers) use(stopped <-chan struct{}, quiet func() bool) {
	for n := 0; ; n++ {
		select {
		case <-stopped:
			return
		case <-time.After(rand.N(40 * time.Millisecond)):
		}
		switch {
		case quiet():
		case n%4 == 0:
			c.send("", c.any(), c.any())
		case n%9 == 0:
			c.send(fmt.Sprint(c.endpoint.URL, "/", n%3), c.any())
		default:
			c.send("", c.any())
		}
	}
}

// under lets callers send ids while something is done.
func (c *closers) under(callers int, quiet func() bool, do func()) {
	stopped := make(chan struct{})
	var all sync.WaitGroup
	for range callers {
		all.Go(func() { c.use(stopped, quiet) })
	}
	defer all.Wait()
	defer close(stopped)
	do()
}

func never() bool { return false }

// published are the reports of all members, and the number of those that repeat one.
func (c *closers) published() (reports map[string]service.Line, repeated int) {
	c.T.Helper()
	var folders []*service.Deployment
	for _, m := range c.members {
		folders = append(folders, m.folder)
	}
	return service.Reports(c.T, folders...)
}

// resolve waits until every window is done and compares every number with what
// was acknowledged; it returns the number of repeated reports. Windows in a state of
// also are taken for done.
func (c *closers) resolve(also ...string) (repeated int) {
	c.T.Helper()
	begun := time.Now()
	var ids taken
	var list []service.Listed
	var reports map[string]service.Line
	var missing string
	defer func() {
		if c.T.Failed() {
			c.T.Logf("%s; the ring is %+v, the windows are %+v", missing, c.any().Ring(), list)
		}
	}()
	service.WaitFor(c.T, "every window is done", func() bool {
		ids, list = readTaken(c.T, c.Servers), c.Windows(c.any())
		done := make(map[string]bool)
		for _, w := range list {
			done[w.ID] = w.State == "done" || slices.Contains(also, w.State)
			if !done[w.ID] && w.WindowEnd.Before(begun) {
				missing = fmt.Sprintf("%s is %s", w.ID, w.State)
				return false
			}
		}
		for w := range ids {
			if name := c.arrivals.name(w); !done[name] {
				missing = fmt.Sprintf("%s has %d ids, and is not listed as done", name, len(ids[w]))
				return false
			}
		}
		reports, repeated = c.published()
		missing = "ids are still coming"
		return readTaken(c.T, c.Servers).total() == ids.total() // what was in doubt may come late
	})
	c.arrivals.check(c.T, ids, reports)
	calls := c.endpoint.Got()
	reports, _ = c.published()
	for _, got := range calls {
		if l, ok := reports[got.ID]; !ok || got.Count != fmt.Sprint(l.Count) {
			c.T.Errorf("the endpoint received %+v, the log says %+v", got, l)
		}
	}
	for _, w := range list {
		if l, ok := reports[w.ID]; w.State == "done" && (!ok || l.Count != w.Count) {
			c.T.Errorf("the list of windows says %+v, the log %+v", w, l)
		}
	}
	return repeated
}
