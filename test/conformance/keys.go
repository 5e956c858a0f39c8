package conformance

import (
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func keyCases() []testCase {
	return []testCase{
		{"visits with a key are added once", open, func(f *fixture) {
			b := f.keyBatch(f.keyed("a", "home", 3), f.keyed("b", "home", 4))
			f.apply(b)
			f.duplicate(b)
			for range 3 {
				f.apply(f.keyBatch(f.keyed("a", "home", 3)))
			}
			f.visits("home", 7)
		}},
		{"a key is known in other sessions and epochs", open, func(f *fixture) {
			f.apply(f.keyBatch(f.keyed("a", "home", 1)))
			f.openRing(f.next("second"))
			b := f.keyBatch(f.keyed("a", "home", 1))
			b.Session, b.Seq = "session-b", 1
			f.apply(b)
			f.visits("home", 1)
		}},
		{"the same key with another payload is refused alone", open, func(f *fixture) {
			f.apply(f.keyBatch(f.keyed("a", "home", 1)))
			b := f.keyBatch(keyed(otherPayload(requestKey("a")), f.visit("home", 1)), f.keyed("b", "home", 10))
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
		{"a key without visits is stored", open, func(f *fixture) {
			f.apply(f.keyBatch(f.keyed("a", "home", 0)))
			f.visits("home", 0)
			f.apply(f.keyBatch(f.keyed("a", "home", 0), keyed(otherPayload(requestKey("a")), f.visit("home", 0))),
				refusal(1, counting.KeyReused))
		}},
		{"a key twice in one batch counts once", open, func(f *fixture) {
			v := f.visit("home", 1)
			f.apply(f.keyBatch(keyed(requestKey("a"), v), keyed(requestKey("a"), v), keyed(otherPayload(requestKey("a")), v)),
				refusal(2, counting.KeyReused))
			f.visits("home", 1)
		}},
		{"an item that could not be added leaves no key", open, func(f *fixture) {
			f.apply(f.batch(f.visit("full", most)))
			for range 2 { // with a key that was kept the second one would be applied
				f.apply(f.keyBatch(f.keyed("a", "full", 1)), refusal(0, counting.Overflow))
			}
			f.apply(f.keyBatch(keyed(otherPayload(requestKey("a")), f.visit("full", 0))))
			if f.CorruptPage == nil {
				return
			}
			f.corruptPage(f.at("bad"))
			for range 2 {
				f.apply(f.keyBatch(f.keyed("b", "bad", 1)), refusal(0, counting.Corrupt))
			}
		}},
		{"beyond the limit a new request is refused and a known one is not", open, func(f *fixture) {
			f.apply(f.limited(2, f.keyed("a", "home", 0), f.keyed("b", "about", 0), f.keyed("c", "home", 0)), refusal(2, counting.KeyLimit))
			f.apply(f.limited(2, f.keyed("a", "home", 0), f.keyed("d", "home", 0)), refusal(1, counting.KeyLimit))
			f.apply(f.limited(3, f.keyed("d", "home", 0)))
			f.apply(f.limited(0, f.keyed("e", "home", 0)), refusal(0, counting.KeyLimit))
		}},
		{"the limit counts requests and refuses none of their items", open, func(f *fixture) {
			f.apply(f.limited(1, f.keyed("a", "home", 0), f.keyed("b", "home", 1), f.keyed("c", "about", 1), f.keyed("d", "home", 0)), refusal(3, counting.KeyLimit))
			f.apply(f.limited(1, f.keyed("e", "home", 1)))
			f.visits("home", 2)
			f.keys(1, 4)
		}},
		{"the limit of records counts items and refuses requests alone", open, func(f *fixture) {
			b := f.keyBatch(f.keyed("a", "home", 0), f.keyed("b", "home", 1), f.keyed("c", "home", 0), f.keyed("d", "home", 0), f.keyed("e", "home", 1), f.keyed("a", "home", 0))
			b.RecordLimit = 3
			f.apply(b, refusal(3, counting.KeyLimit))
			f.visits("home", 2)
			f.keys(2, 4)
		}},
		{"the summary has the numbers of keys and their oldest day", open, func(f *fixture) {
			f.keys(0, 0)
			f.apply(f.limited(1, f.keyed("a", "home", 1), f.keyed("b", "home", 0), f.keyed("c", "home", 0)), refusal(2, counting.KeyLimit))
			first := f.keys(1, 2)
			f.apply(f.keyBatch(f.keyed("a", "home", 1), keyed(otherPayload(requestKey("b")), f.visit("home", 1))),
				refusal(1, counting.KeyReused))
			f.keys(1, 2)
			f.later(day)
			f.apply(f.keyBatch(f.keyed("d", "home", 0)))
			equal(f, "the oldest day of the next day", f.keys(2, 3), first)
			f.later(day)
			equal(f, "the oldest day of the second day", f.keys(1, 1), first+1)
			f.later(day)
			f.keys(0, 0)
		}},
		{"a key survives a restart", open, func(f *fixture) {
			f.apply(f.keyBatch(f.keyed("a", "home", 1)))
			f.reopen()
			f.apply(f.keyBatch(f.keyed("a", "home", 1)))
			f.visits("home", 1)
		}},
		{"the limit survives a restart", open, func(f *fixture) {
			f.apply(f.keyBatch(f.keyed("a", "home", 0)))
			f.reopen()
			f.apply(f.limited(1, f.keyed("a", "home", 0), f.keyed("b", "home", 0)), refusal(1, counting.KeyLimit))
		}},
		{"a key is kept for a day and forgotten after two", open, func(f *fixture) {
			f.apply(f.keyBatch(f.keyed("a", "home", 1)))
			f.later(day)
			f.apply(f.keyBatch(f.keyed("a", "home", 1)))
			f.visits("home", 1)
			f.later(day)
			f.apply(f.keyBatch(f.keyed("a", "home", 1)))
			f.visits("home", 2)
			f.later(6 * day)
			f.apply(f.keyBatch(keyed(otherPayload(requestKey("a")), f.visit("home", 1))))
			f.visits("home", 3)
		}},
		{"a forgotten key makes room", open, func(f *fixture) {
			apply := func(name string, want ...counting.Refusal) {
				f.Helper()
				f.apply(f.limited(1, f.keyed(name, "home", 0)), want...)
			}
			apply("a")
			f.later(day)
			apply("b", refusal(0, counting.KeyLimit))
			f.later(day)
			apply("b")
		}},
		{"no key is forgotten when the clock steps back", timed, func(f *fixture) {
			f.apply(f.keyBatch(f.keyed("a", "home", 1)))
			f.elapse(-day + time.Minute)
			f.apply(f.keyBatch(f.keyed("a", "home", 1)))
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

// keyBatch is the next one of the fixture's session.
func (f *fixture) keyBatch(items ...counting.KeyedVisit) *counting.Batch {
	b := f.batch()
	b.Keyed, b.KeyLimit = items, 1000
	return b
}

// keys checks the numbers of keys in the summary, and returns their oldest day.
func (f *fixture) keys(requests, records int) counting.Day {
	f.Helper()
	got := check.Value(f.node.RingSummary(f.Context()))(f).Keys
	equal(f, "keys in the summary", got, sharding.Keys{Requests: requests, Records: records, Oldest: got.Oldest})
	return got.Oldest
}

// limited is a keyBatch with a limit of keys.
func (f *fixture) limited(limit int, items ...counting.KeyedVisit) *counting.Batch {
	b := f.keyBatch(items...)
	b.KeyLimit = limit
	return b
}

// keyed are visits with the key of a name.
func (f *fixture) keyed(name string, page counting.Page, count int64) counting.KeyedVisit {
	return keyed(requestKey(name), f.visit(page, count))
}
