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
	mustBe(f, check.Err(f.node.Advance(f.Context(), w, token, step)), want)
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
		{"a window is open, sealed, published, done, and no step is left out or undone", open, func(f *fixture) {
			token := f.claim(100, "a")
			totals := counting.DeliveryTotals{Endpoints: 6, Delivered: 4, Failed: 2}
			record, publish, finish := counting.Record(7), counting.Publish("queue counts"), counting.Finish(totals)
			late := []counting.Step{counting.Record(9), counting.MarkLost(), counting.Publish("log"), counting.Finish(counting.DeliveryTotals{Failed: 9})}
			for _, at := range []struct {
				step    counting.Step
				want    counting.Entry
				ignored []counting.Step // they change nothing after the step
				refused []counting.Step // they need an earlier one
			}{
				{counting.Renew(f.lease()), counting.Entry{State: counting.Open}, nil, []counting.Step{publish, finish}},
				{record, counting.Entry{State: counting.Sealed, Count: 7}, late[:2], []counting.Step{finish}},
				{publish, counting.Entry{State: counting.Published, Count: 7, Sink: "queue counts"}, late[:3], nil},
				{finish, counting.Entry{State: counting.Done, Count: 7, Sink: "queue counts", Deliveries: totals}, late, nil},
			} {
				f.advance(100, token, at.step)
				for _, step := range at.ignored {
					f.advance(100, token, step)
				}
				for _, step := range at.refused {
					f.refuseStep(100, token, step, counting.ErrNotApplied)
				}
				f.entry(100, at.want)
			}
		}},
		{"the first recorded count wins, also if it is 0", open, func(f *fixture) {
			token := f.claim(100, "a")
			for _, count := range []int64{0, 9, 0} {
				equal(f, "recorded count", f.advance(100, token, counting.Record(count)).Count, 0)
			}
			f.elapse(f.lease())
			token = f.claim(100, "b")
			equal(f, "recorded count", f.advance(100, token, counting.Record(3)).Count, 0)
			f.entry(100, counting.Entry{State: counting.Sealed})
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
		{"the last delivery of each window and endpoint is stored", open, func(f *fixture) {
			first, second := f.claim(100, "a"), f.claim(101, "a")
			one, two, three := counting.Delivery{Attempts: 1, Status: 503}, counting.Delivery{Attempts: 2, Status: 503, Final: true, Reason: "limited"}, counting.Delivery{Attempts: 3, Status: 200, Final: true}
			f.advance(100, first, counting.SaveDelivery("http://a.example/", one))
			f.deliveries(100, map[string]counting.Delivery{"http://a.example/": one})
			f.advance(100, first, counting.SaveDelivery("http://a.example/", three))
			f.advance(100, first, counting.SaveDelivery("http://a.example/?q=1", two))
			f.advance(101, second, counting.SaveDelivery("http://a.example/", one))
			f.deliveries(100, map[string]counting.Delivery{"http://a.example/": three, "http://a.example/?q=1": two})
			f.deliveries(101, map[string]counting.Delivery{"http://a.example/": one})
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
	}
}

// newest checks which entries are listed, and that each is the one that Entry returns.
func (f *fixture) newest(limit int, want ...counting.Window) {
	f.Helper()
	entries := check.Value(f.node.Entries(f.Context(), math.MaxInt64, limit))(f)
	var got []counting.Window
	for _, e := range entries {
		got = append(got, e.Window)
		if e.State != counting.Damaged {
			f.entry(e.Window, e)
		}
	}
	equalSlices(f, "entries", got, want)
}

// finished is the entry that finish leaves.
func finished(count int64) counting.Entry {
	totals := counting.DeliveryTotals{Endpoints: 1, Delivered: 1}
	return counting.Entry{State: counting.Done, Count: count, Sink: "queue", Deliveries: totals}
}
