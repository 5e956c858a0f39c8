package conformance

import (
	"testing"
	"time"

	"footfall/domain/counting"
)

const day = 24 * time.Hour

func forgettingCases() []testCase {
	return []testCase{
		{"a session is forgotten 7 days after its last batch", sessionIsForgotten},
		{"a session that sends goes on for ever", sessionIsKept},
		{"ids and endpoints are forgotten 10 minutes after retiring", windowIsForgotten},
		{"ids that wait are kept for ever", waitingIsKept},
		{"a forgotten window takes no ids when the clock steps back", forgottenStaysShut},
		{"calls are forgotten 10 minutes after the window is done", callsAreForgotten},
		{"calls of a window that isn't done are kept", callsAreKept},
		{"an entry is forgotten 7 days after its last change", entryIsForgotten},
		{"counts are kept for ever", countsAreKept},
	}
}

// later lets time pass and the node forget.
func (s *stand) later(t *testing.T, d time.Duration) {
	t.Helper()
	s.needsClock(t)
	s.elapse(t, d)
	s.current(t)
}

func sessionIsForgotten(t *testing.T, s *stand) {
	s.open(t)
	b := s.batch(s.visit("home", 1))
	s.apply(t, b)
	s.later(t, 7*day-time.Minute)
	s.duplicate(t, b)
	s.later(t, 2*time.Minute)
	s.gap(t, s.batch(), 0)
	s.visits(t, "home", 1)
}

func sessionIsKept(t *testing.T, s *stand) {
	s.open(t)
	for range 5 {
		s.apply(t, s.batch(s.visit("home", 1)))
		s.later(t, 6*day)
	}
	s.apply(t, s.batch(s.visit("home", 1)))
	s.visits(t, "home", 6)
}

func windowIsForgotten(t *testing.T, s *stand) {
	n := s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.apply(t, s.idBatch(s.arrival(1, "http://a.example/")))
	s.pass(t, w)
	s.seal(t, w)
	must(t, n.Retire(t.Context(), w))
	s.later(t, 9*time.Minute)
	s.distinct(t, w, 1)
	s.endpoints(t, w, "http://a.example/")
	must(t, n.Retire(t.Context(), w)) // again: it doesn't begin anew
	s.later(t, 2*time.Minute)
	s.distinct(t, w, 0)
	s.endpoints(t, w)
}

func waitingIsKept(t *testing.T, s *stand) {
	s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.apply(t, s.idBatch(s.arrival(1, "http://a.example/")))
	for range 3 {
		s.later(t, 5*day)
	}
	s.distinct(t, w, 1)
	s.endpoints(t, w, "http://a.example/")
	a, err := s.node.Heartbeat(t.Context())
	must(t, err)
	equal(t, "oldest waiting window", a.Waiting[0], w)
	equal(t, "sealed number", s.seal(t, w), 1)
}

func forgottenStaysShut(t *testing.T, s *stand) {
	n := s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.pass(t, w)
	s.seal(t, w)
	must(t, n.Retire(t.Context(), w))
	s.later(t, 20*time.Minute)
	s.elapse(t, -20*time.Minute-time.Duration(s.length()))
	equal(t, "current window", s.current(t), w+1)
	s.arrive(t, 2)
	s.distinct(t, w, 0)
	s.distinct(t, w+1, 1)
}

func callsAreForgotten(t *testing.T, s *stand) {
	s.open(t)
	s.finish(t, 100, "a", 7)
	kept := map[string]counting.Delivery{"http://a.example/": {Attempts: 1, Status: 204, Final: true}}
	s.later(t, 9*time.Minute)
	s.calls(t, 100, kept)
	s.later(t, 2*time.Minute)
	s.calls(t, 100, nil)
	s.entry(t, 100, counting.Entry{State: counting.Done, Count: 7, Sink: "queue", Deliveries: counting.DeliveryTotals{Endpoints: 1, Delivered: 1}})
}

func callsAreKept(t *testing.T, s *stand) {
	s.open(t)
	call := counting.Delivery{Attempts: 1}
	s.advance(t, 100, s.claim(t, 100, "a"), counting.SaveDelivery("http://a.example/", call))
	s.later(t, day)
	s.calls(t, 100, map[string]counting.Delivery{"http://a.example/": call})
}

func entryIsForgotten(t *testing.T, s *stand) {
	s.open(t)
	s.finish(t, 100, "a", 7)
	token := s.claim(t, 101, "a")
	s.advance(t, 101, token, counting.SaveDelivery("http://a.example/", counting.Delivery{Attempts: 1}))
	s.later(t, 4*day)
	s.advance(t, 101, token, counting.Record(8))
	s.later(t, 3*day-time.Minute)
	s.newest(t, 10, 101, 100)
	s.later(t, 2*time.Minute)
	s.newest(t, 10, 101)
	s.entry(t, 100, counting.Entry{State: counting.Open})
	s.later(t, 4*day)
	s.newest(t, 10)
	s.calls(t, 101, nil)
}

func countsAreKept(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("home", 3)))
	for range 3 {
		s.later(t, 100*day)
	}
	s.visits(t, "home", 3)
}
