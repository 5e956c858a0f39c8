package conformance

import (
	"math"
	"testing"
	"time"

	"footfall/domain/counting"
)

func corruptCases() []testCase {
	return []testCase{
		{"a corrupt page is refused alone", corruptPageAlone},
		{"a corrupt page is unreadable alone", corruptPageRead},
		{"a corrupt window refuses its ids alone", corruptWindowAlone},
		{"a corrupt window has no number and no endpoints", corruptWindowHasNoNumber},
		{"a corrupt window leaves others alone", corruptWindowStopsNoOther},
		{"a corrupt window can be retired and is forgotten", corruptWindowIsForgotten},
		{"a corrupt entry can't be claimed, changed or read", corruptEntry},
		{"a corrupt entry leaves others alone", corruptEntryStopsNoOther},
		{"a corrupt entry is listed as damaged", corruptEntryIsListed},
	}
}

func corruptPageAlone(t *testing.T, s *stand) {
	n := s.open(t)
	needs(t, s.CorruptPage != nil, "nothing can be planted under a page")
	s.CorruptPage(t, n, s.at("bad"))
	b := s.batch(s.visit("home", 1), s.visit("bad", 1), s.visit("about", 1))
	s.apply(t, b, counting.Refusal{Item: 1, Reason: counting.Corrupt})
	s.duplicate(t, b, counting.Refusal{Item: 1, Reason: counting.Corrupt})
	s.visits(t, "home", 1)
	s.visits(t, "about", 1)
}

func corruptPageRead(t *testing.T, s *stand) {
	n := s.open(t)
	needs(t, s.CorruptPage != nil, "nothing can be planted under a page")
	s.apply(t, s.batch(s.visit("home", 1), s.visit("about", 2)))
	s.CorruptPage(t, n, s.at("bad"))
	got, err := n.Read(t.Context(), 1, []counting.Located{s.at("home"), s.at("bad"), s.at("about")})
	must(t, err)
	equal(t, "tallies", len(got), 3)
	mustBe(t, got[1].Err, counting.Corrupt)
	equal(t, "tally before it", got[0], counting.Tally{Visits: 1})
	equal(t, "tally after it", got[2], counting.Tally{Visits: 2})
}

func corruptWindowAlone(t *testing.T, s *stand) {
	n := s.open(t)
	needs(t, s.CorruptWindow != nil, "nothing can be planted under a window")
	s.CorruptWindow(t, n, s.window(t))
	b := s.idBatch(s.arrival(1, ""), s.arrival(2, "http://e.example/"))
	b.Visits = []counting.Visit{s.visit("home", 1)}
	s.apply(t, b, counting.Refusal{Item: 1, Reason: counting.Corrupt}, counting.Refusal{Item: 2, Reason: counting.Corrupt})
	s.visits(t, "home", 1)
}

func (s *stand) corruptWindow(t *testing.T, w counting.Window) {
	t.Helper()
	needs(t, s.CorruptWindow != nil, "nothing can be planted under a window")
	s.CorruptWindow(t, s.node, w)
}

func corruptWindowHasNoNumber(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	s.corruptWindow(t, w)
	_, err := n.Distinct(t.Context(), w)
	mustBe(t, err, counting.Corrupt)
	s.pass(t, w)
	_, err = n.Seal(t.Context(), w, 0)
	mustBe(t, err, counting.Corrupt)
	_, err = n.Endpoints(t.Context(), w)
	mustBe(t, err, counting.Corrupt)
}

func corruptWindowStopsNoOther(t *testing.T, s *stand) {
	n := s.open(t)
	w := s.window(t)
	s.corruptWindow(t, w)
	next := s.pass(t, w)
	s.apply(t, s.idBatch(s.arrival(1, "http://a.example/"), s.arrival(2, "")))
	s.pass(t, next)
	equal(t, "sealed number of the one before", s.seal(t, w-1), 0)
	equal(t, "sealed number of a later one", s.seal(t, next), 2)
	s.endpoints(t, next, "http://a.example/")
	_, err := n.Seal(t.Context(), w, 0)
	mustBe(t, err, counting.Corrupt)
}

func corruptWindowIsForgotten(t *testing.T, s *stand) {
	n := s.open(t)
	s.needsClock(t)
	w := s.window(t)
	s.corruptWindow(t, w)
	s.pass(t, w)
	must(t, n.Retire(t.Context(), w))
	s.later(t, 11*time.Minute)
	s.distinct(t, w, 0)
}

func (s *stand) corruptEntry(t *testing.T, w counting.Window) {
	t.Helper()
	needs(t, s.CorruptEntry != nil, "nothing can be planted under an entry")
	s.CorruptEntry(t, s.node, w)
}

func corruptEntry(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	s.corruptEntry(t, 100)
	_, _, err := n.Claim(t.Context(), 100, "a", s.lease())
	mustBe(t, err, counting.Corrupt)
	for _, step := range everyStep(counting.Delivery{Attempts: 1}) {
		s.refuseStep(t, 100, token, step, counting.Corrupt)
	}
	_, _, err = n.Entry(t.Context(), 100)
	mustBe(t, err, counting.Corrupt)
}

func corruptEntryStopsNoOther(t *testing.T, s *stand) {
	s.open(t)
	s.corruptEntry(t, 100)
	s.finish(t, 99, "a", 7)
	s.finish(t, 101, "a", 8)
	done := counting.Entry{State: counting.Done, Count: 7, Sink: "queue", Deliveries: counting.DeliveryTotals{Endpoints: 1, Delivered: 1}}
	s.entry(t, 99, done)
	done.Count = 8
	s.entry(t, 101, done)
}

func corruptEntryIsListed(t *testing.T, s *stand) {
	n := s.open(t)
	s.claim(t, 99, "a")
	s.claim(t, 101, "a")
	s.corruptEntry(t, 100)
	s.newest(t, 2, 101, 100)
	s.newest(t, 10, 101, 100, 99)
	entries, err := n.Entries(t.Context(), math.MaxInt64, 10)
	must(t, err)
	equal(t, "the corrupt entry", entries[1], counting.Entry{Window: 100, State: counting.Damaged})
	equal(t, "the one before it", entries[0].State, counting.Open)
	equal(t, "the one after it", entries[2].State, counting.Open)
}
