package conformance

import (
	"math"
	"slices"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func windowCases() []testCase {
	return []testCase{
		{"Heartbeat makes the current window a waiting one, also when it is sealed", open, func(f *fixture) {
			w := f.window()
			a := f.heartbeat()
			equal(f, "current window", a.Current, w)
			for _, waits := range a.Waiting {
				if waits >= w {
					f.Fatalf("window %d waits, though %d is the current one", waits, w)
				}
			}
			f.pass(w)
			for range 2 {
				a = f.heartbeat()
				equal(f, "newest waiting window", a.Waiting[len(a.Waiting)-1], w)
				equal(f, "sealed number", f.seal(w), 0)
			}
		}},
		{"waiting windows are in ascending order", timed, func(f *fixture) {
			w := f.window()
			for range 3 {
				f.elapse(2 * time.Duration(f.length()))
				f.current()
			}
			f.elapse(2 * time.Duration(f.length()))
			f.waiting(w, w+2, w+4, w+6)
		}},
		{"the oldest 100 waiting windows are listed", timed, func(f *fixture) {
			w := f.window()
			var want []counting.Window
			for i := range counting.Window(105) {
				f.current()
				f.elapse(time.Duration(f.length()))
				if i < counting.MaxWaiting {
					want = append(want, w+i)
				}
			}
			f.waiting(want...)
			check.Must(f, f.node.Retire(f.Context(), w))
			f.waiting(append(want[1:], w+counting.MaxWaiting)...)
		}},
		{"all waiting windows can be listed in steps, newest first", timed, func(f *fixture) {
			w := f.window()
			var want []counting.Window
			for i := range counting.Window(105) {
				f.current()
				want = append([]counting.Window{w + i}, want...)
				f.elapse(time.Duration(f.length()))
			}
			check.Must(f, f.node.Retire(f.Context(), w+1))
			want = append(want[:103], w)
			for _, limit := range []int{1, 2, 13, 103, 104, 1001} {
				var got []counting.Window
				for before := counting.Window(math.MaxInt64); ; before = got[len(got)-1] {
					some := check.Value(f.node.Waiting(f.Context(), before, limit))(f)
					got = append(got, some...)
					if len(some) < limit {
						break
					}
				}
				equalSlices(f, "waiting windows in steps", got, want)
			}
			for before, n := range map[counting.Window]int{w: 0, w + 1: 1, w + 2: 1, w + 3: 2} {
				equal(f, "waiting windows before one", len(check.Value(f.node.Waiting(f.Context(), before, 10))(f)), n)
			}
			equal(f, "waiting windows of none", len(check.Value(f.node.Waiting(f.Context(), math.MaxInt64, 0))(f)), 0)
		}},
		{"an unknown window has no ids and no endpoints", open, func(f *fixture) {
			w := f.current()
			for _, unseen := range []counting.Window{w - 10, w + 10, 0} {
				f.distinct(unseen, 0)
				f.endpoints(unseen)
			}
		}},
		{"Retire may be repeated and leaves other windows alone", timed, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			f.pass(w)
			f.addIDs(1)
			f.pass(w + 1)
			f.waiting(w, w+1)
			for range 2 {
				check.Must(f, f.node.Retire(f.Context(), w))
				check.Must(f, f.node.Retire(f.Context(), w-50))
				f.waiting(w + 1)
			}
		}},
		{"a retired window is waiting no more, and has its ids for a while", open, func(f *fixture) {
			w := f.window()
			f.apply(f.idBatch(f.idEvent(1, "http://a.example/")))
			f.pass(w)
			f.seal(w)
			check.Must(f, f.node.Retire(f.Context(), w))
			if waiting := f.heartbeat().Waiting; slices.Contains(waiting, w) {
				f.Fatalf("the retired window %d waits: %v", w, waiting)
			}
			equal(f, "sealed number", f.seal(w), 1)
			f.distinct(w, 1)
			f.endpoints(w, "http://a.example/")
		}},
		// The window was abandoned before it was sealed.
		{"no id goes to a retired window", timed, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			f.pass(w)
			check.Must(f, f.node.Retire(f.Context(), w))
			f.elapse(-time.Duration(f.length()))
			f.addIDs(2)
			f.distinct(w, 1)
			f.distinct(w+1, 1)
		}},
	}
}
