package conformance

import (
	"footfall/domain/counting"
	"footfall/test/check"
)

func pageLimitCases() []testCase {
	return []testCase{
		{"beyond the limit another page is refused and a known one is not", open, func(f *fixture) {
			f.apply(f.atMost(2, f.batch(f.visit("a", 1), f.visit("b", 5), f.visit("c", 1), f.visit("a", 2))), refusal(2, counting.PageLimit))
			b := f.atMost(2, f.batch(f.visit("b", 1), f.visit("c", 1)))
			f.apply(b, refusal(1, counting.PageLimit))
			f.duplicate(b, refusal(1, counting.PageLimit))
			f.visits("a", 3)
			f.visits("b", 6)
			f.visits("c", 0)
			f.pages(2)
			f.apply(f.atMost(3, f.batch(f.visit("c", 1))))
			f.apply(f.batch(f.visit("d", 1)))
			f.pages(4)
		}},
		{"beyond the limit a keyed visit of another page is refused without its key", open, func(f *fixture) {
			f.apply(f.atMost(1, f.keyBatch(f.keyed("a", "a", 1), f.keyed("b", "b", 1), f.keyed("c", "b", 0))), refusal(1, counting.PageLimit))
			f.keys(1, 2)
			f.apply(f.keyBatch(f.keyed("b", "b", 1)))
			f.visits("b", 1)
			f.pages(2)
		}},
		{"beyond the limit the count of another page is refused and a page can be deleted", open, func(f *fixture) {
			f.apply(f.atMost(1, f.setBatch(f.setCount("a", 7), f.setCount("b", 7))), refusal(1, counting.PageLimit))
			f.apply(f.atMost(1, f.setBatch(f.setCount("a", 8))))
			f.visits("a", 8)
			gone := f.deleteCount("a")
			f.apply(f.atMost(1, f.setBatch(gone, gone, f.setCount("b", 9), f.setCount("c", 9))), refusal(3, counting.PageLimit))
			f.visits("b", 9)
			f.pages(1)
		}},
		{"a repeated batch is not refused", open, func(f *fixture) {
			f.apply(f.batch(f.visit("a", 1)))
			b := f.atMost(1, f.keyBatch(f.keyed("a", "b", 0), f.keyed("b", "c", 1)))
			b.KeyLimit, b.RecordLimit, b.EndpointLimit, b.Repeated = 0, 1, 0, true
			b.Visits = []counting.Visit{f.visit("b", 1)}
			b.IDEvents = f.idBatch(f.idEvent(1, "http://a.example/")).IDEvents
			w := f.window()
			f.apply(b)
			f.endpoints(w, "http://a.example/")
			f.visits("b", 1)
			f.visits("c", 1)
		}},
		{"a heartbeat counts the pages that are stored", open, func(f *fixture) {
			f.apply(f.batch(f.visit("a", 1), f.visit("b", 1), f.visit("c", 1)))
			f.reopen()
			for range 2 {
				f.heartbeat()
			}
			f.pages(3)
			f.apply(f.atMost(3, f.batch(f.visit("d", 1), f.visit("a", 1))), refusal(0, counting.PageLimit))
		}},
		{"a page of an arc that is incoming is not refused", moving, func(f *fixture) {
			arc := f.destination()
			v := counting.Visit{Arc: arc, Page: "page", Count: 1}
			other := counting.Visit{Arc: f.staying(), Page: "other", Count: 1}
			another := other
			another.Page = "another"
			f.apply(f.atMost(1, f.batch(other, v, another)), refusal(2, counting.PageLimit))
			f.tallies([]counting.Visit{v, other})
		}},
		{"an import is not refused", moving, func(f *fixture) {
			arc := f.destination()
			f.apply(f.atMost(1, f.batch(counting.Visit{Arc: f.staying(), Page: "other", Count: 1})))
			r := check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, counting.Chunk{Pages: []counting.Visit{{Arc: arc, Page: "page", Count: 3}}}))(f)
			equal(f, "pages that were imported", r.Pages, 1)
			f.tallies([]counting.Visit{{Arc: arc, Page: "page", Count: 3}})
		}},
	}
}

// atMost gives a batch a limit of pages.
func (f *fixture) atMost(pages int, b *counting.Batch) *counting.Batch {
	b.PageLimit = pages
	return b
}

// pages checks the number of pages in the summary.
func (f *fixture) pages(want int) {
	f.Helper()
	equal(f, "pages in the summary", check.Value(f.node.RingSummary(f.Context()))(f).Pages, want)
}
