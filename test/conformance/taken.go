package conformance

import (
	"slices"
	"testing"
	"time"

	"footfall/domain/counting"
)

func takenCases() []testCase {
	return []testCase{
		{"an entry of another node is kept with its calls", takenIsKept},
		{"an entry that isn't open stays as it is", takenOnce},
		{"the entry of an open window is replaced, its claim is not", takenOverClaim},
		{"an entry that is open or damaged is passed over", takenPassedOver},
		{"an entry can't be taken where something else stands", takenIntoCorrupt},
		{"an entry that was taken is forgotten 7 days later, its calls 10 minutes later", takenIsForgotten},
		{"entries that were taken survive", takenSurvives},
		{"entries are taken by the open table only", takenOfOtherTables},
	}
}

func done(w counting.Window, count int64) counting.FullEntry {
	return counting.FullEntry{
		Entry: counting.Entry{
			Window: w, State: counting.Done, Count: count, Sink: "queue",
			Deliveries: counting.DeliveryTotals{Endpoints: 3, Delivered: 1, Failed: 2},
		},
		ByEndpoint: map[string]counting.Delivery{
			"http://a.example/": {Attempts: 1, Status: 204, Final: true},
			"http://b.example/": {Attempts: 3, Status: 500, Final: true},
		},
	}
}

// taking opens a node that takes entries.
func (s *stand) taking(t *testing.T, entries ...counting.FullEntry) {
	t.Helper()
	s.movable(t)
	s.open(t)
	s.take(t, entries...)
}

func (s *stand) take(t *testing.T, entries ...counting.FullEntry) {
	t.Helper()
	must(t, s.moves().ImportEntries(t.Context(), s.ring.Table(), entries))
}

func (s *stand) full(t *testing.T, want counting.FullEntry) {
	t.Helper()
	s.entry(t, want.Window, want.Entry)
	s.calls(t, want.Window, want.ByEndpoint)
}

func takenIsKept(t *testing.T, s *stand) {
	all := []counting.FullEntry{
		done(100, 7),
		{Entry: counting.Entry{Window: 103, State: counting.Lost}},
		{Entry: counting.Entry{Window: 101, State: counting.Published, Count: 0, Sink: "log"}},
		{Entry: counting.Entry{Window: 102, State: counting.Sealed, Count: 1<<53 - 1}},
	}
	s.taking(t, all...)
	for _, e := range all {
		s.full(t, e)
	}
	s.newest(t, 10, 103, 102, 101, 100)
	for _, w := range []counting.Window{100, 103} {
		token, e, err := s.node.Claim(t.Context(), w, "a", s.lease())
		must(t, err)
		equal(t, "token of a window that is over", token, "")
		equal(t, "its window", e.Window, w)
	}
	s.advance(t, 102, s.claim(t, 102, "a"), counting.Publish("queue"))
	s.entry(t, 102, counting.Entry{State: counting.Published, Count: 1<<53 - 1, Sink: "queue"})
}

func takenOnce(t *testing.T, s *stand) {
	s.taking(t, done(100, 7))
	token := s.claim(t, 101, "a")
	s.advance(t, 101, token, counting.Record(9))
	other := done(100, 8)
	other.ByEndpoint = map[string]counting.Delivery{"http://c.example/": {Attempts: 1}}
	s.take(t, other, done(101, 8), done(102, 8))
	s.full(t, done(100, 7))
	s.full(t, counting.FullEntry{Entry: counting.Entry{Window: 101, State: counting.Sealed, Count: 9}})
	s.full(t, done(102, 8))
	s.advance(t, 101, token, counting.Renew(s.lease()))
}

func takenOverClaim(t *testing.T, s *stand) {
	s.taking(t)
	token := s.claim(t, 100, "a")
	s.take(t, done(100, 7))
	s.full(t, done(100, 7))
	count := s.advance(t, 100, token, counting.Record(9)).Count
	equal(t, "recorded count", count, 7)
	s.refuseStep(t, 100, "x", counting.Renew(s.lease()), counting.ErrStaleToken)
	s.newest(t, 10, 100)
}

func takenPassedOver(t *testing.T, s *stand) {
	s.taking(t)
	token := s.claim(t, 101, "a")
	open := counting.Entry{Window: 100, State: counting.Open}
	damaged := counting.Entry{Window: 101, State: counting.Damaged}
	s.take(t, counting.FullEntry{Entry: open}, counting.FullEntry{Entry: damaged}, done(102, 7))
	s.entry(t, 100, counting.Entry{State: counting.Open})
	s.entry(t, 101, counting.Entry{State: counting.Open})
	s.newest(t, 10, 102, 101)
	s.advance(t, 101, token, counting.Renew(s.lease()))
}

func takenIntoCorrupt(t *testing.T, s *stand) {
	s.taking(t)
	s.corruptEntry(t, 100)
	err := s.moves().ImportEntries(t.Context(), s.ring.Table(), []counting.FullEntry{done(100, 7)})
	mustBe(t, err, counting.Corrupt)
	s.take(t, done(101, 7))
	s.full(t, done(101, 7))
}

func takenIsForgotten(t *testing.T, s *stand) {
	s.taking(t, done(100, 7))
	s.later(t, 9*time.Minute)
	s.take(t, done(100, 7)) // again: nothing begins anew
	s.full(t, done(100, 7))
	s.later(t, 2*time.Minute)
	s.calls(t, 100, nil)
	s.entry(t, 100, done(100, 7).Entry)
	s.later(t, 7*day-12*time.Minute)
	s.newest(t, 10, 100)
	s.later(t, 2*time.Minute)
	s.newest(t, 10)
	s.entry(t, 100, counting.Entry{State: counting.Open})
}

func takenSurvives(t *testing.T, s *stand) {
	needs(t, s.Reopen != nil, "it doesn't outlive its process")
	s.taking(t, done(100, 7))
	s.node = s.Reopen(t, s.node)
	s.full(t, done(100, 7))
}

func takenOfOtherTables(t *testing.T, s *stand) {
	s.taking(t)
	for table, want := range map[counting.Epoch]error{s.ring.Table() - 1: counting.ErrStale, s.ring.Table() + 1: counting.ErrAhead} {
		mustBe(t, s.moves().ImportEntries(t.Context(), table, []counting.FullEntry{done(100, 7)}), want)
	}
	s.newest(t, 10)
}

// entriesBefore asks for entries in steps.
func entriesBefore(t *testing.T, s *stand) {
	n := s.open(t)
	windows := []counting.Window{1, 2, 5, 9, 100}
	for _, w := range windows {
		s.claim(t, w, "a")
	}
	slices.Reverse(windows)
	for _, limit := range []int{1, 2, 3, 9} {
		var got []counting.Window
		for before := counting.Window(101); ; before = got[len(got)-1] {
			some, err := n.Entries(t.Context(), before, limit)
			must(t, err)
			if len(some) == 0 {
				break
			}
			for _, e := range some {
				got = append(got, e.Window)
			}
		}
		equalSlices(t, "entries in steps", got, windows)
	}
	for before, want := range map[counting.Window]int{-5: 0, 1: 0, 2: 1, 4: 2, 100: 4} {
		some, err := n.Entries(t.Context(), before, 10)
		must(t, err)
		equal(t, "entries before a window", len(some), want)
	}
}
