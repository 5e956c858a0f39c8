package conformance

import (
	"fmt"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func historyListCases() []testCase {
	return []testCase{
		{"every page is listed with its count and its buckets, packed and open", keepingByClock, func(f *fixture) {
			const pages = 700
			buckets := make(map[counting.Page][]counting.Bucket)
			visit := func(every int) {
				var visits []counting.Visit
				for i := 0; i < pages; i += every {
					visits = append(visits, f.visit(counting.Page(fmt.Sprintf("page %d/ä", i)), int64(i+1)))
				}
				at := f.place(f.batch(visits...))
				for _, v := range visits {
					buckets[v.Page] = append(buckets[v.Page], counting.Bucket{Unit: hour(at), Visits: v.Count})
				}
			}
			visit(2)
			f.elapse(26 * time.Hour)
			f.compact(AnyTime())
			visit(3)
			f.elapse(time.Hour)
			visit(1)
			listed := make(map[counting.Page]counting.PageHistory)
			f.listHistories(func(page counting.Located, h counting.PageHistory) {
				equal(f, "arc", page.Arc, f.at(page.Page).Arc)
				listed[page.Page] = h
			})
			equal(f, "pages", len(listed), pages)
			for page, want := range buckets {
				h := listed[page]
				check.Must(f, h.Err)
				equal(f, "state", h.State, f.state())
				equal(f, "visits of "+string(page), h.Visits, int64(len(want))*want[0].Visits)
				equalSlices(f, "buckets of "+string(page), check.Value(h.Buckets())(f), want)
			}
		}},
		{"what is corrupt is listed so, and no other page", keeping, func(f *fixture) {
			f.needs(f.CorruptHistory != nil, "nothing can be planted under a history")
			at := f.place(f.batch(f.visit("bad history", 2), f.visit("home", 2)))
			f.CorruptHistory(f.T, f.node, f.at("bad history"))
			f.corruptPage(f.at("bad count"))
			corrupt := 0
			f.listHistories(func(page counting.Located, h counting.PageHistory) {
				buckets, err := h.Buckets()
				if h.Err != nil {
					err = h.Err
				}
				if page.Page == "home" {
					check.Must(f, err)
					equalSlices(f, "buckets", buckets, []counting.Bucket{{Unit: hour(at), Visits: 2}})
					return
				}
				mustBe(f, err, counting.Corrupt)
				corrupt++
			})
			equal(f, "corrupt pages", corrupt, 2)
		}},
		{"a node that keeps no history lists its pages without one", open, func(f *fixture) {
			if _, able := f.node.(counting.Histories); !able {
				f.Skip("keeps no history")
			}
			f.apply(f.batch(f.visit("home", 2)))
			pages := 0
			f.listHistories(func(page counting.Located, h counting.PageHistory) {
				pages++
				equal(f, "history of "+string(page.Page), h, counting.PageHistory{Part: counting.Part{Visits: 2, Closed: true}})
			})
			equal(f, "pages", pages, 1)
		}},
		{"a node with incoming arcs lists no history", movingHistory, func(f *fixture) {
			f.destination()
			mustBe(f, check.Err(f.histories().ListHistories(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, "")), counting.Moving)
		}},
	}
}

// listHistories calls each with every page of the node.
func (f *fixture) listHistories(each func(counting.Located, counting.PageHistory)) {
	f.Helper()
	follow(f, func(cursor string) (counting.HistoryList, string, error) {
		return f.histories().ListHistories(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, cursor)
	}, func(l counting.HistoryList) {
		for i, p := range l.Pages {
			each(counting.Located{Arc: p.Arc, Page: p.Page}, l.Of(i))
		}
	})
}
