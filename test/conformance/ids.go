package conformance

import (
	"math"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
)

func idCases() []testCase {
	return []testCase{
		{"ids are counted once per window", idsAreDistinct},
		{"every 64-bit number is an id", extremeIDs},
		{"ids and visits travel in one batch", idsWithVisits},
		{"an id goes to the current window", idGoesToCurrent},
		{"an id after the seal goes to the next window", idAfterSeal},
		{"a repeated batch of ids adds nothing to a later window", repeatedIDs},
		{"an id that comes makes its window a waiting one", idMakesWaiting},
		{"endpoints are distinct", endpointsAreDistinct},
		{"an id that is known may bring another endpoint", knownIDNewEndpoint},
		{"a clock that steps back re-opens nothing", clockStepsBack},
		{"thousands of ids are counted exactly", manyIDs},
	}
}

func idsAreDistinct(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	s.arrive(t, 1, 2, 2, 3)
	s.arrive(t, 3, 4)
	s.distinct(t, w, 4)
	next := s.pass(t, w)
	s.arrive(t, 1, 2)
	s.distinct(t, w, 4)
	s.distinct(t, next, 2)
}

func extremeIDs(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	ids := []counting.ID{0, 1, -1, math.MaxInt64, math.MinInt64, 1 << 53, 1<<53 + 1, math.MaxInt64 - 1, math.MinInt64 + 1}
	s.arrive(t, ids...)
	s.arrive(t, ids...)
	s.distinct(t, w, int64(len(ids)))
}

func idsWithVisits(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	b := s.idBatch(s.arrival(7, "http://a.example/"))
	b.Visits = []counting.Visit{s.visit("home", 2)}
	s.apply(t, b)
	s.visits(t, "home", 2)
	s.distinct(t, w, 1)
	s.endpoints(t, w, "http://a.example/")
}

func idGoesToCurrent(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.distinct(t, w-1, 0)
	s.distinct(t, w, 1)
	s.distinct(t, w+1, 0)
}

func idAfterSeal(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	s.arrive(t, 1, 2)
	next := s.pass(t, w)
	equal(t, "sealed number", s.seal(t, w), 2)
	s.arrive(t, 3)
	s.distinct(t, w, 2)
	s.distinct(t, next, 1)
	equal(t, "sealed number", s.seal(t, w), 2)
}

func repeatedIDs(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	b := s.idBatch(s.arrival(1, "http://a.example/"))
	s.apply(t, b)
	next := s.pass(t, w)
	s.duplicate(t, b)
	s.distinct(t, w, 1)
	s.distinct(t, next, 0)
	s.endpoints(t, next)
}

// idMakesWaiting lets an id come in a window in which nobody attends.
func idMakesWaiting(t *testing.T, s *stand) {
	s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.elapse(t, 3*time.Duration(s.length()))
	s.arrive(t, 1)
	s.elapse(t, 3*time.Duration(s.length()))
	s.waiting(t, w, w+3)
}

func endpointsAreDistinct(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	long := "http://a.example/" + strings.Repeat("x", 2000) + "?q=%20&x=%C3%A9"
	s.apply(t, s.idBatch(s.arrival(1, "http://a.example/"), s.arrival(2, "http://a.example/"), s.arrival(3, long)))
	s.apply(t, s.idBatch(s.arrival(4, "http://a.example/")))
	s.endpoints(t, w, "http://a.example/", long)
	s.distinct(t, w, 4)
}

func knownIDNewEndpoint(t *testing.T, s *stand) {
	s.open(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.apply(t, s.idBatch(s.arrival(1, "http://a.example/")))
	s.distinct(t, w, 1)
	s.endpoints(t, w, "http://a.example/")
}

func clockStepsBack(t *testing.T, s *stand) {
	s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.arrive(t, 1)
	s.pass(t, w)
	equal(t, "sealed number", s.seal(t, w), 1)
	s.elapse(t, -5*time.Duration(s.length()))
	for range 2 {
		equal(t, "current window", s.current(t), w+1)
		s.arrive(t, 2)
		s.distinct(t, w, 1)
		s.distinct(t, w+1, 1)
		equal(t, "sealed number", s.seal(t, w), 1)
		if s.Reopen != nil { // the second round is on what was stored
			s.node = s.Reopen(t, s.node)
		}
	}
}

func manyIDs(t *testing.T, s *stand) {
	const batches, size = 20, 250
	s.open(t)
	s.needsClock(t)
	w := s.window(t)
	for i := range batches {
		var arrivals []counting.IDEvent
		for j := range size {
			// Every id comes in two batches, and far from its neighbours.
			id := counting.ID(uint64((i/2)*size+j) * 0x9e3779b97f4a7c15)
			arrivals = append(arrivals, s.arrival(id, ""))
		}
		s.apply(t, s.idBatch(arrivals...))
	}
	s.distinct(t, w, batches/2*size)
}
