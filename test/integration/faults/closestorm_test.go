package faults_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/integration/service"
)

// What happens to the instances and nodes of a storm, beside the steps at which
// an instance dies.
const (
	killed         chaos.Fault = "killed"
	killedWithAll  chaos.Fault = "killed with all others"
	stoppedAtStep  chaos.Fault = "stopped at a step beyond the lease"
	frozen         chaos.Fault = "frozen beyond the lease"
	terminated     chaos.Fault = "terminated"
	noneLived      chaos.Fault = "all killed at the boundary"
	nodeAway       chaos.Fault = "a node killed and away for 3 windows"
	publishedZero  chaos.Fault = "published 0"
	publishedAgain chaos.Fault = "published again"
)

// stormFaults are those without which a storm proves nothing.
func stormFaults() []chaos.Fault {
	return append(chaos.CrashAtSteps(), killed, stoppedAtStep, frozen, terminated, noneLived, nodeAway)
}

// life is what a member of a storm gets: a fault at a step, or else an end
// that comes soon.
type life struct {
	act, step string // "kill" or "stop", at a step; "none"
	passes    int
	fault     chaos.Fault
}

func (l life) String() string {
	if l.act == "none" {
		return l.act
	}
	return fmt.Sprintf("%s %s %d", l.act, l.step, l.passes)
}

// wantedLives are those that a storm must have, in any order.
func wantedLives() (all []life) {
	for _, step := range chaos.Steps() {
		all = append(all, life{act: "kill", step: step, fault: chaos.CrashAt(step)})
	}
	all = append(all, life{act: "stop", step: "before record", fault: stoppedAtStep})
	for _, end := range []chaos.Fault{killed, frozen, terminated} {
		all = append(all, life{act: "none", fault: end})
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// storm lets closers be killed over and over while callers send ids.
type storm struct {
	*closers
	tally  *chaos.Tally
	over   chan struct{}
	doomed atomic.Bool // all instances are to be dead
	quiet  atomic.Bool // no ids come

	mu      sync.Mutex
	pending []life // that did not come to their end yet, and no member has
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// pause sleeps, but not beyond the end of the storm.
func (s *storm) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.over:
	}
}

// next is a life that is still wanted, or any.
func (s *storm) next() (l life) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) > 0 {
		l, s.pending = s.pending[0], s.pending[1:]
		return l
	}
	all := wantedLives()
	l = all[rand.IntN(len(all))]
	l.passes = rand.IntN(3)
	return l
}

// live gives a member one life after another until the storm is over.
func (s *storm) live(m *member) {
	for !isClosed(s.over) {
		if s.doomed.Load() {
			s.pause(20 * time.Millisecond)
			continue
		}
		l := s.next()
		in, _ := s.launch(m, l.String())
		s.endure(m, in, l)
		m.set(nil)
		in.Kill()
		if s.tally.Count(l.fault) == 0 {
			s.mu.Lock()
			s.pending = append(s.pending, l)
			s.mu.Unlock()
		}
		s.pause(rand.N(300 * time.Millisecond))
	}
}

// endure returns when the instance is dead, or is to be killed.
func (s *storm) endure(m *member, in *service.Instance, l life) {
	end := time.After(time.Second + rand.N(2*time.Second))
	if l.act != "none" {
		end = time.After(6 * time.Second)
	}
	for {
		select {
		case <-in.Done:
			switch {
			case s.doomed.Load():
				s.tally.Add(killedWithAll)
			case l.act == "kill" && in.Cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
				s.tally.Add(l.fault)
			default:
				s.T.Errorf("an instance with the fault %q has ended, %v:\n%s", l, in.Cmd.ProcessState, in.Logged())
			}
			return
		case <-s.over:
			return
		case <-time.After(10 * time.Millisecond):
			if l.act == "stop" && in.IsStopped() {
				s.freeze(m, in)
				s.tally.Add(l.fault)
				l.act = "none"
			}
			if s.doomed.Load() && !isClosed(in.Done) { // it was not up when all were killed
				s.tally.Add(killedWithAll)
				return
			}
		case <-end:
			if l.act == "none" && l.fault == terminated {
				s.terminate(m, in)
				return
			}
			if l.act == "none" && l.fault == frozen {
				s.freeze(m, in)
				s.tally.Add(frozen)
				s.pause(500 * time.Millisecond)
			}
			s.tally.Add(killed)
			return
		}
	}
}

func (s *storm) terminate(m *member, in *service.Instance) {
	m.set(nil)
	_ = in.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-in.Done:
	case <-time.After(5 * time.Minute):
		s.T.Errorf("an instance did not end in 5m after SIGTERM:\n%s", in.Logged())
	}
	s.tally.Add(terminated)
}

// boundary kills all instances at the end of a window; none lives for some
// time, often for more than a window.
func (s *storm) boundary() {
	window := time.Duration(s.arrivals.length)
	at := time.Now().Truncate(window).Add(window - 30*time.Millisecond + rand.N(400*time.Millisecond))
	s.pause(time.Until(at))
	s.doomed.Store(true)
	for _, m := range s.members {
		s.end(m, func(in *service.Instance) { _ = in.Cmd.Process.Signal(syscall.SIGKILL) })
	}
	s.pause(rand.N(5 * window / 2))
	if s.any() == nil {
		s.tally.Add(noneLived)
	}
	s.doomed.Store(false)
}

// node kills a server, which is away for three windows.
func (s *storm) node() {
	r := s.Servers[rand.IntN(len(s.Servers))]
	r.Kill()
	s.pause(3 * time.Duration(s.arrivals.length))
	s.tally.Add(nodeAway)
	check.OK(s.T, r.Start())
}

// rest lets no ids come for more than two windows.
func (s *storm) rest() {
	s.quiet.Store(true)
	s.pause(5 * time.Duration(s.arrivals.length) / 2)
	s.quiet.Store(false)
}

// kills is the number of processes of instances that were killed.
func (s *storm) kills() int {
	n := s.tally.Count(killed) + s.tally.Count(killedWithAll)
	for _, crash := range chaos.CrashAtSteps() {
		n += s.tally.Count(crash)
	}
	return n
}

// rage lets everything go wrong for as many windows and kills as are wanted,
// and longer until every fault has happened; then it mends all, and rests.
func (s *storm) rage(windows, kills int) {
	begun := time.Now()
	var all sync.WaitGroup
	for _, m := range s.members {
		all.Go(func() { s.live(m) })
	}
	enough := func() bool {
		return time.Since(begun) > time.Duration(windows)*time.Duration(s.arrivals.length) && s.kills() >= kills && len(s.tally.Missing(stormFaults())) == 0
	}
	all.Go(func() {
		for !isClosed(s.over) {
			for _, happen := range []func(){s.boundary, s.rest, s.node} {
				happen()
				s.pause(rand.N(3 * time.Duration(s.arrivals.length)))
			}
			s.pause(8 * time.Duration(s.arrivals.length))
		}
	})
	limit := time.Duration(3*windows)*time.Duration(s.arrivals.length) + 10*time.Minute // on a busy machine
	for time.Since(begun) < limit && !enough() {
		time.Sleep(100 * time.Millisecond)
	}
	close(s.over)
	all.Wait()
	s.begin()
	// All live now, so that one window at least is published without ids.
	s.quiet.Store(true)
	time.Sleep(3 * time.Duration(s.arrivals.length))
	s.quiet.Store(false)
}

// P1, P2, P5, P6, U7, U8, U9, U17, U19, U20: two
// and three instances on three Redis servers, killed at random, at each step
// of a close, and all at once at a boundary, frozen beyond their lease, stopped
// in the middle of windows, while a node is away for three windows, and the
// same ids come to two of them at once. Each window has one number, that of
// the ids that were acknowledged for it.
func TestInstancesThatAreKilledLoseNoWindowAndNoID(t *testing.T) {
	t.Parallel()
	for _, instances := range []int{2, 3} {
		t.Run(fmt.Sprint(instances), func(t *testing.T) {
			t.Parallel()
			windows, kills := 15, 8
			if service.Long() {
				windows, kills = 200, 100
			}
			s := &storm{closers: newClosers(t, instances, time.Second), tally: chaos.NewTally(), over: make(chan struct{}), pending: wantedLives()}
			s.begin() // the very first start needs every node, and makes the ring
			s.under(6, s.quiet.Load, func() { s.rage(windows, kills) })
			repeated := s.resolve()
			reports, _ := s.published()
			for _, l := range reports {
				if l.Count == 0 {
					s.tally.Add(publishedZero)
				}
			}
			for range repeated {
				s.tally.Add(publishedAgain)
			}
			t.Logf("%d kills, %d repeated reports; faults: %s", s.kills(), repeated, s.tally)
			for _, f := range s.tally.Missing(slices.Concat(stormFaults(), []chaos.Fault{publishedZero, publishedAgain})) {
				t.Errorf("the fault %q did not happen, so that nothing is proved about it", f)
			}
		})
	}
}
