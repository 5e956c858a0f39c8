package conformance

import (
	"testing"
	"time"

	"footfall/domain/counting"
)

func windowCases() []testCase {
	return []testCase{
		{"attending makes the current window a waiting one", attendMakesWaiting},
		{"waiting windows are in ascending order", waitingAscends},
		{"the oldest 100 waiting windows are listed", waitingIsCapped},
		{"a sealed window goes on waiting", sealedWaits},
		{"a window that nobody saw has no ids and no endpoints", unseenWindow},
		{"a retired window waits no more", retiredWaitsNot},
		{"retiring is repeatable and leaves others alone", retireTwice},
		{"a retired window keeps its ids for a while", retiredIsKept},
		{"no id goes to a retired window", retiredTakesNoIDs},
		{"a node without a ring has no windows", windowsUninitialized},
	}
}

func attendMakesWaiting(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	a, err := n.Heartbeat(t.Context())
	must(t, err)
	equal(t, "current window", a.Current, w)
	for _, waits := range a.Waiting {
		if waits >= w {
			t.Fatalf("window %d waits, though %d is the current one", waits, w)
		}
	}
	s.pass(t, w)
	a, err = n.Heartbeat(t.Context())
	must(t, err)
	equal(t, "newest waiting window", a.Waiting[len(a.Waiting)-1], w)
	equal(t, "sealed number", s.seal(t, w), 0)
}

func waitingAscends(t *testing.T, s *stand) {
	s.open(t)
	s.needsClock(t)
	w := s.window(t)
	for range 3 {
		s.elapse(t, 2*time.Duration(s.length()))
		s.current(t)
	}
	s.elapse(t, 2*time.Duration(s.length()))
	s.waiting(t, w, w+2, w+4, w+6)
}

func waitingIsCapped(t *testing.T, s *stand) {
	s.open(t)
	s.needsClock(t)
	w := s.window(t)
	var want []counting.Window
	for i := range counting.Window(105) {
		s.current(t)
		s.elapse(t, time.Duration(s.length()))
		if i < counting.MaxWaiting {
			want = append(want, w+i)
		}
	}
	s.waiting(t, want...)
	must(t, s.node.Retire(t.Context(), w))
	s.waiting(t, append(want[1:], w+counting.MaxWaiting)...)
}

func sealedWaits(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	s.pass(t, w)
	s.seal(t, w)
	a, err := s.node.Heartbeat(t.Context())
	must(t, err)
	equal(t, "newest waiting window", a.Waiting[len(a.Waiting)-1], w)
}

func unseenWindow(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	for _, unseen := range []counting.Window{w - 10, w + 10, 0} {
		s.distinct(t, unseen, 0)
		s.endpoints(t, unseen)
	}
}

func retiredWaitsNot(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.pass(t, w)
	s.seal(t, w)
	must(t, n.Retire(t.Context(), w))
	a, err := n.Heartbeat(t.Context())
	must(t, err)
	for _, waits := range a.Waiting {
		if waits == w {
			t.Fatal("the retired window waits")
		}
	}
}

func retireTwice(t *testing.T, s *stand) {
	n := s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.pass(t, w)
	s.arrive(t, 1)
	s.pass(t, w+1)
	s.waiting(t, w, w+1)
	for range 2 {
		must(t, n.Retire(t.Context(), w))
		must(t, n.Retire(t.Context(), w-50))
		s.waiting(t, w+1)
	}
}

func retiredIsKept(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	s.apply(t, s.idBatch(s.arrival(1, "http://a.example/")))
	s.pass(t, w)
	s.seal(t, w)
	must(t, n.Retire(t.Context(), w))
	equal(t, "sealed number", s.seal(t, w), 1)
	s.distinct(t, w, 1)
	s.endpoints(t, w, "http://a.example/")
}

// retiredTakesNoIDs retires a window that was given up before it was sealed.
func retiredTakesNoIDs(t *testing.T, s *stand) {
	n := s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.pass(t, w)
	must(t, n.Retire(t.Context(), w))
	s.elapse(t, -time.Duration(s.length()))
	s.arrive(t, 2)
	s.distinct(t, w, 1)
	s.distinct(t, w+1, 1)
}

func windowsUninitialized(t *testing.T, s *stand) {
	n := s.empty(t)
	_, err := n.Heartbeat(t.Context())
	mustBe(t, err, counting.ErrUninitialized)
	_, err = n.Seal(t.Context(), 1, 0)
	mustBe(t, err, counting.ErrUninitialized)
	_, err = n.Distinct(t.Context(), 1)
	mustBe(t, err, counting.ErrUninitialized)
	_, err = n.Endpoints(t.Context(), 1)
	mustBe(t, err, counting.ErrUninitialized)
	mustBe(t, n.Retire(t.Context(), 1), counting.ErrUninitialized)
}
