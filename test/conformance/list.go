package conformance

import (
	"fmt"
	"maps"
	"testing"

	"footfall/domain/counting"
)

func listCases() []testCase {
	return []testCase{
		{"every page is listed with its arc", listAll},
		{"a node without pages lists none", listNothing},
		{"a page that is no count is listed as -1", listCorrupt},
		{"pages are listed in the node's epoch alone", listEpoch},
		{"a node to which arcs are coming lists nothing", listComing},
	}
}

func (s *stand) list(t *testing.T) map[counting.Visit]bool {
	t.Helper()
	got := make(map[counting.Visit]bool)
	for cursor, again := "", true; again; again = cursor != "" {
		pages, next, err := s.node.List(t.Context(), s.ring.Epoch(), cursor)
		must(t, err)
		for _, p := range pages {
			got[p] = true
		}
		cursor = next
	}
	return got
}

func listAll(t *testing.T, s *stand) {
	s.open(t)
	want := make(map[counting.Visit]bool)
	var visits []counting.Visit
	for i := range 2500 {
		visits = append(visits, s.visit(counting.Page(fmt.Sprintf("page %d/ä", i)), int64(i+1)))
		want[visits[i]] = true
	}
	s.apply(t, s.batch(visits...))
	if got := s.list(t); !maps.Equal(got, want) {
		t.Fatalf("%d pages are listed, want %d", len(got), len(want))
	}
}

func listNothing(t *testing.T, s *stand) {
	s.open(t)
	equal(t, "pages", len(s.list(t)), 0)
}

func listCorrupt(t *testing.T, s *stand) {
	s.open(t)
	needs(t, s.CorruptPage != nil, "its pages can't be corrupted")
	s.apply(t, s.batch(s.visit("home", 3)))
	s.CorruptPage(t, s.node, s.at("bad"))
	want := map[counting.Visit]bool{s.visit("home", 3): true, s.visit("bad", -1): true}
	if got := s.list(t); !maps.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func listEpoch(t *testing.T, s *stand) {
	n := s.open(t)
	_, _, err := n.List(t.Context(), s.ring.Epoch()+1, "")
	mustBe(t, err, counting.ErrAhead)
	s.fence(t, s.nextRing(t, "second", s.current(t)+2))
	_, _, err = n.List(t.Context(), s.ring.Epoch(), "")
	mustBe(t, err, counting.ErrStale)
}

func listComing(t *testing.T, s *stand) {
	arc := s.destination(t)
	s.apply(t, s.batch(counting.Visit{Arc: arc, Page: "page", Count: 1}))
	_, _, err := s.node.List(t.Context(), s.ring.Epoch(), "")
	mustBe(t, err, counting.Moving)
	s.closeAll(t)
	equal(t, "the page is listed", s.list(t)[counting.Visit{Arc: arc, Page: "page", Count: 1}], true)
}
