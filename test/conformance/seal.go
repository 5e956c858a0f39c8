package conformance

import (
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func sealCases() []testCase {
	return []testCase{
		{"a window can't be sealed before it has ended and its grace is over", open, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			mustBe(f, check.Err(f.node.Seal(f.Context(), w, 0, AnyTime())), counting.ErrTooEarly)
			mustBe(f, check.Err(f.node.Seal(f.Context(), w+1, 0, AnyTime())), counting.ErrTooEarly)
			f.addIDs(2)
			f.distinct(w, 2)
			f.pass(w)
			mustBe(f, check.Err(f.node.Seal(f.Context(), w, time.Hour, AnyTime())), counting.ErrTooEarly)
			if f.Advance == nil {
				return
			}
			f.elapse(time.Hour - time.Duration(f.length()))
			mustBe(f, check.Err(f.node.Seal(f.Context(), w, time.Hour, AnyTime())), counting.ErrTooEarly)
			f.elapse(time.Duration(f.length()))
			equal(f, "sealed number", check.Value(f.node.Seal(f.Context(), w, time.Hour, AnyTime()))(f), 2)
		}},
		{"the sealed number stays the same, and later ids go to the next window", open, func(f *fixture) {
			w := f.window()
			f.addIDs(1, 2, 3)
			next := f.pass(w)
			equal(f, "sealed number", f.seal(w), 3)
			f.addIDs(4, 5)
			f.distinct(next, 2)
			equal(f, "sealed number", f.seal(w), 3)
			equal(f, "sealed number, asked for with more grace", check.Value(f.node.Seal(f.Context(), w, 24*time.Hour, AnyTime()))(f), 3)
			f.distinct(w, 3)
		}},
		{"sealing an older window later opens nothing again", timed, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			f.pass(w)
			f.seal(w)
			equal(f, "sealed number of an older one", f.seal(w-4), 0)
			f.elapse(-time.Duration(f.length()))
			equal(f, "current window", f.current(), w+1)
			f.addIDs(2)
			f.distinct(w, 1)
		}},
		{"the sealed number of an unknown window is 0", open, func(f *fixture) {
			w := f.window()
			equal(f, "sealed number", f.seal(w-3), 0)
			equal(f, "sealed number", f.seal(w-3), 0)
			equal(f, "sealed number of an older one", f.seal(w-5), 0)
			f.addIDs(1)
			f.distinct(w-3, 0)
			f.distinct(w, 1)
		}},
		{"a sealed window waits until it is retired, also if it was unknown", timed, func(f *fixture) {
			w := f.window()
			f.elapse(3 * time.Duration(f.length()))
			f.seal(w + 1)
			f.waiting(w, w+1)
			check.Must(f, f.node.Retire(f.Context(), w+1))
			f.seal(w + 1)
			f.waiting(w)
		}},
		{"an unknown window is retired 7 days after its end", timed, func(f *fixture) {
			length := time.Duration(f.length())
			unseen := f.window() + 5
			f.elapse(5*length + counting.EntryLife)
			for range 2 {
				equal(f, "sealed number", f.seal(unseen), 0)
			}
			check.Must(f, f.node.Retire(f.Context(), unseen))
			f.elapse(length)
			for range 2 {
				mustBe(f, check.Err(f.node.Seal(f.Context(), unseen, 0, AnyTime())), counting.ErrRetired)
			}
		}},
		{"a forgotten window is retired when its entry is forgotten too", timed, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			next := f.pass(w)
			f.seal(w)
			check.Must(f, f.node.Retire(f.Context(), w))
			f.later(20 * time.Minute)
			f.later(7 * day)
			for range 2 {
				mustBe(f, check.Err(f.node.Seal(f.Context(), w, 0, AnyTime())), counting.ErrRetired)
			}
			equal(f, "sealed number of the one after it", f.seal(next), 0)
		}},
		{"a window that was sealed late has its number until it is forgotten", timed, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			f.later(8 * day)
			equal(f, "sealed number", f.seal(w), 1)
			check.Must(f, f.node.Retire(f.Context(), w))
			f.later(9 * time.Minute)
			equal(f, "sealed number", f.seal(w), 1)
			f.later(2 * time.Minute)
			mustBe(f, check.Err(f.node.Seal(f.Context(), w, 0, AnyTime())), counting.ErrRetired)
		}},
	}
}
