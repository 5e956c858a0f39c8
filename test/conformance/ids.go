package conformance

import (
	"math"
	"strings"
	"time"

	"footfall/domain/counting"
)

func idCases() []testCase {
	return []testCase{
		{"ids are counted once in the current window", open, func(f *fixture) {
			w := f.window()
			f.addIDs(1, 2, 2, 3)
			f.addIDs(3, 4)
			f.distinct(w-1, 0)
			f.distinct(w, 4)
			f.distinct(w+1, 0)
			next := f.pass(w)
			f.addIDs(1, 2)
			f.distinct(w, 4)
			f.distinct(next, 2)
		}},
		{"every 64-bit number is an id", open, func(f *fixture) {
			w := f.window()
			ids := []counting.ID{0, 1, -1, math.MaxInt64, math.MinInt64, 1 << 53, 1<<53 + 1, math.MaxInt64 - 1, math.MinInt64 + 1}
			f.addIDs(ids...)
			f.addIDs(ids...)
			f.distinct(w, int64(len(ids)))
		}},
		{"a repeated batch of ids adds nothing to a later window", open, func(f *fixture) {
			w := f.window()
			b := f.idBatch(f.idEvent(1, "http://a.example/"))
			f.apply(b)
			next := f.pass(w)
			f.duplicate(b)
			f.distinct(w, 1)
			f.distinct(next, 0)
			f.endpoints(next)
		}},
		// No heartbeat comes in the window of the id.
		{"an id makes its window a waiting one", timed, func(f *fixture) {
			w := f.window()
			f.elapse(3 * time.Duration(f.length()))
			f.addIDs(1)
			f.elapse(3 * time.Duration(f.length()))
			f.waiting(w, w+3)
		}},
		{"endpoints are distinct, and a known id may add one", open, func(f *fixture) {
			w := f.window()
			long := "http://a.example/" + strings.Repeat("x", 2000) + "?q=%20&x=%C3%A9"
			f.apply(f.idBatch(f.idEvent(1, "http://a.example/"), f.idEvent(2, "http://a.example/"), f.idEvent(3, "")))
			f.apply(f.idBatch(f.idEvent(4, "http://a.example/"), f.idEvent(3, long)))
			f.endpoints(w, "http://a.example/", long)
			f.distinct(w, 4)
		}},
		{"no window opens again when the clock steps back", timed, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			f.pass(w)
			equal(f, "sealed number", f.seal(w), 1)
			f.elapse(-time.Duration(f.length()))
			for range 2 {
				equal(f, "current window", f.current(), w+1)
				f.addIDs(2)
				f.distinct(w, 1)
				f.distinct(w+1, 1)
				equal(f, "sealed number", f.seal(w), 1)
				if f.Reopen != nil { // the second round is on what was stored
					f.reopen()
				}
			}
		}},
		{"thousands of ids are counted exactly", timed, func(f *fixture) {
			const batches, size = 20, 250
			w := f.window()
			for i := range batches {
				var events []counting.IDEvent
				for j := range size {
					// Every id comes in two batches, and far from its neighbours.
					id := counting.ID(uint64((i/2)*size+j) * 0x9e3779b97f4a7c15)
					events = append(events, f.idEvent(id, ""))
				}
				f.apply(f.idBatch(events...))
			}
			f.distinct(w, batches/2*size)
		}},
	}
}
