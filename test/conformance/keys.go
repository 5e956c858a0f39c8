package conformance

import (
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func keyCases() []testCase {
	return []testCase{
		{"visits with a key are added once", open, func(f *fixture) {
			b := f.keyBatch(keyed(requestKey("a"), f.visit("home", 3)), keyed(requestKey("b"), f.visit("home", 4)))
			f.apply(b)
			f.duplicate(b)
			for range 3 {
				f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 3))))
			}
			f.visits("home", 7)
		}},
		{"a key is known in other sessions and epochs", open, func(f *fixture) {
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 1))))
			f.openRing(f.next("second"))
			b := f.keyBatch(keyed(requestKey("a"), f.visit("home", 1)))
			b.Session, b.Seq = "session-b", 1
			f.apply(b)
			f.visits("home", 1)
		}},
		{"the same key with another payload is refused alone", open, func(f *fixture) {
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 1))))
			b := f.keyBatch(keyed(otherPayload(requestKey("a")), f.visit("home", 1)), keyed(requestKey("b"), f.visit("home", 10)))
			f.apply(b, refusal(0, counting.KeyReused))
			f.duplicate(b, refusal(0, counting.KeyReused))
			f.visits("home", 11)
		}},
		{"a key belongs to its arc", open, func(f *fixture) {
			v := f.visit("home", 1)
			elsewhere := v
			elsewhere.Arc++
			elsewhere.Page = "elsewhere"
			f.apply(f.keyBatch(keyed(requestKey("a"), v), keyed(requestKey("a"), elsewhere)))
			f.tallies([]counting.Visit{v, elsewhere})
		}},
		{"a key without visits is kept alone", open, func(f *fixture) {
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 0))))
			f.visits("home", 0)
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 0)), keyed(otherPayload(requestKey("a")), f.visit("home", 0))),
				refusal(1, counting.KeyReused))
		}},
		{"a key in one batch twice counts once", open, func(f *fixture) {
			v := f.visit("home", 1)
			f.apply(f.keyBatch(keyed(requestKey("a"), v), keyed(requestKey("a"), v), keyed(otherPayload(requestKey("a")), v)),
				refusal(2, counting.KeyReused))
			f.visits("home", 1)
		}},
		{"what could not be added leaves no key", open, func(f *fixture) {
			f.apply(f.batch(f.visit("full", most)))
			for range 2 { // with a key that was kept the second one would be applied
				f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("full", 1))), refusal(0, counting.Overflow))
			}
			f.apply(f.keyBatch(keyed(otherPayload(requestKey("a")), f.visit("full", 0))))
			if f.CorruptPage == nil {
				return
			}
			f.corruptPage(f.at("bad"))
			for range 2 {
				f.apply(f.keyBatch(keyed(requestKey("b"), f.visit("bad", 1))), refusal(0, counting.Corrupt))
			}
		}},
		{"refusals of what is keyed follow the others", open, func(f *fixture) {
			f.apply(f.batch(f.visit("full", most)))
			b := f.idBatch(f.idEvent(1, ""), f.idEvent(2, "http://a.example/"))
			b.Visits = []counting.Visit{f.visit("home", 1), f.visit("full", 1)}
			b.EndpointLimit = 0
			b.Keyed, b.KeyLimit = []counting.KeyedVisit{keyed(requestKey("a"), f.visit("home", 1)), keyed(requestKey("b"), f.visit("full", 1))}, 10
			want := []counting.Refusal{
				{Item: 1, Reason: counting.Overflow}, {Item: 3, Reason: counting.EndpointLimit}, {Item: 5, Reason: counting.Overflow},
			}
			f.apply(b, want...)
			f.duplicate(b, want...)
			f.visits("home", 2)
		}},
		{"beyond the limit a new key is refused and a known one is not", open, func(f *fixture) {
			b := f.keyBatch(keyed(requestKey("a"), f.visit("home", 1)), keyed(requestKey("b"), f.visit("about", 1)), keyed(requestKey("c"), f.visit("home", 1)))
			b.KeyLimit = 2
			f.apply(b, refusal(2, counting.KeyLimit))
			b = f.keyBatch(keyed(requestKey("a"), f.visit("home", 1)), keyed(requestKey("d"), f.visit("home", 1)))
			b.KeyLimit = 2
			f.apply(b, refusal(1, counting.KeyLimit))
			b = f.keyBatch(keyed(requestKey("d"), f.visit("home", 1)))
			b.KeyLimit = 3
			f.apply(b)
			f.visits("home", 2)
		}},
		{"the keys that count for the limit are told", open, func(f *fixture) {
			f.keys(0)
			b := f.keyBatch(keyed(requestKey("a"), f.visit("home", 1)), keyed(requestKey("b"), f.visit("home", 0)), keyed(requestKey("c"), f.visit("home", 1)))
			b.KeyLimit = 2
			f.apply(b, refusal(2, counting.KeyLimit))
			f.keys(2)
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 1)), keyed(otherPayload(requestKey("b")), f.visit("home", 1))),
				refusal(1, counting.KeyReused))
			f.keys(2)
			f.later(day)
			f.apply(f.keyBatch(keyed(requestKey("d"), f.visit("home", 1))))
			f.keys(3)
			f.later(day)
			f.keys(1)
			f.later(day)
			f.keys(0)
		}},
		{"a key survives", open, func(f *fixture) {
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 1))))
			f.reopen()
			b := f.keyBatch(keyed(requestKey("a"), f.visit("home", 1)), keyed(requestKey("b"), f.visit("home", 1)))
			b.KeyLimit = 1
			f.apply(b, refusal(1, counting.KeyLimit))
			f.visits("home", 1)
		}},
		{"a key is kept for a day and forgotten after two", open, func(f *fixture) {
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 1))))
			f.later(day)
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 1))))
			f.visits("home", 1)
			f.later(day)
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 1))))
			f.visits("home", 2)
			f.later(6 * day)
			f.apply(f.keyBatch(keyed(otherPayload(requestKey("a")), f.visit("home", 1))))
			f.visits("home", 3)
		}},
		{"a forgotten key makes room", open, func(f *fixture) {
			apply := func(name string, want ...counting.Refusal) {
				f.Helper()
				b := f.keyBatch(keyed(requestKey(name), f.visit("home", 1)))
				b.KeyLimit = 1
				f.apply(b, want...)
			}
			apply("a")
			f.later(day)
			apply("b", refusal(0, counting.KeyLimit))
			f.later(day)
			apply("b")
		}},
		{"a clock that is set back forgets no key", timed, func(f *fixture) {
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 1))))
			f.elapse(-day + time.Minute)
			f.apply(f.keyBatch(keyed(requestKey("a"), f.visit("home", 1))))
			f.visits("home", 1)
		}},
	}
}

func requestKey(name string) counting.RequestKey {
	k, err := counting.ParseKey(name)
	if err != nil {
		panic(err)
	}
	return counting.RequestKey{Key: k, Print: counting.FingerprintOf("test", []byte("payload"))}
}

// otherPayload is the same key with another payload.
func otherPayload(o counting.RequestKey) counting.RequestKey {
	o.Print = counting.FingerprintOf("test", []byte("other"))
	return o
}

func keyed(o counting.RequestKey, v counting.Visit) counting.KeyedVisit {
	return counting.KeyedVisit{Visit: v, RequestKey: o}
}

// keyBatch is the next one of the stand's session.
func (f *fixture) keyBatch(items ...counting.KeyedVisit) *counting.Batch {
	b := f.batch()
	b.Keyed, b.KeyLimit = items, 1000
	return b
}

// keys wants the pulse to tell so many keys.
func (f *fixture) keys(want int) {
	f.Helper()
	got := check.Value(f.node.RingSummary(f.Context()))(f)
	equal(f, "keys in the pulse", got.Keys, want)
}
