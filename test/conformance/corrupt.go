package conformance

import (
	"math"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func corruptCases() []testCase {
	return []testCase{
		{"a corrupt page is refused alone", open, func(f *fixture) {
			f.corruptPage(f.at("bad"))
			b := f.batch(f.visit("home", 1), f.visit("bad", 1), f.visit("about", 1))
			f.apply(b, refusal(1, counting.Corrupt))
			f.duplicate(b, refusal(1, counting.Corrupt))
			f.visits("home", 1)
			f.visits("about", 1)
		}},
		{"a corrupt page can't be read, others can", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 1), f.visit("about", 2)))
			f.corruptPage(f.at("bad"))
			got := check.Value(f.node.Read(f.Context(), counting.Expected{Epoch: 1}, []counting.Located{f.at("home"), f.at("bad"), f.at("about")}))(f)
			equal(f, "tallies", len(got), 3)
			mustBe(f, got[1].Err, counting.Corrupt)
			equal(f, "tally before it", got[0], counting.Tally{Visits: 1})
			equal(f, "tally after it", got[2], counting.Tally{Visits: 2})
		}},
		{"a corrupt window refuses its ids alone", open, func(f *fixture) {
			f.corruptWindow(f.window())
			b := f.idBatch(f.idEvent(1, ""), f.idEvent(2, "http://e.example/"))
			b.Visits = []counting.Visit{f.visit("home", 1)}
			f.apply(b, refusal(1, counting.Corrupt), refusal(2, counting.Corrupt))
			f.visits("home", 1)
		}},
		{"a corrupt window has no number and no endpoints, and leaves others alone", open, func(f *fixture) {
			w := f.window()
			f.corruptWindow(w)
			mustBe(f, check.Err(f.node.Distinct(f.Context(), w)), counting.Corrupt)
			next := f.pass(w)
			f.apply(f.idBatch(f.idEvent(1, "http://a.example/"), f.idEvent(2, "")))
			f.pass(next)
			equal(f, "sealed number of the one before", f.seal(w-1), 0)
			equal(f, "sealed number of a later one", f.seal(next), 2)
			f.endpoints(next, "http://a.example/")
			mustBe(f, check.Err(f.node.Seal(f.Context(), w, 0, AnyTime())), counting.Corrupt)
			mustBe(f, check.Err(f.node.Endpoints(f.Context(), w)), counting.Corrupt)
		}},
		{"a corrupt window can be retired and is forgotten", timed, func(f *fixture) {
			w := f.window()
			f.corruptWindow(w)
			f.pass(w)
			check.Must(f, f.node.Retire(f.Context(), w))
			f.later(11 * time.Minute)
			f.distinct(w, 0)
		}},
		{"a corrupt entry can't be claimed, changed or read", open, func(f *fixture) {
			token := f.claim(100, "a")
			f.corruptEntry(100)
			mustBe(f, check.Err(f.node.Claim(f.Context(), 100, "a", f.lease())), counting.Corrupt)
			for _, step := range everyStep(counting.Delivery{Attempts: 1}) {
				f.refuseStep(100, token, step, counting.Corrupt)
			}
			mustBe(f, check.Err(f.node.Entry(f.Context(), 100)), counting.Corrupt)
		}},
		{"a corrupt entry is listed as damaged, and leaves others alone", open, func(f *fixture) {
			f.claim(101, "a")
			f.corruptEntry(100)
			f.finish(99, "a", 7)
			f.newest(2, 101, 100)
			f.newest(10, 101, 100, 99)
			f.finish(101, "a", 8)
			entries := check.Value(f.node.Entries(f.Context(), math.MaxInt64, 10))(f)
			equal(f, "the corrupt entry", entries[1], counting.Entry{Window: 100, State: counting.Damaged})
			f.entry(99, finished(7))
			f.entry(101, finished(8))
		}},
	}
}

func (f *fixture) corruptWindow(w counting.Window) {
	f.Helper()
	f.needs(f.CorruptWindow != nil, "nothing can be planted under a window")
	f.CorruptWindow(f.T, f.node, w)
}

func (f *fixture) corruptEntry(w counting.Window) {
	f.Helper()
	f.needs(f.CorruptEntry != nil, "nothing can be planted under an entry")
	f.CorruptEntry(f.T, f.node, w)
}

func (f *fixture) corruptPage(at counting.Located) {
	f.Helper()
	f.needs(f.CorruptPage != nil, "nothing can be planted under a page")
	f.CorruptPage(f.T, f.node, at)
}
