package conformance

import (
	"slices"
	"testing"

	"footfall/domain/counting"
)

func settingCases() []testCase {
	return []testCase{
		{"a page is set whatever it had", pageIsSet},
		{"a page is forgotten", pageIsDeleted},
		{"a duplicate sets nothing", settingOnce},
		{"settings of a batch that isn't admitted change nothing", settingOfEpoch},
		{"what is no count can be set", corruptIsSet},
		{"a page of a coming arc isn't set", comingIsNotSet},
		{"settings survive", settingsSurvive},
	}
}

func (s *stand) setting(page counting.Page, count int64) counting.SetCount {
	return counting.SetCount{Arc: s.ring.Arc(page), Page: page, Count: count}
}

func (s *stand) deletion(page counting.Page) counting.SetCount {
	return counting.SetCount{Arc: s.ring.Arc(page), Page: page, Delete: true}
}

func (s *stand) setBatch(settings ...counting.SetCount) *counting.Batch {
	b := s.batch()
	b.SetCounts = settings
	return b
}

func pageIsSet(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("home", 7)))
	s.apply(t, s.setBatch(s.setting("home", 3), s.setting("new", most), s.setting("none", 0), s.setting("twice", 1), s.setting("twice", 2)))
	s.visits(t, "home", 3)
	s.visits(t, "new", most)
	s.visits(t, "none", 0)
	s.visits(t, "twice", 2)
	b := s.batch(s.visit("home", 5), s.visit("new", 1))
	b.SetCounts = []counting.SetCount{s.setting("home", 1)}
	s.apply(t, b, counting.Refusal{Item: 1, Reason: counting.Overflow})
	s.visits(t, "home", 1)
	s.apply(t, s.batch(s.visit("home", 1)))
	s.visits(t, "home", 2)
}

func pageIsDeleted(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("home", 7), s.visit("about", 1)))
	s.apply(t, s.setBatch(s.deletion("home"), s.deletion("unknown")))
	s.visits(t, "home", 0)
	s.visits(t, "about", 1)
	s.apply(t, s.batch(s.visit("home", 1)))
	s.visits(t, "home", 1)
}

func settingOnce(t *testing.T, s *stand) {
	s.open(t)
	b := s.setBatch(s.setting("home", 3))
	s.apply(t, b)
	s.apply(t, s.batch(s.visit("home", 1)))
	s.duplicate(t, b)
	s.visits(t, "home", 4)
}

func settingOfEpoch(t *testing.T, s *stand) {
	s.open(t)
	s.apply(t, s.batch(s.visit("home", 1)))
	late := s.setBatch(s.setting("home", 9))
	s.fence(t, s.nextRing(t, "second", s.current(t)+2))
	s.refused(t, late, counting.ErrStale)
}

func corruptIsSet(t *testing.T, s *stand) {
	s.open(t)
	needs(t, s.CorruptPage != nil, "its pages can't be corrupted")
	s.CorruptPage(t, s.node, s.at("bad"))
	s.apply(t, s.setBatch(s.setting("bad", 3)))
	s.visits(t, "bad", 3)
	s.CorruptPage(t, s.node, s.at("bad"))
	s.apply(t, s.setBatch(s.deletion("bad")))
	s.visits(t, "bad", 0)
}

func comingIsNotSet(t *testing.T, s *stand) {
	arc := s.destination(t)
	s.apply(t, s.batch(counting.Visit{Arc: arc, Page: "page", Count: 1}))
	stays := arc
	for slices.Contains(s.ring.Incoming(s.node.ID()), stays) {
		stays++
	}
	b := s.setBatch(
		counting.SetCount{Arc: arc, Page: "page", Count: 9}, counting.SetCount{Arc: arc, Page: "page", Delete: true},
		counting.SetCount{Arc: stays, Page: "home", Count: 5},
	)
	s.apply(t, b, counting.Refusal{Item: 0, Reason: counting.Moving}, counting.Refusal{Item: 1, Reason: counting.Moving})
	s.live(t, []counting.Visit{{Arc: arc, Page: "page", Count: 1}, {Arc: stays, Page: "home", Count: 5}})
	must(t, s.moves().CloseArc(t.Context(), s.ring.Table(), arc, 0))
	s.apply(t, s.setBatch(counting.SetCount{Arc: arc, Page: "page", Count: 9}))
	s.live(t, []counting.Visit{{Arc: arc, Page: "page", Count: 9}})
}

func settingsSurvive(t *testing.T, s *stand) {
	n := s.open(t)
	needs(t, s.Reopen != nil, "it doesn't outlive its process")
	s.apply(t, s.batch(s.visit("home", 7), s.visit("gone", 1)))
	s.apply(t, s.setBatch(s.setting("home", 3), s.deletion("gone")))
	s.node = s.Reopen(t, n)
	s.visits(t, "home", 3)
	s.visits(t, "gone", 0)
}
