package conformance

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

// advance makes a step that must be applied, and returns the entry.
func (f *fixture) advance(w counting.Window, token string, step counting.Step) counting.Entry {
	f.Helper()
	e := check.Value(f.node.Advance(f.Context(), w, token, step))(f)
	equal(f, "window of the entry", e.Window, w)
	kept, _ := f.stored(w)
	equal(f, "entry after the step", e, kept)
	return e
}

// stored returns the entry of a window with its deliveries.
func (f *fixture) stored(w counting.Window) (counting.Entry, map[string]counting.Delivery) {
	f.Helper()
	e, deliveries, err := f.node.Entry(f.Context(), w)
	check.Must(f, err)
	return e, deliveries
}

// everyStep is one step of each action.
func everyStep(d counting.Delivery) []counting.Step {
	return []counting.Step{
		counting.Renew(time.Minute), counting.Record(99), counting.MarkLost(), counting.Publish("elsewhere"),
		counting.SaveDelivery("http://a.example/", d), counting.Finish(counting.DeliveryTotals{Failed: 1}),
	}
}

// refuseStep makes a step that must fail.
func (f *fixture) refuseStep(w counting.Window, token string, step counting.Step, want error) {
	f.Helper()
	mustBe(f, errorOf(f.node.Advance(f.Context(), w, token, step)), want)
}

// finish brings a window from open to done, and returns the token.
func (f *fixture) finish(w counting.Window, owner string, count int64) string {
	f.Helper()
	token := f.claim(w, owner)
	f.advance(w, token, counting.Record(count))
	f.advance(w, token, counting.Publish("queue"))
	f.advance(w, token, counting.SaveDelivery("http://a.example/", counting.Delivery{Attempts: 1, Status: 204, Final: true}))
	f.advance(w, token, counting.Finish(counting.DeliveryTotals{Endpoints: 1, Delivered: 1}))
	return token
}

func (f *fixture) entry(w counting.Window, want counting.Entry) {
	f.Helper()
	want.Window = w
	e, _ := f.stored(w)
	equal(f, "entry", e, want)
}

func (f *fixture) deliveries(w counting.Window, want map[string]counting.Delivery) {
	f.Helper()
	_, got := f.stored(w)
	if !maps.Equal(got, want) {
		f.Fatalf("deliveries: got %v, want %v", got, want)
	}
}

func entryCases() []testCase {
	return []testCase{
		{"a window without an entry is open", open, func(f *fixture) {
			f.entry(100, counting.Entry{State: counting.Open})
			f.deliveries(100, nil)
			equal(f, "entries", len(check.Value(f.node.Entries(f.Context(), math.MaxInt64, 10))(f)), 0)
		}},
		{"a window is open, sealed, published, done", open, func(f *fixture) {
			token := f.claim(100, "a")
			f.entry(100, counting.Entry{State: counting.Open})
			equal(f, "recorded count", f.advance(100, token, counting.Record(7)).Count, 7)
			f.entry(100, counting.Entry{State: counting.Sealed, Count: 7})
			f.advance(100, token, counting.Publish("queue counts"))
			f.entry(100, counting.Entry{State: counting.Published, Count: 7, Sink: "queue counts"})
			totals := counting.DeliveryTotals{Endpoints: 6, Delivered: 4, Failed: 2}
			f.advance(100, token, counting.Finish(totals))
			f.entry(100, counting.Entry{State: counting.Done, Count: 7, Sink: "queue counts", Deliveries: totals})
		}},
		{"the first recorded count wins", open, func(f *fixture) {
			token := f.claim(100, "a")
			for _, count := range []int64{7, 9, 7} {
				equal(f, "recorded count", f.advance(100, token, counting.Record(count)).Count, 7)
			}
			f.elapse(f.lease())
			token = f.claim(100, "b")
			equal(f, "recorded count", f.advance(100, token, counting.Record(3)).Count, 7)
			f.entry(100, counting.Entry{State: counting.Sealed, Count: 7})
		}},
		{"of many concurrent counts one wins", open, func(f *fixture) {
			token, _ := f.claimed(100, "a", time.Hour)
			var got [8]int64
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() {
					e, err := f.node.Advance(f.Context(), 100, token, counting.Record(int64(i+1)))
					if err != nil {
						f.Error(err)
					}
					got[i] = e.Count
				})
			}
			all.Wait()
			for _, count := range got {
				equal(f, "recorded count", count, got[0])
			}
			f.entry(100, counting.Entry{State: counting.Sealed, Count: got[0]})
		}},
		{"a lost window stays lost, and is not claimed", open, func(f *fixture) {
			token := f.claim(100, "a")
			for range 2 {
				f.advance(100, token, counting.MarkLost())
				f.entry(100, counting.Entry{State: counting.Lost})
			}
			token, e := f.claimed(100, "b", f.lease())
			equal(f, "token and state", token+string(e.State), string(counting.Lost))
			f.refuseStep(101, "x", counting.MarkLost(), counting.ErrStaleToken)
		}},
		{"a window that has a count is not lost", open, func(f *fixture) {
			token := f.claim(100, "a")
			f.advance(100, token, counting.Record(7))
			f.advance(100, token, counting.MarkLost())
			f.entry(100, counting.Entry{State: counting.Sealed, Count: 7})
		}},
		{"a count of 0 is a count", open, func(f *fixture) {
			token := f.claim(100, "a")
			for _, count := range []int64{0, 5} {
				equal(f, "recorded count", f.advance(100, token, counting.Record(count)).Count, 0)
			}
		}},
		{"publishing again keeps the first sink", open, func(f *fixture) {
			token := f.claim(100, "a")
			f.advance(100, token, counting.Record(7))
			f.advance(100, token, counting.Publish("queue"))
			f.advance(100, token, counting.Publish("log"))
			f.entry(100, counting.Entry{State: counting.Published, Count: 7, Sink: "queue"})
		}},
		{"finishing again keeps the first totals", open, func(f *fixture) {
			token := f.finish(100, "a", 7)
			f.advance(100, token, counting.Finish(counting.DeliveryTotals{Endpoints: 9, Failed: 9}))
			f.entry(100, finished(7))
		}},
		{"nothing moves a window back", open, func(f *fixture) {
			token := f.finish(100, "a", 7)
			equal(f, "recorded count", f.advance(100, token, counting.Record(9)).Count, 7)
			f.advance(100, token, counting.Publish("log"))
			f.entry(100, finished(7))
		}},
		{"a window without a count can't be published", open, func(f *fixture) {
			token := f.claim(100, "a")
			f.refuseStep(100, token, counting.Publish("queue"), counting.ErrNotApplied)
			f.entry(100, counting.Entry{State: counting.Open})
		}},
		{"a window that is not published can't be finished", open, func(f *fixture) {
			token := f.claim(100, "a")
			f.refuseStep(100, token, counting.Finish(counting.DeliveryTotals{}), counting.ErrNotApplied)
			f.entry(100, counting.Entry{State: counting.Open})
			f.advance(100, token, counting.Record(7))
			f.refuseStep(100, token, counting.Finish(counting.DeliveryTotals{}), counting.ErrNotApplied)
			f.entry(100, counting.Entry{State: counting.Sealed, Count: 7})
		}},
		{"the last delivery to an endpoint is stored", open, func(f *fixture) {
			token := f.claim(100, "a")
			failed, done := counting.Delivery{Attempts: 1, Status: 503}, counting.Delivery{Attempts: 2, Status: 200, Final: true}
			f.advance(100, token, counting.SaveDelivery("http://a.example/", failed))
			f.deliveries(100, map[string]counting.Delivery{"http://a.example/": failed})
			f.advance(100, token, counting.SaveDelivery("http://a.example/", done))
			f.deliveries(100, map[string]counting.Delivery{"http://a.example/": done})
		}},
		{"deliveries are stored by window and endpoint", open, func(f *fixture) {
			first, second := f.claim(100, "a"), f.claim(101, "a")
			one, two, three := counting.Delivery{Attempts: 1}, counting.Delivery{Attempts: 2, Status: 410, Final: true}, counting.Delivery{Attempts: 3, Status: 200, Final: true}
			f.advance(100, first, counting.SaveDelivery("http://a.example/", one))
			f.advance(100, first, counting.SaveDelivery("http://a.example/?q=1", two))
			f.advance(101, second, counting.SaveDelivery("http://a.example/", three))
			f.deliveries(100, map[string]counting.Delivery{"http://a.example/": one, "http://a.example/?q=1": two})
			f.deliveries(101, map[string]counting.Delivery{"http://a.example/": three})
		}},
		{"the newest entries come first, at most the limit", open, func(f *fixture) {
			for _, w := range []counting.Window{9, 100, 2, 255, 256, 11, 99} {
				f.claim(w, "a")
			}
			for limit, want := range [][]counting.Window{{}, {256}, {256, 255}, {256, 255, 100}} {
				f.newest(limit, want...)
			}
			f.newest(50, 256, 255, 100, 99, 11, 9, 2)
			f.advance(2, f.claim(2, "a"), counting.Renew(f.lease()))
			f.newest(1, 256)
		}},
		{"entries can be listed in steps", open, func(f *fixture) {
			windows := []counting.Window{1, 2, 5, 9, 100}
			for _, w := range windows {
				f.claim(w, "a")
			}
			slices.Reverse(windows)
			for _, limit := range []int{1, 2, 3, 9} {
				var got []counting.Window
				for before := counting.Window(101); ; before = got[len(got)-1] {
					some := check.Value(f.node.Entries(f.Context(), before, limit))(f)
					if len(some) == 0 {
						break
					}
					for _, e := range some {
						got = append(got, e.Window)
					}
				}
				equalSlices(f, "entries in steps", got, windows)
			}
			for before, want := range map[counting.Window]int{-5: 0, 1: 0, 2: 1, 4: 2, 100: 4} {
				equal(f, "entries before a window", len(check.Value(f.node.Entries(f.Context(), before, 10))(f)), want)
			}
		}},
		{"Entries and Entry return the same", open, func(f *fixture) {
			f.finish(100, "a", 7)
			token := f.claim(101, "a")
			f.advance(101, token, counting.Record(8))
			entries := check.Value(f.node.Entries(f.Context(), math.MaxInt64, 10))(f)
			equal(f, "entries", len(entries), 2)
			for _, e := range entries {
				f.entry(e.Window, e)
			}
		}},
	}
}

func (f *fixture) newest(limit int, want ...counting.Window) {
	f.Helper()
	entries := check.Value(f.node.Entries(f.Context(), math.MaxInt64, limit))(f)
	var got []counting.Window
	for _, e := range entries {
		got = append(got, e.Window)
	}
	equalSlices(f, "entries", got, want)
}

// finished is the entry that finish leaves.
func finished(count int64) counting.Entry {
	totals := counting.DeliveryTotals{Endpoints: 1, Delivered: 1}
	return counting.Entry{State: counting.Done, Count: count, Sink: "queue", Deliveries: totals}
}
