package conformance

import (
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

const day = 24 * time.Hour

func retentionCases() []testCase {
	return []testCase{
		{"a session is forgotten 7 days after its last batch", open, func(f *fixture) {
			b := f.batch(f.visit("home", 1))
			f.apply(b)
			f.later(7*day - time.Minute)
			f.duplicate(b)
			f.later(2 * time.Hour) // a node may look once an hour
			f.expect(1, &counting.GapError{Last: 0})
			f.gap(f.batch(), 0)
			f.visits("home", 1)
		}},
		{"a session that sends is kept", open, func(f *fixture) {
			for range 5 {
				f.apply(f.batch(f.visit("home", 1)))
				f.later(6 * day)
			}
			f.apply(f.batch(f.visit("home", 1)))
			f.visits("home", 6)
		}},
		{"ids and endpoints are forgotten 10 minutes after Retire", timed, func(f *fixture) {
			w := f.window()
			f.apply(f.idBatch(f.idEvent(1, "http://a.example/")))
			f.pass(w)
			f.seal(w)
			check.Must(f, f.node.Retire(f.Context(), w))
			f.later(9 * time.Minute)
			f.distinct(w, 1)
			f.endpoints(w, "http://a.example/")
			check.Must(f, f.node.Retire(f.Context(), w)) // a repetition starts no time again
			f.later(2 * time.Minute)
			f.distinct(w, 0)
			f.endpoints(w)
		}},
		{"a waiting window is kept, and not retired by time alone", timed, func(f *fixture) {
			w := f.window()
			f.apply(f.idBatch(f.idEvent(1, "http://a.example/")))
			empty := f.pass(w)
			for range 3 {
				f.later(5 * day)
			}
			f.distinct(w, 1)
			f.endpoints(w, "http://a.example/")
			equal(f, "oldest waiting window", f.heartbeat().Waiting[0], w)
			for range 2 {
				equal(f, "sealed number", f.seal(w), 1)
				equal(f, "sealed number of one without ids", f.seal(empty), 0)
			}
		}},
		{"a forgotten window takes no ids when the clock steps back", timed, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			f.pass(w)
			f.seal(w)
			check.Must(f, f.node.Retire(f.Context(), w))
			f.later(20 * time.Minute)
			f.distinct(w, 0)
			f.elapse(-20*time.Minute - time.Duration(f.length()))
			equal(f, "current window", f.current(), w+1)
			f.addIDs(2)
			f.distinct(w, 0)
			f.distinct(w+1, 1)
		}},
		{"deliveries are forgotten 10 minutes after the window is done", open, func(f *fixture) {
			f.finish(100, "a", 7)
			kept := map[string]counting.Delivery{"http://a.example/": {Attempts: 1, Status: 204, Final: true}}
			f.later(9 * time.Minute)
			f.deliveries(100, kept)
			f.later(2 * time.Minute)
			f.deliveries(100, nil)
			f.entry(100, finished(7))
		}},
		{"deliveries of a window that is not done are kept", open, func(f *fixture) {
			delivery := counting.Delivery{Attempts: 1}
			f.advance(100, f.claim(100, "a"), counting.SaveDelivery("http://a.example/", delivery))
			f.later(day)
			f.deliveries(100, map[string]counting.Delivery{"http://a.example/": delivery})
		}},
		{"an entry is forgotten 7 days after its last change", open, func(f *fixture) {
			f.finish(100, "a", 7)
			token := f.claim(101, "a")
			f.advance(101, token, counting.SaveDelivery("http://a.example/", counting.Delivery{Attempts: 1}))
			f.later(4 * day)
			f.advance(101, token, counting.Record(8))
			f.later(3*day - time.Minute)
			f.newest(10, 101, 100)
			f.later(2 * time.Minute)
			f.newest(10, 101)
			f.entry(100, counting.Entry{State: counting.Open})
			f.later(4 * day)
			f.newest(10)
			f.deliveries(101, nil)
		}},
		{"counts are kept", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 3)))
			for range 3 {
				f.later(100 * day)
			}
			f.visits("home", 3)
		}},
	}
}

// later lets time pass and the node forget.
func (f *fixture) later(d time.Duration) {
	f.Helper()
	f.needsClock()
	f.elapse(d)
	f.current()
}
