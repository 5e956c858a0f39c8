package conformance

import (
	"math"
	"testing"

	"footfall/domain/counting"
)

// most is the highest count.
const most = math.MaxInt64

func refusalCases() []testCase {
	return []testCase{
		{"a visit that would overflow is refused alone", overflowAlone},
		{"a count may reach the highest number", overflowEdge},
		{"an id with one endpoint too many is refused alone", endpointLimit},
		{"a limit of 0 lets ids without endpoints pass", endpointLimitZero},
		{"the endpoint limit is that of a window", endpointLimitPerWindow},
		{"an id by the table of another window is refused alone", wrongTable},
		{"refusals index visits first and arrivals after them", refusalIndexes},
	}
}

func overflowAlone(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("full", most-1)))
	s.apply(t, s.batch(s.visit("home", 1), s.visit("full", 2), s.visit("about", 1)), counting.Refusal{Item: 1, Reason: counting.Overflow})
	s.visits(t, "home", 1)
	s.visits(t, "about", 1)
	s.visits(t, "full", most-1)
}

func overflowEdge(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("full", most-1)))
	s.apply(t, s.batch(s.visit("full", 1), s.visit("full", 1)), counting.Refusal{Item: 1, Reason: counting.Overflow})
	s.visits(t, "full", most)
}

func endpointLimit(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	b := s.idBatch(
		s.arrival(1, "http://a.example/"), s.arrival(2, "http://b.example/"),
		s.arrival(3, "http://c.example/"), // one too many: neither is kept
		s.arrival(4, "http://a.example/"), // known
		s.arrival(5, ""),
	)
	b.EndpointLimit = 2
	s.apply(t, b, counting.Refusal{Item: 2, Reason: counting.EndpointLimit})
	s.duplicate(t, b, counting.Refusal{Item: 2, Reason: counting.EndpointLimit})
	again := s.idBatch(s.arrival(6, "http://c.example/"), s.arrival(7, "http://b.example/"))
	again.EndpointLimit = 2
	s.apply(t, again, counting.Refusal{Item: 0, Reason: counting.EndpointLimit})
	s.distinct(t, w, 5)
	s.endpoints(t, w, "http://a.example/", "http://b.example/")
}

func endpointLimitZero(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	b := s.idBatch(s.arrival(1, "http://a.example/"), s.arrival(2, ""))
	b.EndpointLimit = 0
	s.apply(t, b, counting.Refusal{Item: 0, Reason: counting.EndpointLimit})
	s.distinct(t, w, 1)
	s.endpoints(t, w)
}

func endpointLimitPerWindow(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	b := s.idBatch(s.arrival(1, "http://a.example/"))
	b.EndpointLimit = 1
	s.apply(t, b)
	next := s.pass(t, w)
	b = s.idBatch(s.arrival(1, "http://b.example/"))
	b.EndpointLimit = 1
	s.apply(t, b)
	s.endpoints(t, w, "http://a.example/")
	s.endpoints(t, next, "http://b.example/")
}

func wrongTable(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	s.enter(t, s.nextRing(t, "second", w+2))
	old, young := s.arrival(1, ""), s.arrival(2, "http://a.example/")
	old.Table, young.Table = 1, 2
	s.apply(t, s.idBatch(old, young), counting.Refusal{Item: 1, Reason: counting.WrongTable})
	s.distinct(t, w, 1)
	s.endpoints(t, w)
	after := s.pass(t, w+1)
	s.apply(t, s.idBatch(old, young), counting.Refusal{Item: 0, Reason: counting.WrongTable})
	s.distinct(t, after, 1)
	s.endpoints(t, after, "http://a.example/")
}

func refusalIndexes(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("full", most)))
	b := s.idBatch(s.arrival(1, ""), s.arrival(2, "http://a.example/"))
	b.Visits = []counting.Visit{s.visit("full", 1), s.visit("home", 1)}
	b.EndpointLimit = 0
	want := []counting.Refusal{{Item: 0, Reason: counting.Overflow}, {Item: 3, Reason: counting.EndpointLimit}}
	s.apply(t, b, want...)
	s.duplicate(t, b, want...)
}
