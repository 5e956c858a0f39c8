package conformance

import (
	"footfall/domain/counting"
	"footfall/test/check"
)

func setCountCases() []testCase {
	return []testCase{
		{"a page is set, after all else in the batch", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 7)))
			f.apply(f.setBatch(f.setCount("home", 3), f.setCount("new", most), f.setCount("none", 0), f.setCount("twice", 1), f.setCount("twice", 2)))
			f.visits("home", 3)
			f.visits("new", most)
			f.visits("none", 0)
			f.visits("twice", 2)
			b := f.batch(f.visit("home", 5), f.visit("new", 1))
			b.SetCounts = []counting.SetCount{f.setCount("home", 1)}
			f.apply(b, refusal(1, counting.Overflow))
			f.visits("home", 1)
			f.apply(f.batch(f.visit("home", 1)))
			f.visits("home", 2)
		}},
		{"a page is deleted", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 7), f.visit("about", 1)))
			f.apply(f.setBatch(f.deleteCount("home"), f.deleteCount("unknown")))
			f.visits("home", 0)
			f.visits("about", 1)
			f.apply(f.batch(f.visit("home", 1)))
			f.visits("home", 1)
		}},
		{"a duplicate sets nothing", open, func(f *fixture) {
			b := f.setBatch(f.setCount("home", 3))
			f.apply(b)
			f.apply(f.batch(f.visit("home", 1)))
			f.duplicate(b)
			f.visits("home", 4)
		}},
		{"a corrupt page can be set", open, func(f *fixture) {
			f.corruptPage(f.at("bad"))
			f.apply(f.setBatch(f.setCount("bad", 3)))
			f.visits("bad", 3)
			f.corruptPage(f.at("bad"))
			f.apply(f.setBatch(f.deleteCount("bad")))
			f.visits("bad", 0)
		}},
		{"a page of an incoming arc is not set", moving, func(f *fixture) {
			arc := f.destination()
			f.apply(f.batch(counting.Visit{Arc: arc, Page: "page", Count: 1}))
			stays := f.staying()
			b := f.setBatch(
				counting.SetCount{Arc: arc, Page: "page", Count: 9}, counting.SetCount{Arc: arc, Page: "page", Delete: true},
				counting.SetCount{Arc: stays, Page: "home", Count: 5},
			)
			f.apply(b, refusal(0, counting.Moving), refusal(1, counting.Moving))
			f.tallies([]counting.Visit{{Arc: arc, Page: "page", Count: 1}, {Arc: stays, Page: "home", Count: 5}})
			check.Must(f, f.closeArc(arc, 0))
			f.apply(f.setBatch(counting.SetCount{Arc: arc, Page: "page", Count: 9}))
			f.tallies([]counting.Visit{{Arc: arc, Page: "page", Count: 9}})
		}},
		{"counts that were set survive a restart", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 7), f.visit("gone", 1)))
			f.apply(f.setBatch(f.setCount("home", 3), f.deleteCount("gone")))
			f.reopen()
			f.visits("home", 3)
			f.visits("gone", 0)
		}},
	}
}

func (f *fixture) setCount(page counting.Page, count int64) counting.SetCount {
	return counting.SetCount{Arc: f.ring.Arc(page), Page: page, Count: count}
}

func (f *fixture) deleteCount(page counting.Page) counting.SetCount {
	return counting.SetCount{Arc: f.ring.Arc(page), Page: page, Delete: true}
}

func (f *fixture) setBatch(counts ...counting.SetCount) *counting.Batch {
	b := f.batch()
	b.SetCounts = counts
	return b
}
