package conformance

import (
	"maps"
	"math"
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
)

// advance makes a step that must be taken, and returns the entry.
func (s *stand) advance(t *testing.T, w counting.Window, token string, step counting.Step) counting.Entry {
	t.Helper()
	e, err := s.node.Advance(t.Context(), w, token, step)
	must(t, err)
	equal(t, "window of the entry", e.Window, w)
	kept, _, err := s.node.Entry(t.Context(), w)
	must(t, err)
	equal(t, "entry after the step", e, kept)
	return e
}

// everyStep is one step of each action.
func everyStep(d counting.Delivery) []counting.Step {
	return []counting.Step{
		counting.Renew(time.Minute), counting.Record(99), counting.MarkLost(), counting.Publish("elsewhere"),
		counting.SaveDelivery("http://a.example/", d), counting.Finish(counting.DeliveryTotals{Failed: 1}),
	}
}

// refuseStep makes a step that must fail.
func (s *stand) refuseStep(t *testing.T, w counting.Window, token string, step counting.Step, want error) {
	t.Helper()
	_, err := s.node.Advance(t.Context(), w, token, step)
	mustBe(t, err, want)
}

// finish brings a window from open to done, and returns the token.
func (s *stand) finish(t *testing.T, w counting.Window, owner string, count int64) string {
	t.Helper()
	token := s.claim(t, w, owner)
	s.advance(t, w, token, counting.Record(count))
	s.advance(t, w, token, counting.Publish("queue"))
	s.advance(t, w, token, counting.SaveDelivery("http://a.example/", counting.Delivery{Attempts: 1, Status: 204, Final: true}))
	s.advance(t, w, token, counting.Finish(counting.DeliveryTotals{Endpoints: 1, Delivered: 1}))
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
	s.open(t)
	token := s.claim(t, 100, "a")
	s.entry(t, 100, counting.Entry{State: counting.Open})
	count := s.advance(t, 100, token, counting.Record(7)).Count
	equal(t, "recorded count", count, 7)
	s.entry(t, 100, counting.Entry{State: counting.Sealed, Count: 7})
	s.advance(t, 100, token, counting.Publish("queue counts"))
	s.entry(t, 100, counting.Entry{State: counting.Published, Count: 7, Sink: "queue counts"})
	totals := counting.DeliveryTotals{Endpoints: 6, Delivered: 4, Failed: 2}
	s.advance(t, 100, token, counting.Finish(totals))
	s.entry(t, 100, counting.Entry{State: counting.Done, Count: 7, Sink: "queue counts", Deliveries: totals})
}

func firstCountWins(t *testing.T, s *stand) {
	s.open(t)
	token := s.claim(t, 100, "a")
	for _, count := range []int64{7, 9, 7} {
		got := s.advance(t, 100, token, counting.Record(count)).Count
		equal(t, "recorded count", got, 7)
	}
	s.elapse(t, s.lease())
	token = s.claim(t, 100, "b")
	got := s.advance(t, 100, token, counting.Record(3)).Count
	equal(t, "recorded count", got, 7)
	s.entry(t, 100, counting.Entry{State: counting.Sealed, Count: 7})
}

func lostStays(t *testing.T, s *stand) {
	n := s.open(t)
	token := s.claim(t, 100, "a")
	for range 2 {
		s.advance(t, 100, token, counting.MarkLost())
		s.entry(t, 100, counting.Entry{State: counting.Lost})
	}
	token, e, err := n.Claim(t.Context(), 100, "b", s.lease())
	must(t, err)
	equal(t, "token and state", token+string(e.State), string(counting.Lost))
	s.refuseStep(t, 101, "x", counting.MarkLost(), counting.ErrStaleToken)
}

func countedIsNotLost(t *testing.T, s *stand) {
	s.open(t)
	token := s.claim(t, 100, "a")
	s.advance(t, 100, token, counting.Record(7))
	s.advance(t, 100, token, counting.MarkLost())
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
			e, err := n.Advance(t.Context(), 100, token, counting.Record(int64(i+1)))
			if err != nil {
				t.Error(err)
			}
			got[i] = e.Count
		})
	}
	all.Wait()
	for _, count := range got {
		equal(t, "recorded count", count, got[0])
	}
	s.entry(t, 100, counting.Entry{State: counting.Sealed, Count: got[0]})
}

func countZero(t *testing.T, s *stand) {
	s.open(t)
	token := s.claim(t, 100, "a")
	for _, count := range []int64{0, 5} {
		got := s.advance(t, 100, token, counting.Record(count)).Count
		equal(t, "recorded count", got, 0)
	}
}

func firstSinkStays(t *testing.T, s *stand) {
	s.open(t)
	token := s.claim(t, 100, "a")
	s.advance(t, 100, token, counting.Record(7))
	s.advance(t, 100, token, counting.Publish("queue"))
	s.advance(t, 100, token, counting.Publish("log"))
	s.entry(t, 100, counting.Entry{State: counting.Published, Count: 7, Sink: "queue"})
}

func firstTotalsStay(t *testing.T, s *stand) {
	s.open(t)
	token := s.finish(t, 100, "a", 7)
	s.advance(t, 100, token, counting.Finish(counting.DeliveryTotals{Endpoints: 9, Failed: 9}))
	s.entry(t, 100, counting.Entry{State: counting.Done, Count: 7, Sink: "queue", Deliveries: counting.DeliveryTotals{Endpoints: 1, Delivered: 1}})
}

func nothingMovesBack(t *testing.T, s *stand) {
	s.open(t)
	token := s.finish(t, 100, "a", 7)
	got := s.advance(t, 100, token, counting.Record(9)).Count
	equal(t, "recorded count", got, 7)
	s.advance(t, 100, token, counting.Publish("log"))
	s.entry(t, 100, counting.Entry{State: counting.Done, Count: 7, Sink: "queue", Deliveries: counting.DeliveryTotals{Endpoints: 1, Delivered: 1}})
}

func publishUnsealed(t *testing.T, s *stand) {
	s.open(t)
	token := s.claim(t, 100, "a")
	s.refuseStep(t, 100, token, counting.Publish("queue"), counting.ErrNotApplied)
	s.entry(t, 100, counting.Entry{State: counting.Open})
}

func finishUnpublished(t *testing.T, s *stand) {
	s.open(t)
	token := s.claim(t, 100, "a")
	s.refuseStep(t, 100, token, counting.Finish(counting.DeliveryTotals{}), counting.ErrNotApplied)
	s.entry(t, 100, counting.Entry{State: counting.Open})
	s.advance(t, 100, token, counting.Record(7))
	s.refuseStep(t, 100, token, counting.Finish(counting.DeliveryTotals{}), counting.ErrNotApplied)
	s.entry(t, 100, counting.Entry{State: counting.Sealed, Count: 7})
}

func lastCallStays(t *testing.T, s *stand) {
	s.open(t)
	token := s.claim(t, 100, "a")
	failed, done := counting.Delivery{Attempts: 1, Status: 503}, counting.Delivery{Attempts: 2, Status: 200, Final: true}
	s.advance(t, 100, token, counting.SaveDelivery("http://a.example/", failed))
	s.calls(t, 100, map[string]counting.Delivery{"http://a.example/": failed})
	s.advance(t, 100, token, counting.SaveDelivery("http://a.example/", done))
	s.calls(t, 100, map[string]counting.Delivery{"http://a.example/": done})
}

func callsAreApart(t *testing.T, s *stand) {
	s.open(t)
	first, second := s.claim(t, 100, "a"), s.claim(t, 101, "a")
	one, two, three := counting.Delivery{Attempts: 1}, counting.Delivery{Attempts: 2, Status: 410, Final: true}, counting.Delivery{Attempts: 3, Status: 200, Final: true}
	s.advance(t, 100, first, counting.SaveDelivery("http://a.example/", one))
	s.advance(t, 100, first, counting.SaveDelivery("http://a.example/?q=1", two))
	s.advance(t, 101, second, counting.SaveDelivery("http://a.example/", three))
	s.calls(t, 100, map[string]counting.Delivery{"http://a.example/": one, "http://a.example/?q=1": two})
	s.calls(t, 101, map[string]counting.Delivery{"http://a.example/": three})
}

func newestEntries(t *testing.T, s *stand) {
	s.open(t)
	for _, w := range []counting.Window{9, 100, 2, 255, 256, 11, 99} {
		s.claim(t, w, "a")
	}
	for limit, want := range [][]counting.Window{{}, {256}, {256, 255}, {256, 255, 100}} {
		s.newest(t, limit, want...)
	}
	s.newest(t, 50, 256, 255, 100, 99, 11, 9, 2)
	s.advance(t, 2, s.claim(t, 2, "a"), counting.Renew(s.lease()))
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
	s.advance(t, 101, token, counting.Record(8))
	entries, err := n.Entries(t.Context(), math.MaxInt64, 10)
	must(t, err)
	equal(t, "entries", len(entries), 2)
	for _, e := range entries {
		s.entry(t, e.Window, e)
	}
}
