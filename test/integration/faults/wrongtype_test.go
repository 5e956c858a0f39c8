package faults_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"footfall/application/groupcommit"
	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// V3: the node has applied a batch and its reply is
// lost. Five visits of which that is true are acknowledged, and five are
// stored.
func TestVisitsWhoseRepliesAreLostCountOnce(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 1)
	proxy := servers.StartProxy(t, r.Servers[0].Addr)
	r.Seeds = []string{proxy.Addr}
	in := r.Start()
	known := service.NewTraffic(r, []string{"home"}, in)
	lost := func() int { return r.Counter(in, "footfall_batch_failures_total") }
	// A reply that is cut may be that of another call; then the next visit
	// is tried.
	for try := 0; lost() < 5; try++ {
		if try == 50 {
			t.Fatalf("%d of %d replies to batches were lost", lost(), try)
		}
		cut, withdraw := proxy.CutReply(0)
		if got := known.Visit("home"); got.Outcome != chaos.Acknowledged {
			t.Errorf("visit: %d %s", got.Status, got.Body)
		}
		withdraw()
		select {
		case <-cut:
		default:
			t.Error("no reply was cut")
		}
	}
	known.Check()
}

// V24: a counter at 2^63-1 is refused alone, others of
// the same bulk, and of the same arc, count; it can be read.
func TestAFullCounterIsRefusedAlone(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 1)
	in := r.Start()
	pages := []string{"a", "full", "b"}
	r.MustVisit(in, "full")
	r.Do(0, "hset", r.ArcKey(0, "full"), "full", int64(math.MaxInt64))
	all := r.Results(r.Bulk(in, pages))
	if all[0].Status != "success" || all[1].Error != "overflow" || all[2].Status != "success" {
		t.Errorf("%+v", all)
	}
	r.Visit(in, "full").Want(t, 409)
	for page, want := range map[string]int64{"a": 1, "full": math.MaxInt64, "b": 1} {
		check.Equal(t, in.Visits(page), want, "visits of %s", page)
	}
}

// P3, V20, V24: a key of another type under an arc
// costs the pages of that arc alone, and has no number.
func TestAWrongTypeUnderAnArcCostsThatArcAlone(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 1)
	in := r.Start()
	r.MustVisit(in, "broken")
	key := r.ArcKey(0, "broken")
	r.Do(0, "del", key)
	r.Do(0, "rpush", key, "x")
	pages := []string{"a", "broken", "b"}
	for n := int64(1); n <= 10; n++ {
		all := r.Results(r.Bulk(in, pages))
		if all[0].Status != "success" || all[1].Error != "corrupt" || all[2].Status != "success" {
			t.Fatalf("%+v", all)
		}
		r.Visit(in, "broken").Want(t, 503)
		r.Read(in, "broken").Want(t, 503, `!"visits"`)
		if a, b := in.Visits("a"), in.Visits("b"); a != n || b != n {
			t.Fatalf("%d visits became %d and %d", n, a, b)
		}
	}
}

// plants are what a stranger may leave under the keys of a window, %d, that
// is still to come.
func plants() map[string]plant {
	return map[string]plant{
		"size":      {keys: []string{"ff:n:%d"}, refuses: true},
		"endpoints": {keys: []string{"ff:eps:%d"}, refuses: true},
		"ids":       {keys: idSets(), refuses: true, published: true},
		"entry":     {keys: []string{"ff:win:%d"}},
		"calls":     {keys: []string{"ff:cb:%d"}},
	}
}

type plant struct {
	keys      []string
	refuses   bool // some ids of the window
	published bool // the window, with those that were acknowledged
}

func idSets() (keys []string) {
	for set := range 2048 {
		keys = append(keys, "ff:ids:%d:"+fmt.Sprint(set))
	}
	return keys
}

// U14: a wrong type under a key of a window costs that
// window alone. Ids are refused or counted, and none is counted in a window that
// can't have a number. Visits, the windows around it and the list of windows
// are not affected.
func TestAWrongTypeUnderAWindowCostsThatWindowAlone(t *testing.T) {
	t.Parallel()
	for name, p := range plants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := service.NewRing(t, 2)
			r.Env = service.LocalCallbacks("2s", "200ms")
			instances, folders := r.StartAll(2)
			e := service.NewEndpoint(t)
			// A busy machine may let a whole window pass without a request.
			stalled := ""
			for attempt := range 10 {
				w := &threeWindows{Ring: r, instances: instances, endpoint: e, acked: map[int64]int64{}, maybe: map[int64]int64{}, next: attempt * 1_000_000}
				if w.send(p); w.complete() {
					w.check(p, folders)
					return
				}
				stalled = w.stalled
			}
			t.Errorf("no attempt sent ids in each of three windows in succession; the last request that took too long: %q", stalled)
		})
	}
}

// threeWindows is what became of the ids of three windows, of which the middle one
// is planted.
type threeWindows struct {
	*service.Ring
	instances   []*service.Instance
	endpoint    *service.Endpoint
	planted     int64
	acked       map[int64]int64 // by window: ids that are in it
	maybe       map[int64]int64 // by window: ids that may be in it
	denied      int             // ids that were refused
	stalled     string          // an answer that says how slow the machine is
	next        int             // the next id
	withAddress int             // ids with an endpoint that are in the last window
}

// send plants a window that is still to come, and sends ids and visits until
// the window after it is over.
func (s *threeWindows) send(p plant) {
	s.T.Helper()
	const window = 2 * time.Second
	begin := time.Now().Truncate(window).Add(window)
	s.planted = begin.Unix()/2 + 1
	for node := range s.Servers { // its home is one of them
		s.Plant(node, p.keys, s.planted)
	}
	for w := int64(0); w < s.planted+2; {
		now := time.Now()
		into := now.Sub(now.Truncate(window))
		if w = now.Unix() / 2; w < begin.Unix()/2 || into < 50*time.Millisecond || into > window-200*time.Millisecond {
			time.Sleep(10 * time.Millisecond) // near a boundary the node may pick another one
			continue
		}
		id := s.next
		s.next++
		address := []string{"", s.endpoint.URL}[id%2]
		got := s.Accept(s.instances[id%3%2], id, address)
		ended := time.Now().Unix() / 2
		switch {
		case got.Outcome == chaos.Acknowledged && w == ended:
			s.acked[w]++
			if w == s.planted+1 && address != "" {
				s.withAddress++
			}
		case got.Outcome == chaos.Acknowledged: // the machine is busy
			s.maybe[w]++
			s.maybe[ended]++
		case got.Outcome == chaos.Refused && w <= s.planted && s.planted <= ended:
			s.denied++
		case got.Took > groupcommit.Deadline/2:
			s.stalled = got.Body
			return
		default:
			s.T.Fatalf("accept in window %d, planted is %d: %d %s", w, s.planted, got.Status, got.Body)
		}
		if got := s.Visit(s.instances[0], "home"); got.Status != 200 {
			if got.Took > groupcommit.Deadline/2 {
				s.stalled = got.Body
				return
			}
			s.T.Fatalf("visit: %d %s", got.Status, got.Body)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// complete tells whether ids were sent in each of the three windows.
func (s *threeWindows) complete() bool {
	if s.stalled != "" {
		return false
	}
	middle := s.denied > 0 || s.acked[s.planted] > 0
	return s.acked[s.planted-1] > 0 && middle && s.withAddress > 0
}

func (s *threeWindows) check(p plant, folders []*service.Deployment) {
	s.T.Helper()
	if p.refuses == (s.denied == 0) {
		s.T.Errorf("%d ids were refused", s.denied)
	}
	report := func(w int64) (service.Line, bool) {
		reports, _ := service.Reports(s.T, folders...)
		l, ok := reports["footfall_"+time.Unix(2*w, 0).UTC().Format("20060102T150405Z")+"_2s"]
		return l, ok
	}
	for _, w := range []int64{s.planted - 1, s.planted + 1} {
		service.WaitFor(s.T, "the windows around are published", func() bool { _, ok := report(w); return ok })
		if l, _ := report(w); l.Count < s.acked[w] || l.Count > s.acked[w]+s.maybe[w] || l.Count == 0 {
			s.T.Errorf("window %d: %d ids, or %d more, became %d", w, s.acked[w], s.maybe[w], l.Count)
		}
	}
	if p.published {
		service.WaitFor(s.T, "the planted window is published", func() bool { _, ok := report(s.planted); return ok })
	}
	if l, ok := report(s.planted); ok && (l.Count < s.acked[s.planted] || l.Count > s.acked[s.planted]+s.maybe[s.planted]) {
		s.T.Errorf("the planted window: %d ids, or %d more, became %d", s.acked[s.planted], s.maybe[s.planted], l.Count)
	}
	s.Ask(s.instances[0], "GET", "/api/verve/windows", "").Want(s.T, 200)
	service.WaitFor(s.T, "the endpoint receives the count of the next window", func() bool {
		l, _ := report(s.planted + 1)
		return slices.ContainsFunc(s.endpoint.Got(), func(c service.Call) bool { return c.ID == l.ID })
	})
}

// P2, U14: where a node can't note that a window
// has ids it refuses them, and the visits that travel with them count once.
func TestIDsThatCantBeNotedSpoilNoVisits(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 1)
	in := r.Start()
	r.Plant(0, []string{"ff:pend"}, 0)
	known := service.NewTraffic(r, []string{"home"}, in)
	var callers sync.WaitGroup
	for caller := range 16 {
		callers.Go(func() {
			for n := range 20 {
				if got := known.Visit("home"); got.Outcome != chaos.Acknowledged {
					t.Errorf("visit: %d %s", got.Status, got.Body)
				}
				r.Accept(in, 100*caller+n, "").Want(t, 503, "failed")
			}
		})
	}
	callers.Wait()
	known.Check()
}
