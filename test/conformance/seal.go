package conformance

import (
	"testing"
	"time"

	"footfall/domain/counting"
)

func sealCases() []testCase {
	return []testCase{
		{"a window can't be sealed before it ends", sealTooEarly},
		{"a window can't be sealed before its grace is over", sealInGrace},
		{"a sealed window has the same number again and again", sealTwice},
		{"a sealed window has its number though the clock steps back", sealThenStepBack},
		{"sealing an older window afterwards re-opens nothing", sealOlder},
		{"the seal of a window that nobody saw is 0", sealUnseen},
		{"the seal of a window that nobody saw is 0 as long as its entry would be kept", sealUnseenLate},
		{"a window that waits has its number, however late", sealWaitingLate},
		{"a window that was forgotten has no number when its entry is gone too", sealForgotten},
		{"a window that was closed late has its number until it is forgotten", sealClosedLate},
	}
}

func sealTooEarly(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	s.arrive(t, 1)
	_, err := n.Seal(t.Context(), w, 0)
	mustBe(t, err, counting.ErrTooEarly)
	_, err = n.Seal(t.Context(), w+1, 0)
	mustBe(t, err, counting.ErrTooEarly)
	s.arrive(t, 2)
	s.distinct(t, w, 2)
}

func sealInGrace(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.pass(t, w)
	_, err := n.Seal(t.Context(), w, time.Hour)
	mustBe(t, err, counting.ErrTooEarly)
	if s.Advance == nil {
		return
	}
	s.elapse(t, time.Hour-time.Duration(s.length()))
	_, err = n.Seal(t.Context(), w, time.Hour)
	mustBe(t, err, counting.ErrTooEarly)
	s.elapse(t, time.Duration(s.length()))
	got, err := n.Seal(t.Context(), w, time.Hour)
	must(t, err)
	equal(t, "sealed number", got, 1)
}

func sealTwice(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	s.arrive(t, 1, 2, 3)
	s.pass(t, w)
	equal(t, "sealed number", s.seal(t, w), 3)
	s.arrive(t, 4, 5)
	equal(t, "sealed number", s.seal(t, w), 3)
	got, err := n.Seal(t.Context(), w, 24*time.Hour)
	must(t, err)
	equal(t, "sealed number, asked for with more grace", got, 3)
	s.distinct(t, w, 3)
}

func sealThenStepBack(t *testing.T, s *stand) {
	s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.arrive(t, 1, 2, 3)
	s.pass(t, w)
	equal(t, "sealed number", s.seal(t, w), 3)
	s.elapse(t, -2*time.Duration(s.length()))
	equal(t, "sealed number", s.seal(t, w), 3)
}

func sealOlder(t *testing.T, s *stand) {
	s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.pass(t, w)
	s.seal(t, w)
	equal(t, "sealed number of an older one", s.seal(t, w-4), 0)
	s.elapse(t, -2*time.Duration(s.length()))
	equal(t, "current window", s.current(t), w+1)
	s.arrive(t, 2)
	s.distinct(t, w, 1)
}

func sealUnseen(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	equal(t, "sealed number", s.seal(t, w-3), 0)
	equal(t, "sealed number", s.seal(t, w-3), 0)
	equal(t, "sealed number of an older one", s.seal(t, w-5), 0)
	s.arrive(t, 1)
	s.distinct(t, w-3, 0)
	s.distinct(t, w, 1)
}

func sealUnseenLate(t *testing.T, s *stand) {
	n := s.open(t)
	s.needsClock(t)
	length := time.Duration(s.length())
	unseen := s.window(t) + 5
	s.elapse(t, 5*length+counting.EntryLife)
	for range 2 {
		equal(t, "sealed number", s.seal(t, unseen), 0)
	}
	s.elapse(t, length)
	for range 2 {
		_, err := n.Seal(t.Context(), unseen, 0)
		mustBe(t, err, counting.ErrRetired)
	}
}

func sealWaitingLate(t *testing.T, s *stand) {
	s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.arrive(t, 1)
	attended := s.pass(t, w)
	for range 2 {
		s.later(t, 5*day)
	}
	for range 2 {
		equal(t, "sealed number", s.seal(t, w), 1)
		equal(t, "sealed number of one that was attended only", s.seal(t, attended), 0)
	}
}

func sealForgotten(t *testing.T, s *stand) {
	n := s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.arrive(t, 1)
	next := s.pass(t, w)
	s.seal(t, w)
	must(t, n.Retire(t.Context(), w))
	s.later(t, 20*time.Minute)
	s.later(t, 7*day)
	for range 2 {
		_, err := n.Seal(t.Context(), w, 0)
		mustBe(t, err, counting.ErrRetired)
	}
	equal(t, "sealed number of the one after it", s.seal(t, next), 0)
}

func sealClosedLate(t *testing.T, s *stand) {
	n := s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.later(t, 8*day)
	equal(t, "sealed number", s.seal(t, w), 1)
	must(t, n.Retire(t.Context(), w))
	s.later(t, 9*time.Minute)
	equal(t, "sealed number", s.seal(t, w), 1)
	s.later(t, 2*time.Minute)
	_, err := n.Seal(t.Context(), w, 0)
	mustBe(t, err, counting.ErrRetired)
}
