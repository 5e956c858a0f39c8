package conformance

import (
	"fmt"
	"strings"
	"testing"

	"footfall/domain/counting"
)

func readCases() []testCase {
	return []testCase{
		{"many pages are read in their order", readInOrder},
		{"a page that was never visited is 0", readNeverVisited},
		{"no pages are no tallies", readNothing},
		{"a page may be asked for twice", readTwice},
		{"pages are equal when their bytes are", readOddPages},
		{"a read has every batch that was answered before", readIsFresh},
		{"a read of an epoch below the fence is stale", readStale},
		{"a read of an epoch that is not open is ahead", readAhead},
		{"a node without a ring reads nothing", readUninitialized},
	}
}

func readInOrder(t *testing.T, s *stand) {
	n := s.open(t)
	var visits []counting.Visit
	var pages []counting.Located
	for i := range 300 {
		page := counting.Page(fmt.Sprintf("page/%d", i))
		visits = append(visits, s.visit(page, int64(i+1)))
		pages = append(pages, s.at(counting.Page(fmt.Sprintf("page/%d", 299-i))))
	}
	s.apply(t, s.batch(visits...))
	got, err := n.Read(t.Context(), 1, pages)
	must(t, err)
	equal(t, "tallies", len(got), len(pages))
	for i, tally := range got {
		equal(t, fmt.Sprintf("tally %d", i), tally, counting.Tally{Visits: int64(300 - i)})
	}
}

func readNeverVisited(t *testing.T, s *stand) {
	s.open(t)
	s.visits(t, "home", 0)
	s.apply(t, s.batch(s.visit("home", 1)))
	s.visits(t, "about", 0)
}

func readNothing(t *testing.T, s *stand) {
	n := s.open(t)
	got, err := n.Read(t.Context(), 1, nil)
	must(t, err)
	equal(t, "tallies", len(got), 0)
}

func readTwice(t *testing.T, s *stand) {
	n := s.open(t)
	s.apply(t, s.batch(s.visit("home", 3)))
	got, err := n.Read(t.Context(), 1, []counting.Located{s.at("home"), s.at("home")})
	must(t, err)
	equalSlices(t, "tallies", got, []counting.Tally{{Visits: 3}, {Visits: 3}})
}

func readOddPages(t *testing.T, s *stand) {
	n := s.open(t)
	odd := []counting.Page{
		"a", "A", "a ", " a", "aa", "a/b", "a%2Fb", "a:b", "a{b}", "a\u00a0", "\u00e9", "e\u0301",
		"ff:T", "c:0", "*", "\"", "'", "\\", "\U0001f600", "0", "00", "-1",
		counting.Page(strings.Repeat("x", counting.MaxPageBytes)), counting.Page(strings.Repeat("x", counting.MaxPageBytes-1)),
	}
	var visits []counting.Visit
	var pages []counting.Located
	var want []counting.Tally
	for i, page := range odd {
		visits = append(visits, s.visit(page, int64(i+1)))
		pages = append(pages, s.at(page))
		want = append(want, counting.Tally{Visits: int64(i + 1)})
	}
	s.apply(t, s.batch(visits...))
	got, err := n.Read(t.Context(), 1, pages)
	must(t, err)
	equalSlices(t, "tallies", got, want)
}

func readIsFresh(t *testing.T, s *stand) {
	s.open(t)
	for i := range int64(30) {
		s.apply(t, s.batch(s.visit("home", 1)))
		s.visits(t, "home", i+1)
	}
}

func readStale(t *testing.T, s *stand) {
	n := s.open(t)
	_, err := n.Fence(t.Context(), s.nextRing(t, "second", s.current(t)+2))
	must(t, err)
	_, err = n.Read(t.Context(), 1, []counting.Located{s.at("home")})
	mustBe(t, err, counting.ErrStale)
}

func readAhead(t *testing.T, s *stand) {
	n := s.open(t)
	next := s.nextRing(t, "second", s.current(t)+2)
	_, err := n.Read(t.Context(), 2, []counting.Located{s.at("home")})
	mustBe(t, err, counting.ErrAhead)
	_, err = n.Fence(t.Context(), next)
	must(t, err)
	_, err = n.Read(t.Context(), 2, []counting.Located{s.at("home")})
	mustBe(t, err, counting.ErrAhead)
	s.enter(t, next)
	s.visits(t, "home", 0)
}

func readUninitialized(t *testing.T, s *stand) {
	n := s.empty(t)
	_, err := n.Read(t.Context(), 1, []counting.Located{{Page: "home"}})
	mustBe(t, err, counting.ErrUninitialized)
}
