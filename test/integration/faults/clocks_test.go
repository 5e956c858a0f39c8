package faults_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// F2 and F3: the clocks of nodes leap, and return after a while. Every acknowledged id is
// in a published count, and no window has two numbers. Only the ids of those nodes are
// refused, only while their clocks are off, and it is said why.
func TestF2F3ClocksOfNodesThatLeapMakeNoCountWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		nodes, off int
		by         time.Duration
	}{
		{"one of three, an hour ahead", 3, 1, time.Hour},
		{"one of three, an hour behind", 3, 1, -time.Hour},
		{"all three, an hour ahead", 3, 3, time.Hour},
		{"the only one, an hour ahead", 1, 1, time.Hour},
		{"the only one, half a minute ahead", 1, 1, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := service.NewRingWithClocks(t, c.nodes)
			r.Env = []string{"FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=300ms"}
			folder := r.Deployment()
			in := folder.Start()
			ids := sendIDs(t, r, in)
			windows := func() int { return len(folder.Reports()) }
			service.WaitFor(t, "two windows", func() bool { return windows() >= 2 })
			ids.wantAll(t, "before the leap")

			for _, s := range r.Servers[:c.off] {
				s.Clock.Shift(t, c.by)
			}
			clock := regexp.MustCompile(`"node \S+ takes no ids since ` + moment + `: its clock is \d+\S+ (ahead of|behind) this instance's"`)
			if c.nodes > 1 && c.off == c.nodes {
				clock = regexp.MustCompile(`\["the clocks of all nodes differ by 1h0m\ds from this instance's since ` + moment + `: check this instance's clock"\]`)
			}
			service.WaitFor(t, "/readyz says why", func() bool { return clock.MatchString(in.Get("/readyz").Body) })
			ids.reset()
			time.Sleep(4 * time.Second) // two windows
			taken, refused := ids.reset()
			if refused == 0 || (taken == 0) != (c.off == c.nodes) {
				t.Errorf("%d ids were taken and %d refused while the clocks of %d of %d nodes were off", taken, refused, c.off, c.nodes)
			}
			for _, page := range service.PageNames(20) {
				r.MustVisit(in, page)
			}
			check.Equal(t, strings.Contains(in.Logged(), "clocks disagree"), true, "the log says why")

			for _, s := range r.Servers[:c.off] {
				s.Clock.Shift(t, 0)
			}
			service.WaitFor(t, "/readyz has no reason", func() bool { return !strings.Contains(in.Get("/readyz").Body, "reasons") })
			ids.reset()
			before := windows()
			service.WaitFor(t, "two more windows", func() bool { return windows() >= before+2 })
			ids.wantAll(t, "after the clocks are right again")
			ids.stop()
			service.WaitFor(t, "all ids in published counts", func() bool {
				total := service.Total(folder.Reports())
				return total >= ids.acked.Load() && total <= ids.acked.Load()+ids.unknown.Load()
			})
		})
	}
}

// F3: the clock of the machine of an embedded store leaps, and no other clock can say
// which time is right. The service is killed while it is off. No id is refused for
// longer than a moment, every acknowledged one is in a published count, and no window has
// two numbers: after the restart the windows that were sealed are still sealed.
func TestF3TheClockOfTheMachineOfAnEmbeddedStoreLeaps(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour behind": -time.Hour, "back to sealed windows": -4 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := service.NewRing(t, 0)
			clock, env := servers.NewClock(t, t.TempDir())
			r.Env = slices.Concat(env, []string{"FOOTFALL_STORE=embedded://./data", "FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=300ms", "FAULTPOINT=none"})
			folder := r.Deployment()
			folder.Program = service.FaultyProgram()
			in := folder.Start()
			ids := sendIDs(t, r, in)
			acked, doubt := int64(0), int64(0)
			stop := func() {
				ids.stop()
				acked, doubt = acked+ids.acked.Load(), doubt+ids.unknown.Load()
			}
			// publishes waits for two windows, and for that many ids from now on.
			publishes := func(when string) {
				before := len(folder.Reports())
				ids.reset()
				service.WaitFor(t, "an id "+when, func() bool { return ids.taken.Load() > 0 })
				ids.reset()
				service.WaitFor(t, "two windows "+when, func() bool { return len(folder.Reports()) >= before+2 })
				ids.wantAll(t, when)
			}
			publishes("before the leap")
			clock.Shift(t, by)
			leapt := time.Now().Add(by)
			publishes("while it is off")
			stop()
			in.Kill()
			in = folder.Start()
			ids = sendIDs(t, r, in)
			time.Sleep(2 * time.Second)
			clock.Shift(t, 0)
			publishes("after the clock is right again")
			stop()
			service.WaitFor(t, "all ids in published counts", func() bool {
				total := service.Total(folder.Reports())
				return total >= acked && total <= acked+doubt
			})
			off := false
			for _, l := range folder.Reports() {
				off = off || l.WindowStart.Sub(leapt).Abs() < 10*time.Minute
			}
			check.Equal(t, off, true, "a window has the time to which the clock leapt")
		})
	}
}

// senders send ids, each once, and count the answers.
type senders struct {
	acked, unknown          atomic.Int64
	taken, refused, doubted atomic.Int64 // since the last reset
	stop                    func()
}

func sendIDs(t *testing.T, r *service.Ring, in *service.Instance) *senders {
	t.Helper()
	s := &senders{}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for id := 1; ; id++ {
			select {
			case <-over:
				return
			case <-time.After(5 * time.Millisecond):
			}
			switch r.Accept(in, id, "").Status {
			case http.StatusOK:
				s.acked.Add(1)
				s.taken.Add(1)
			case http.StatusServiceUnavailable:
				s.refused.Add(1)
			default:
				s.unknown.Add(1)
				s.doubted.Add(1)
			}
		}
	}()
	s.stop = func() {
		close(over)
		<-ended
	}
	return s
}

// reset returns the numbers since it was called last.
func (s *senders) reset() (taken, refused int64) {
	s.doubted.Store(0)
	return s.taken.Swap(0), s.refused.Swap(0)
}

// wantAll fails the test unless ids are taken, and none was refused, since the last reset.
func (s *senders) wantAll(t *testing.T, when string) {
	t.Helper()
	service.WaitFor(t, "an answer "+when, func() bool { return s.taken.Load()+s.refused.Load() > 0 })
	if taken, refused := s.reset(); taken == 0 || refused > 0 {
		t.Errorf("%s: %d ids were taken, and %d refused", when, taken, refused)
	}
}
