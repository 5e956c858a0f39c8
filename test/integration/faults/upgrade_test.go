package faults_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/integration/service"
)

// P1, P2, P3, P5, P6, V28: instances of an older version and of this one on one store,
// under load. They are killed; all of them become new ones, one by one, and then older
// ones again. Each window has one number, every acknowledged id is in it, and each
// version reads what the other has counted.
func TestUpgradeAndDowngradeUnderLoadLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	older := service.OlderProgram(t)
	m := newMixture(t, 3, older)
	m.under(4, never, func() {
		m.become(0, older, (*service.Instance).Kill)
		m.become(1, older, (*service.Instance).Kill)
		m.load()
		m.become(2, m.newer, (*service.Instance).Kill)
		m.goOn("two older ones and a new one")
		m.become(0, older, (*service.Instance).Kill)
		m.become(2, m.newer, (*service.Instance).Kill)
		added := m.AddServer()
		m.members[2].get().Add(added)
		m.goOn("after kills, while a new one moves arcs")
		m.become(0, m.newer, terminate)
		m.become(1, m.newer, (*service.Instance).Kill)
		m.goOn("only new ones")
		m.become(2, older, terminate)
		m.become(0, older, (*service.Instance).Kill)
		in := m.members[2].get()
		in.Remove(in.Ring().ID(added.Addr), "")
		m.goOn("two older ones and a new one again, while an older one moves arcs")
		m.become(1, older, terminate)
		m.goOn("only older ones again")
		m.become(0, m.newer, terminate)
		in.Moved()
	})
	m.check()
}

// P1, P5, P6, P11, U17: each version runs alone on a store that it or the other one has made. The
// last windows of an instance are published by the next one. The way back from a version with history is
// to turn that off. It stays off after that.
func TestUpgradeAndDowngradeOfAStoreLoseNothing(t *testing.T) {
	t.Parallel()
	older := service.OlderProgram(t)
	for name, nodes := range map[string]int{"embedded": 0, "redis": 1} {
		for first, programs := range map[string][]string{"older": {older, service.Program(), older}, "newer": {service.Program(), older, service.Program()}} {
			t.Run(name+", first the "+first, func(t *testing.T) {
				t.Parallel()
				r := service.NewRing(t, nodes)
				r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=0s"}
				d := r.Deployment()
				var ids chaos.Account
				for i, program := range programs {
					d.Program = program
					in := d.Start()
					for n := range 10 {
						ids.Settle(r.Accept(in, 10*i+n, "").Outcome, 1)
						r.MustVisit(in, "home")
					}
					check.Equal(t, in.Visits("home"), 10*int64(i+1), "visits")
					if i == len(programs)-1 {
						if program != older {
							in.Administer("GET", "/history", "").Want(t, http.StatusOK, `"history":"off"`)
						}
						break
					}
					if program != older {
						in = turnsHistoryOff(d, in, older, nodes == 0)
						wantNoHistory(r)
					}
					in.Kill()
				}
				acked, _, doubt := ids.Totals() // a busy machine leaves some in doubt
				service.WaitFor(t, "all ids are in published counts", func() bool { return service.Total(d.Reports()) >= acked })
				if total := service.Total(d.Reports()); acked == 0 || total > acked+doubt {
					t.Errorf("%d ids are in published counts, %d are acknowledged, %d in doubt", total, acked, doubt)
				}
			})
		}
	}
}

// turnsHistoryOff turns the history of a deployment off, so that the older version reads the store. Before that it refuses
// one that is embedded. In Redis it looks at no format, which later versions without history do.
func turnsHistoryOff(d *service.Deployment, in *service.Instance, older string, embedded bool) *service.Instance {
	d.T.Helper()
	if embedded {
		in.Administer("GET", "/history", "").Want(d.T, http.StatusOK, `"since":"20`)
		in.Kill()
		newer := d.Program
		d.Program = older
		refused := d.Launch()
		service.Await(d.T, "the older version ends", refused.Done)
		if log := refused.Logged(); !strings.Contains(log, "is of another format: version \"2\"") {
			d.T.Errorf("%v:\n%s\nwant a refusal of format 2", refused.Cmd.ProcessState, log)
		}
		d.Program = newer
		in = d.Start()
	}
	in.MustTool("history", "set", "off")
	return in
}

// wantNoHistory waits until no server has a key of a history.
func wantNoHistory(r *service.Ring) {
	r.T.Helper()
	for i := range r.Servers {
		service.WaitFor(r.T, "the keys of the history are deleted", func() bool {
			return len(check.Value(r.Do(i, "keys", "ff:h*").StringSlice())(r.T)) == 0
		})
	}
}

func terminate(in *service.Instance) {
	_ = in.Cmd.Process.Signal(syscall.SIGTERM)
	<-in.Done
}

// mixture are closers of two versions, with callers who visit pages as well.
type mixture struct {
	*closers
	older, newer string
	visits       *service.Traffic
	keyed        sync.WaitGroup
	over         chan struct{}
	mu           sync.Mutex
	keys         map[string]int64 // visits with a key that were acknowledged, by page
}

func newMixture(t *testing.T, nodes int, older string) *mixture {
	c := newClosersOn(service.NewRing(t, nodes), 3, 2*time.Second)
	return &mixture{closers: c, older: older, newer: service.Program(), over: make(chan struct{}), keys: make(map[string]int64)}
}

// become ends the process of a member, if it has one, and starts it with a program.
func (m *mixture) become(i int, program string, end func(*service.Instance)) {
	m.T.Helper()
	m.end(m.members[i], end)
	m.members[i].folder.Program = program
	in := m.launchUp(m.members[i], "none")
	if m.visits != nil {
		m.visits.Replace(i%2, in)
	}
}

// load begins to visit pages, through two instances at any time.
func (m *mixture) load() {
	m.visits = service.NewTrafficOf(m.Ring, 20, m.members[0].get(), m.members[1].get()).Start(4, 2)
	for i := range 2 {
		m.keyed.Go(func() { m.visitOnce(fmt.Sprint("keyed", i)) })
	}
}

// visitOnce visits a page again and again, each time with a key of its own. It repeats
// a visit until it is acknowledged, and sometimes after that, through any instance.
func (m *mixture) visitOnce(page string) {
	for n := int64(1); ; n++ {
		key := fmt.Sprint(page, "-", n)
		for acked, more := false, rand.IntN(3); !acked || more > 0; time.Sleep(20 * time.Millisecond) {
			in := m.any()
			if in != nil && service.AskOnce(in, "/visit/"+page, key, "").Status == http.StatusOK {
				acked = true
				more--
			}
		}
		m.mu.Lock()
		m.keys[page] = n
		m.mu.Unlock()
		select {
		case <-m.over:
			return
		default:
		}
	}
}

// goOn waits until a window that begins after now has ended and is published, and until
// visits, with and without a key, are acknowledged.
func (m *mixture) goOn(which string) {
	m.T.Helper()
	begun := time.Now()
	m.mu.Lock()
	keyed := m.keys["keyed0"]
	m.mu.Unlock()
	m.visits.GoesOn(50)
	service.WaitFor(m.T, which, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		reports, _ := m.published()
		for _, l := range reports {
			if l.WindowStart.After(begun) && l.Count > 0 {
				return m.keys["keyed0"] > keyed
			}
		}
		return false
	})
	m.T.Logf("%s: %v", which, time.Since(begun).Round(time.Millisecond))
}

// check compares what is stored with what was acknowledged, by an instance of each
// version.
func (m *mixture) check() {
	m.T.Helper()
	close(m.over)
	m.keyed.Wait()
	m.visits.Check(m.members[2].get())
	// An older instance that drops a node does not replace a copy by an entry that is
	// further. So a window that is done can be listed as published.
	m.resolve("published")
	for _, i := range []int{0, 2} { // a new one, and an older one
		for _, got := range m.MustRead(m.members[i].get(), "keyed0", "keyed1") {
			check.Equal(m.T, *got.Visits, m.keys[got.PageID], "visits of %s", got.PageID)
		}
	}
}

// P3: an instance of the version before can't read a ring with a changed address. It answers
// 503 to everything, and does not start. Nothing of it is a wrong number.
func TestAnOlderVersionRefusesARingWithANewAddress(t *testing.T) {
	t.Parallel()
	older := service.OlderProgram(t)
	r := service.NewRing(t, 3)
	in := r.Start()
	d := r.Deployment()
	d.Program = older
	beside := d.Start()
	pages := service.PageNames(6)
	for _, page := range pages {
		r.MustVisit(in, page)
		r.MustVisit(beside, page)
	}
	id := in.Ring().ID(r.Seeds[0])
	r.Servers[0].Kill()
	moved := r.Servers[0].Copy(t)
	in.MustTool("ring", "move-address", id, moved.Addr)
	for _, page := range pages {
		got := r.Visit(beside, page)
		got.Want(t, http.StatusServiceUnavailable)
		r.Read(beside, page).Want(t, http.StatusServiceUnavailable)
	}
	for _, got := range r.MustRead(in, pages...) {
		check.Equal(t, *got.Visits, 2, "visits of %s", got.PageID)
	}
	beside.Kill()
	again := d.Launch() // it names the first node in the order of ids: that one may be the dead server
	service.Await(t, "the older version ends", again.Done)
	select {
	case <-again.Ready:
		t.Error("the older version starts")
	default:
	}
	if again.Cmd.ProcessState.ExitCode() == 0 {
		t.Errorf("exit code 0:\n%s", again.Logged())
	}
}
