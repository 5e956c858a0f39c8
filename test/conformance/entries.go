package conformance

import (
	"maps"
	"math"
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
)

// finish brings a window from open to done, and returns the token.
func (s *stand) finish(t *testing.T, w counting.Window, owner string, count int64) string {
	t.Helper()
	token := s.claim(t, w, owner)
	_, err := s.node.Record(t.Context(), w, token, count)
	must(t, err)
	must(t, s.node.Publish(t.Context(), w, token, "queue"))
	must(t, s.node.SaveDelivery(t.Context(), w, token, "http://a.example/", counting.Delivery{Attempts: 1, Status: 204, Final: true}))
	must(t, s.node.Finish(t.Context(), w, token, counting.DeliveryTotals{Endpoints: 1, Delivered: 1}))
	return token
}

func (s *stand) entry(t *testing.T, w counting.Window, want counting.Entry) {
	t.Helper()
	want.Window = w
	e, _, err := s.node.Entry(t.Context(), w)
	must(t, err)
	equal(t, "entry", e, want)
}

func (s *stand) calls(t *testing.T, w counting.Window, want map[string]counting.Delivery) {
	t.Helper()
	_, got, err := s.node.Entry(t.Context(), w)
	must(t, err)
	if !maps.Equal(got, want) {
		t.Fatalf("calls: got %v, want %v", got, want)
	}
}

func entryCases() []testCase {
	return []testCase{
		{"a window without an entry is open", noEntry},
		{"a window goes from open over sealed and published to done", entryStates},
		{"the first recorded count wins", firstCountWins},
		{"of many counts at once one wins", recordAtOnce},
		{"a window that is lost stays so, and is closed by nobody", lostStays},
		{"a window that has a count isn't lost", countedIsNotLost},
		{"a count of 0 is a count", countZero},
		{"publishing again keeps the first sink", firstSinkStays},
		{"finishing again keeps the first totals", firstTotalsStay},
		{"nothing moves a window back", nothingMovesBack},
		{"a window that has no count can't be published", publishUnsealed},
		{"a window that isn't published can't be finished", finishUnpublished},
		{"the last of the calls of an endpoint is kept", lastCallStays},
		{"calls are kept by window and endpoint", callsAreApart},
		{"the newest entries come first, at most the limit", newestEntries},
		{"entries before a window can be asked for in steps", entriesBefore},
		{"what an entry is, Entries says as well", entriesSayTheSame},
	}
}

func noEntry(t *testing.T, s *stand) {
	s.open(t)
	s.entry(t, 100, counting.Entry{State: counting.Open})
	s.calls(t, 100, nil)
	got, err := s.node.Entries(t.Context(), math.MaxInt64, 10)
	must(t, err)
	equal(t, "entries", len(got), 0)
}

func entryStates(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	s.entry(t, 100, counting.Entry{State: counting.Open})
	count, err := n.Record(t.Context(), 100, token, 7)
	must(t, err)
	equal(t, "recorded count", count, 7)
	s.entry(t, 100, counting.Entry{State: counting.Sealed, Count: 7})
	must(t, n.Publish(t.Context(), 100, token, "queue counts"))
	s.entry(t, 100, counting.Entry{State: counting.Published, Count: 7, Sink: "queue counts"})
	totals := counting.DeliveryTotals{Endpoints: 6, Delivered: 4, Failed: 2}
	must(t, n.Finish(t.Context(), 100, token, totals))
	s.entry(t, 100, counting.Entry{State: counting.Done, Count: 7, Sink: "queue counts", Deliveries: totals})
}

func firstCountWins(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	for _, count := range []int64{7, 9, 7} {
		got, err := n.Record(t.Context(), 100, token, count)
		must(t, err)
		equal(t, "recorded count", got, 7)
	}
	s.elapse(t, s.lease())
	token = s.claim(t, 100, "b")
	got, err := n.Record(t.Context(), 100, token, 3)
	must(t, err)
	equal(t, "recorded count", got, 7)
	s.entry(t, 100, counting.Entry{State: counting.Sealed, Count: 7})
}

func lostStays(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	for range 2 {
		must(t, n.MarkLost(t.Context(), 100, token))
		s.entry(t, 100, counting.Entry{State: counting.Lost})
	}
	token, e, err := n.Claim(t.Context(), 100, "b", s.lease())
	must(t, err)
	equal(t, "token and state", token+string(e.State), string(counting.Lost))
	mustBe(t, n.MarkLost(t.Context(), 101, "x"), counting.ErrStaleToken)
}

func countedIsNotLost(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	_, err := n.Record(t.Context(), 100, token, 7)
	must(t, err)
	must(t, n.MarkLost(t.Context(), 100, token))
	s.entry(t, 100, counting.Entry{State: counting.Sealed, Count: 7})
}

func recordAtOnce(t *testing.T, s *stand) {
	n := s.open(t)
	token, _, err := n.Claim(t.Context(), 100, "a", time.Hour)
	must(t, err)
	var got [8]int64
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			count, err := n.Record(t.Context(), 100, token, int64(i+1))
			if err != nil {
				t.Error(err)
			}
			got[i] = count
		})
	}
	all.Wait()
	for _, count := range got {
		equal(t, "recorded count", count, got[0])
	}
	s.entry(t, 100, counting.Entry{State: counting.Sealed, Count: got[0]})
}

func countZero(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	for _, count := range []int64{0, 5} {
		got, err := n.Record(t.Context(), 100, token, count)
		must(t, err)
		equal(t, "recorded count", got, 0)
	}
}

func firstSinkStays(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	_, err := n.Record(t.Context(), 100, token, 7)
	must(t, err)
	must(t, n.Publish(t.Context(), 100, token, "queue"))
	must(t, n.Publish(t.Context(), 100, token, "log"))
	s.entry(t, 100, counting.Entry{State: counting.Published, Count: 7, Sink: "queue"})
}

func firstTotalsStay(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.finish(t, 100, "a", 7)
	must(t, n.Finish(t.Context(), 100, token, counting.DeliveryTotals{Endpoints: 9, Failed: 9}))
	s.entry(t, 100, counting.Entry{State: counting.Done, Count: 7, Sink: "queue", Deliveries: counting.DeliveryTotals{Endpoints: 1, Delivered: 1}})
}

func nothingMovesBack(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.finish(t, 100, "a", 7)
	got, err := n.Record(t.Context(), 100, token, 9)
	must(t, err)
	equal(t, "recorded count", got, 7)
	must(t, n.Publish(t.Context(), 100, token, "log"))
	s.entry(t, 100, counting.Entry{State: counting.Done, Count: 7, Sink: "queue", Deliveries: counting.DeliveryTotals{Endpoints: 1, Delivered: 1}})
}

func publishUnsealed(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	mustFail(t, n.Publish(t.Context(), 100, token, "queue"))
	s.entry(t, 100, counting.Entry{State: counting.Open})
}

func finishUnpublished(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	mustFail(t, n.Finish(t.Context(), 100, token, counting.DeliveryTotals{}))
	s.entry(t, 100, counting.Entry{State: counting.Open})
	_, err := n.Record(t.Context(), 100, token, 7)
	must(t, err)
	mustFail(t, n.Finish(t.Context(), 100, token, counting.DeliveryTotals{}))
	s.entry(t, 100, counting.Entry{State: counting.Sealed, Count: 7})
}

func lastCallStays(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	failed, done := counting.Delivery{Attempts: 1, Status: 503}, counting.Delivery{Attempts: 2, Status: 200, Final: true}
	must(t, n.SaveDelivery(t.Context(), 100, token, "http://a.example/", failed))
	s.calls(t, 100, map[string]counting.Delivery{"http://a.example/": failed})
	must(t, n.SaveDelivery(t.Context(), 100, token, "http://a.example/", done))
	s.calls(t, 100, map[string]counting.Delivery{"http://a.example/": done})
}

func callsAreApart(t *testing.T, s *stand) {
	n := s.open(t)
	first, second := s.claim(t, 100, "a"), s.claim(t, 101, "a")
	one, two, three := counting.Delivery{Attempts: 1}, counting.Delivery{Attempts: 2, Status: 410, Final: true}, counting.Delivery{Attempts: 3, Status: 200, Final: true}
	must(t, n.SaveDelivery(t.Context(), 100, first, "http://a.example/", one))
	must(t, n.SaveDelivery(t.Context(), 100, first, "http://a.example/?q=1", two))
	must(t, n.SaveDelivery(t.Context(), 101, second, "http://a.example/", three))
	s.calls(t, 100, map[string]counting.Delivery{"http://a.example/": one, "http://a.example/?q=1": two})
	s.calls(t, 101, map[string]counting.Delivery{"http://a.example/": three})
}

func newestEntries(t *testing.T, s *stand) {
	n := s.open(t)
	for _, w := range []counting.Window{9, 100, 2, 255, 256, 11, 99} {
		s.claim(t, w, "a")
	}
	for limit, want := range [][]counting.Window{{}, {256}, {256, 255}, {256, 255, 100}} {
		s.newest(t, limit, want...)
	}
	s.newest(t, 50, 256, 255, 100, 99, 11, 9, 2)
	must(t, n.Renew(t.Context(), 2, s.claim(t, 2, "a"), s.lease()))
	s.newest(t, 1, 256)
}

func (s *stand) newest(t *testing.T, limit int, want ...counting.Window) {
	t.Helper()
	entries, err := s.node.Entries(t.Context(), math.MaxInt64, limit)
	must(t, err)
	var got []counting.Window
	for _, e := range entries {
		got = append(got, e.Window)
	}
	equalSlices(t, "entries", got, want)
}

func entriesSayTheSame(t *testing.T, s *stand) {
	n := s.open(t)
	s.finish(t, 100, "a", 7)
	token := s.claim(t, 101, "a")
	_, err := n.Record(t.Context(), 101, token, 8)
	must(t, err)
	entries, err := n.Entries(t.Context(), math.MaxInt64, 10)
	must(t, err)
	equal(t, "entries", len(entries), 2)
	for _, e := range entries {
		s.entry(t, e.Window, e)
	}
}
