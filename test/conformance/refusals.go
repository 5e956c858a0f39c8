package conformance

import (
	"math"

	"footfall/domain/counting"
)

// most is the highest count.
const most = math.MaxInt64

func refusalCases() []testCase {
	return []testCase{
		{"a visit that would overflow is refused alone", open, func(f *fixture) {
			f.apply(f.batch(f.visit("full", most-1)))
			f.apply(f.batch(f.visit("home", 1), f.visit("full", 2), f.visit("about", 1)), refusal(1, counting.Overflow))
			f.visits("home", 1)
			f.visits("about", 1)
			f.visits("full", most-1)
			f.apply(f.batch(f.visit("full", 1), f.visit("full", 1)), refusal(1, counting.Overflow))
			f.visits("full", most)
		}},
		{"an id with one endpoint too many is refused alone", open, func(f *fixture) {
			w := f.window()
			b := f.idBatch(
				f.idEvent(1, "http://a.example/"), f.idEvent(2, "http://b.example/"),
				f.idEvent(3, "http://c.example/"), // one too many: neither is kept
				f.idEvent(4, "http://a.example/"), // known
				f.idEvent(5, ""),
			)
			b.EndpointLimit = 2
			f.apply(b, refusal(2, counting.EndpointLimit))
			f.duplicate(b, refusal(2, counting.EndpointLimit))
			again := f.idBatch(f.idEvent(6, "http://c.example/"), f.idEvent(7, "http://b.example/"))
			again.EndpointLimit = 2
			f.apply(again, refusal(0, counting.EndpointLimit))
			f.distinct(w, 5)
			f.endpoints(w, "http://a.example/", "http://b.example/")
		}},
		{"the endpoint limit is for one window", open, func(f *fixture) {
			w := f.window()
			b := f.idBatch(f.idEvent(1, "http://a.example/"))
			b.EndpointLimit = 1
			f.apply(b)
			next := f.pass(w)
			b = f.idBatch(f.idEvent(1, "http://b.example/"))
			b.EndpointLimit = 1
			f.apply(b)
			f.endpoints(w, "http://a.example/")
			f.endpoints(next, "http://b.example/")
		}},
		{"an id by the table of another window is refused alone", open, func(f *fixture) {
			w := f.window()
			f.openRing(f.nextRing("second", w+2))
			old, newer := f.idEvent(1, ""), f.idEvent(2, "http://a.example/")
			old.Table, newer.Table = 1, 2
			f.apply(f.idBatch(old, newer), refusal(1, counting.WrongTable))
			f.distinct(w, 1)
			f.endpoints(w)
			after := f.pass(w + 1)
			f.apply(f.idBatch(old, newer), refusal(0, counting.WrongTable))
			f.distinct(after, 1)
			f.endpoints(after, "http://a.example/")
		}},
		{"refusals index visits first, then ids, then keyed visits", open, func(f *fixture) {
			w := f.window()
			f.apply(f.batch(f.visit("full", most)))
			b := f.idBatch(f.idEvent(1, ""), f.idEvent(2, "http://a.example/"))
			b.Visits = []counting.Visit{f.visit("home", 1), f.visit("full", 1)}
			b.EndpointLimit = 0 // only ids without endpoints are added
			b.Keyed, b.KeyLimit = []counting.KeyedVisit{f.keyed("a", "home", 1), f.keyed("b", "full", 1)}, 10
			want := []counting.Refusal{
				{Item: 1, Reason: counting.Overflow}, {Item: 3, Reason: counting.EndpointLimit}, {Item: 5, Reason: counting.Overflow},
			}
			f.apply(b, want...)
			f.duplicate(b, want...)
			f.visits("home", 2)
			f.distinct(w, 1)
			f.endpoints(w)
		}},
	}
}
