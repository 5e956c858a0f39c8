package model_test

import (
	"context"
	"maps"
	"slices"

	"footfall/domain/counting"
)

// check compares what was promised with what is there, when all is quiet and
// every fault has been mended.
func (w *world) check(ctx context.Context) {
	w.checkPages(ctx)
	truth := w.truth()
	if w.plan.closes {
		w.checkReports(&truth)
	}
	w.checkIDs(&truth)
	if !w.plan.rollBacks { // a ledger that was rolled back forgets calls
		w.checkCalls(&truth)
	}
}

// checkPages: acknowledged <= stored <= acknowledged + unknown (P1, P2), where
// stored is the page's count over all nodes, so that one on the wrong node is
// found as well. What was answered 503 is in neither.
func (w *world) checkPages(ctx context.Context) {
	pages := slices.Sorted(maps.Keys(w.Accounts()))
	at := make([]counting.Located, len(pages))
	for i, page := range pages {
		at[i] = counting.Located{Arc: w.ring.Arc(page), Page: page}
	}
	stored := make([]int64, len(pages))
	for _, s := range w.servers {
		n := s.direct(false)
		tallies, err := n.Read(ctx, counting.Expected{Epoch: w.ring.Epoch()}, at)
		if err != nil {
			w.Violate("%s can't be read: %v", s.ID(), err)
		}
		for i, tally := range tallies {
			stored[i] += tally.Visits
			if tally.Err != nil {
				w.Violate("page %s can't be read on %s: %v", pages[i], s.ID(), tally.Err)
			}
		}
		n.hangUp()
	}
	for i, page := range pages {
		a := w.Account(page)
		least, most := a.Bounds()
		switch got := stored[i] - a.Base; {
		case got < least:
			w.Violate("P1: page %s has %d visits, %d were acknowledged", page, got, least)
		case got > most:
			w.Violate("P2: page %s has %d visits, want %d to %d", page, got, least, most)
		}
	}
}

// checkReports: every window in which an instance lived is published, always
// with the same number (P5), and the number is that of the ids that the nodes
// took for it (P6).
func (w *world) checkReports(truth *seen) {
	windows, ids := truth.windows()
	for _, window := range windows {
		if !w.isSettled(window) {
			continue
		}
		name := w.length.Name(window)
		reports := w.reports[window]
		if len(reports) == 0 {
			w.Violate("P5: %s was never published; it has %d ids", name, ids[window])
			continue
		}
		for _, r := range reports[1:] {
			if r != reports[0] {
				w.Violate("P5: %s was published with the numbers %d and %d", name, reports[0], r)
			}
		}
		if want := ids[window]; reports[0] != want {
			w.Violate("P6: %s was published with %d, its nodes took %d ids", name, reports[0], want)
		}
	}
}

// checkIDs: an acknowledged id is in a window that was published, and all
// numbers together are no more than what was sent (P6). This needs to know
// nothing of nodes.
func (w *world) checkIDs(truth *seen) {
	taken := make(map[counting.ID]int)
	for at := range truth.ids {
		taken[at.id]++
	}
	most := 0
	for id, times := range w.acked {
		most += times
		if taken[id] == 0 {
			w.Violate("P6: id %d was acknowledged and is in no window", id)
		}
	}
	for _, times := range w.doubted {
		most += times
	}
	for id, windows := range taken {
		if sent := w.acked[id] + w.doubted[id]; windows > sent {
			w.Violate("P6: id %d is in %d windows, though it was sent %d times at most", id, windows, sent)
		}
	}
	if !w.plan.closes {
		return
	}
	sum := 0
	for _, reports := range w.reports {
		sum += int(reports[0])
	}
	if sum < len(w.acked) || sum > most {
		w.Violate("P6: the numbers of all windows add up to %d, want %d to %d", sum, len(w.acked), most)
	}
}

// checkCalls: every endpoint that a node took is called with the number of its
// window, and only an attempt whose result was not known to be kept is made
// again (P7, and "once per distinct endpoint and window").
func (w *world) checkCalls(truth *seen) {
	for at := range truth.endpoints {
		if w.isSettled(at.window) && len(w.calls[tried{at.window, at.endpoint, 1}]) == 0 {
			w.Violate("P7: %s was not called about %s", at.endpoint, w.length.Name(at.window))
		}
	}
	for t, calls := range w.calls {
		name := w.length.Name(t.window)
		if len(calls) > 1 {
			w.Counted.Add(calledTwice)
		}
		if w.saves[t] > 1 {
			w.Violate("P7: attempt %d at %s about %s was made again after it had been kept", t.number, t.endpoint, name)
		}
		for _, c := range calls {
			if reports := w.reports[t.window]; len(reports) > 0 && c != reports[0] {
				w.Violate("P5: %s received %d about %s, whose number is %d", t.endpoint, c, name, reports[0])
			}
		}
	}
}
