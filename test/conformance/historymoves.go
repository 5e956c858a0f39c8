package conformance

import (
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func historyMoveCases() []testCase {
	return []testCase{
		{"pages are fetched with their histories, open buckets included", movingHistory, func(f *fixture) {
			arc, old, at := f.historySource()
			part := counting.Part{Stage: counting.Frozen, Frozen: 2, Closed: true}
			f.claimArc(arc, frozen(2))
			want := map[counting.Page][]counting.Bucket{
				"page/0": {{Unit: hour(at), Visits: 1}}, "page/1": {{Unit: hour(old), Visits: 1}, {Unit: hour(at), Visits: 1}},
			}
			for range 2 {
				f.fetchHistories(arc, want)
				f.pageAt(counting.Located{Arc: arc, Page: "page/1"}, part, want["page/1"]...)
			}
			f.compact(AnyTime())
			f.fetchHistories(arc, want)
		}},
		{"a page of a moving arc is read at each stage", movingHistory, func(f *fixture) {
			arc, old, at := f.historySource()
			buckets := []counting.Bucket{{Unit: hour(old), Visits: 1}, {Unit: hour(at), Visits: 1}}
			page := counting.Located{Arc: arc, Page: "page/1"}
			f.pageAt(page, counting.Part{Visits: 2, Closed: true}, buckets...)
			f.claimArc(arc, frozen(2))
			f.pageAt(page, counting.Part{Stage: counting.Frozen, Frozen: 2, Closed: true}, buckets...)
			check.Must(f, f.retireArc(arc, 2))
			f.pageAt(page, counting.Part{Stage: counting.Released, Closed: true})
		}},
		{"histories are imported once, and add to what is there", movingHistory, func(f *fixture) {
			arc, c := f.historyDestination()
			for range 2 {
				check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, c))(f)
			}
			at := f.place(f.batch(counting.Visit{Arc: arc, Page: "page/1", Count: 7}))
			page := counting.Located{Arc: arc, Page: "page/1"}
			before := counting.Bucket{Unit: hour(at.Add(-5 * time.Hour)), Visits: 2}
			f.pageAt(page, counting.Part{Visits: 17, Marked: true}, before, counting.Bucket{Unit: hour(at), Visits: 15})
			f.pageAt(counting.Located{Arc: arc, Page: "page/0"}, counting.Part{Visits: 1, Marked: true})
			f.compact(AnyTime())
			check.Must(f, f.closeArc(arc, 2))
			check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, c))(f)
			f.pageAt(page, counting.Part{Visits: 17, Closed: true}, before, counting.Bucket{Unit: hour(at), Visits: 15})
		}},
		{"history begins no earlier than that of what is imported", movingHistory, func(f *fixture) {
			arc, c := f.historyDestination()
			since := f.state().Since
			for _, d := range []time.Duration{-time.Hour, 2 * time.Hour, time.Hour} {
				c.Since = since.Add(d)
				check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, c))(f)
			}
			equal(f, "begin of the history", f.state().Since, since.Add(2*time.Hour))
		}},
		{"history begins with the last import of pages of a node that keeps none", movingHistory, func(f *fixture) {
			arc, c := f.historyDestination()
			began := f.state().Since
			f.elapse(3 * time.Hour)
			check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, counting.Chunk{LastKeys: true}))(f)
			equal(f, "begin of the history without pages", f.state().Since, began)
			for range 2 {
				f.elapse(time.Hour)
				check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, counting.Chunk{Pages: c.Pages}))(f)
				equal(f, "begin of the history", f.state().Since, f.now().UTC().Truncate(time.Second))
			}
			at := f.place(f.batch(counting.Visit{Arc: arc, Page: "page/1", Count: 1}))
			f.pageAt(counting.Located{Arc: arc, Page: "page/1"}, counting.Part{Visits: 11, Marked: true}, counting.Bucket{Unit: hour(at), Visits: 1})
		}},
		{"a node that keeps no history imports pages", movingHistory, func(f *fixture) {
			arc := f.destination()
			f.importPages(arc, pagesOf(2)(arc), 2)
			equal(f, "what is kept", f.state(), counting.HistoryState{})
		}},
		{"pages of a node that keeps no history are fetched without a begin", movingHistory, func(f *fixture) {
			arc := f.source(pagesOf(2))
			f.claimArc(arc, frozen(2))
			f.fetch(arc, func(c counting.Chunk) {
				equal(f, "has a begin", c.Since.IsZero() && c.Floor.IsZero() && len(c.Histories) == 0, true)
			})
		}},
		{"a history that can't be read is imported as one, and no other is", movingHistory, func(f *fixture) {
			f.needs(f.CorruptHistory != nil, "nothing can be planted under a history")
			arc, _, at := f.historySource()
			bad, good := counting.Located{Arc: arc, Page: "page/1"}, counting.Located{Arc: arc, Page: "page/0"}
			f.CorruptHistory(f.T, f.node, bad)
			f.claimArc(arc, frozen(2))
			var fetched counting.Chunk
			f.fetch(arc, func(c counting.Chunk) {
				if len(c.Pages) > 0 {
					fetched = c
				}
			})
			arc, _ = f.historyDestination()
			check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, fetched))(f)
			f.place(f.batch(counting.Visit{Arc: arc, Page: bad.Page, Count: 1}))
			f.elapse(26 * time.Hour)
			f.compact(AnyTime())
			h := f.readAt(counting.Located{Arc: arc, Page: bad.Page})
			if h.Err == nil {
				_, h.Err = h.Buckets()
			}
			mustBe(f, h.Err, counting.Corrupt)
			f.pageAt(counting.Located{Arc: arc, Page: good.Page}, counting.Part{Visits: 1, Marked: true}, counting.Bucket{Unit: hour(at), Visits: 1})
		}},
		{"the begin of the history is fetched with the pages", movingHistory, func(f *fixture) {
			arc, _, _ := f.historySource()
			f.claimArc(arc, frozen(2))
			f.fetch(arc, func(c counting.Chunk) {
				if len(c.Pages) > 0 {
					equal(f, "begin of the history", c.Since.UTC(), f.state().Since)
				}
			})
		}},
		{"a page without a history is imported", movingHistory, func(f *fixture) {
			arc, _ := f.historyDestination()
			f.importPages(arc, pagesOf(2)(arc), 2)
			at := f.now()
			f.pageAt(counting.Located{Arc: arc, Page: "page/1"}, counting.Part{Visits: 10, Marked: true}, counting.Bucket{Unit: hour(at), Visits: 8})
		}},
		{"a node says since when it has all, also after it imported from one whose history began later", movingHistory, func(f *fixture) {
			arc, _, _ := f.historySource()
			f.claimArc(arc, frozen(2))
			since := f.state().Since
			f.fetch(arc, func(c counting.Chunk) {
				equal(f, "begin of the history of the source", c.Since.Unix(), since.Unix())
			})

			arc, c := f.historyDestination()
			began := f.state().Since
			for _, by := range []time.Duration{-time.Hour, time.Hour, 0} {
				c.Since = began.Add(by)
				check.Value(f.moves().Import(f.Context(), f.ring.Table(), arc, c))(f)
				equal(f, "begin of the history", f.state().Since, began.Add(max(by, 0)))
				began = f.state().Since
			}
			equal(f, "what is kept", f.state().Setting, hours())
		}},
		{"an arc that was retired has no history when it comes back", movingHistory, func(f *fixture) {
			arc, _, _ := f.historySource()
			f.claimArc(arc, frozen(2))
			check.Must(f, f.retireArc(arc, 2))
			f.removeOther()
			f.closeArcs()
			f.pageAt(counting.Located{Arc: arc, Page: "page/1"}, counting.Part{Closed: true})
		}},
		{"a claimed arc that is reclaimed has its history", movingHistory, func(f *fixture) {
			arc, old, at := f.historySource()
			f.claimArc(arc, frozen(2))
			f.openRing(check.Value(f.ring.Abandon(sharding.Change{ID: "lost", From: f.current() + 2, Moving: true}, f.other()))(f))
			f.pageAt(counting.Located{Arc: arc, Page: "page/1"}, counting.Part{Visits: 2, Closed: true},
				counting.Bucket{Unit: hour(old), Visits: 1}, counting.Bucket{Unit: hour(at), Visits: 1})
		}},
		{"the history of an incoming arc is not that of an earlier life", movingHistory, func(f *fixture) {
			arc, _, _ := f.historySource()
			f.removeOther() // what was never claimed is put in quarantine
			f.importPages(arc, pagesOf(2)(arc), 2)
			f.closeArcs()
			f.pageAt(counting.Located{Arc: arc, Page: "page/1"}, counting.Part{Visits: 2, Closed: true})
		}},
		{"a sweep deletes the histories of arcs of other nodes, and no others", movingHistory, func(f *fixture) {
			arc, old, at := f.historySource()
			page, buckets := counting.Located{Arc: arc, Page: "page/1"}, []counting.Bucket{{Unit: hour(old), Visits: 1}, {Unit: hour(at), Visits: 1}}
			f.sweep(counting.SweepPolicy{Arcs: []counting.Arc{arc}}, 0)
			f.pageAt(page, counting.Part{Visits: 2, Closed: true}, buckets...)
			follow(f, func(cursor string) (counting.SweepResult, string, error) {
				return f.moves().Sweep(f.Context(), f.ring.Table(), counting.SweepPolicy{}, cursor)
			}, func(counting.SweepResult) {})
			f.pageAt(page, counting.Part{Visits: 2, Closed: true})
		}},
	}
}

// movingHistory lets a case open nodes that keep history and between which arcs move.
func movingHistory(f *fixture) {
	moving(f)
	f.needsClock()
	f.needsHistory()
}

// historySource opens a node that keeps history, and the ring that moves an arc away from it. Its two
// pages have a visit at old and two at the time that is returned with it: page/1 has both.
func (f *fixture) historySource() (arc counting.Arc, old, at time.Time) {
	f.Helper()
	f.open()
	f.keepHistory()
	next := f.next("second")
	arc = next.Moves()[0].Arc
	old = f.place(f.batch(counting.Visit{Arc: arc, Page: "page/1", Count: 1}))
	f.elapse(5 * time.Hour)
	f.compact(AnyTime())
	at = f.place(f.batch(counting.Visit{Arc: arc, Page: "page/0", Count: 1}, counting.Visit{Arc: arc, Page: "page/1", Count: 1}))
	f.openRing(next)
	return arc, old, at
}

// historyDestination opens a node with incoming arcs that keeps history, and returns the first with a chunk of two
// pages, of which the second has a history of 2 visits in 5 hours of one page ago. That page has 8 visits by now.
func (f *fixture) historyDestination() (counting.Arc, counting.Chunk) {
	f.Helper()
	arc := f.destination()
	f.keepHistory()
	at := f.place(f.batch(counting.Visit{Arc: arc, Page: "page/1", Count: 8}))
	return arc, counting.Chunk{
		Pages:     pagesOf(2)(arc),
		Histories: []counting.Packed{"", counting.Packed("").Append(counting.Bucket{Unit: hour(at.Add(-5 * time.Hour)), Visits: 2})},
		Since:     f.state().Since,
	}
}

// fetchHistories checks with which histories the pages of an arc are fetched.
func (f *fixture) fetchHistories(arc counting.Arc, want map[counting.Page][]counting.Bucket) {
	f.Helper()
	got := make(map[counting.Page][]counting.Bucket)
	f.fetch(arc, func(c counting.Chunk) {
		for i, p := range c.Pages {
			if len(c.Histories) > 0 {
				got[p.Page] = check.Value(c.Histories[i].Buckets())(f)
			}
		}
	})
	for page, buckets := range want {
		equalSlices(f, "buckets of "+string(page), got[page], buckets)
	}
}
