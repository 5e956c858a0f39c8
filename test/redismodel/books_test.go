package redismodel_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/chaos"
	"footfall/test/servers"
)

func (w *world) violate(format string, args ...any) {
	w.books.Lock()
	defer w.books.Unlock()
	w.violations = append(w.violations, fmt.Sprintf(format, args...))
}

func (w *world) account(page counting.Page) *chaos.Account {
	w.books.Lock()
	defer w.books.Unlock()
	if w.pages[page] == nil {
		w.pages[page] = &chaos.Account{}
	}
	return w.pages[page]
}

func (w *world) accepted(id counting.ID, o chaos.Outcome) {
	w.books.Lock()
	defer w.books.Unlock()
	if o != chaos.Refused {
		w.sent[id] = struct{}{}
	}
	if o == chaos.Acknowledged {
		w.acked[id] = struct{}{}
	}
}

// read checks that each reading is an error or lies between what was
// acknowledged before and what was sent until after (P3).
func (w *world) read(ctx context.Context, i *instance, pages ...counting.Page) {
	least := make([]int64, len(pages))
	for k, page := range pages {
		least[k], _ = w.account(page).Bounds()
	}
	readings := i.visits.Read(ctx, pages)
	if i.isDead() {
		return
	}
	for k, got := range readings {
		if got.Err != nil {
			w.counted.Add(readFailed)
			continue
		}
		if _, most := w.account(pages[k]).Bounds(); got.Visits < least[k] || got.Visits > most {
			w.violate("P3: page %s read %d, want %d to %d", pages[k], got.Visits, least[k], most)
		}
	}
}

// check compares what was promised with what is there, when all is quiet,
// every fault has been mended, and every server was killed and came back.
func (w *world) check(ctx context.Context) {
	pages := slices.Sorted(maps.Keys(w.pages))
	located := make([]counting.Located, len(pages))
	for i, page := range pages {
		located[i] = counting.Located{Arc: w.ring.Arc(page), Page: page}
	}
	stored := make([]int64, len(pages)) // over all nodes, so that one on the wrong node is found as well
	for _, s := range w.servers {
		n := s.at(s.Redis.Addr)
		tallies, err := n.Read(ctx, w.ring.Epoch(), located)
		if err != nil {
			w.violate("%s can't be read: %v", s.id, err)
		}
		for i, tally := range tallies {
			stored[i] += tally.Visits
			if tally.Err != nil {
				w.violate("page %s can't be read on %s: %v", pages[i], s.id, tally.Err)
			}
		}
		_ = n.Close()
	}
	for i, page := range pages {
		a := w.account(page)
		w.checkPage(page, stored[i]-a.Base, a)
	}
	w.checkIDs()
}

// checkPage: what was acknowledged is there (P1), and no more than that and
// what is unknown (P2). What was answered 503 is in neither.
func (w *world) checkPage(page counting.Page, stored int64, a *chaos.Account) {
	acked, _, doubt := a.Totals()
	if stored < acked {
		w.violate("P1: page %s has %d visits, %d were acknowledged", page, stored, acked)
	}
	if stored > acked+doubt {
		w.violate("P2: page %s has %d visits, %d were acknowledged and %d unknown", page, stored, acked, doubt)
	}
}

// published notes a report; it must be the one number of its window (P5).
func (w *world) published(r publishing.Report) error {
	l := w.plan.length()
	window, err := l.Parse(r.ID)
	if err != nil || !r.Start.Equal(l.Start(window)) || !r.End.Equal(l.End(window)) || time.Now().Before(r.End.Add(grace)) {
		w.violate("P5: the report %+v is of no window that is over: %v", r, err)
	}
	w.books.Lock()
	defer w.books.Unlock()
	if count, ok := w.reports[window]; ok {
		w.counted.Add(publishedTwice)
		if count != r.Count {
			w.violations = append(w.violations, fmt.Sprintf("P5: %s was published with the numbers %d and %d", r.ID, count, r.Count))
		}
	}
	w.reports[window] = r.Count
	return nil
}

// arrived are the ids that the servers took, by window: their files say so.
func (w *world) arrived() map[counting.Window]map[counting.ID]bool {
	var all []*servers.Redis
	for _, s := range w.servers {
		all = append(all, s.Redis)
	}
	ids, err := servers.Arrived(all...)
	if err != nil {
		w.violate("the files of the servers: %v", err)
	}
	return ids
}

// isClosed tells whether every window with ids is published.
func (w *world) isClosed() bool {
	ids := w.arrived()
	w.books.Lock()
	defer w.books.Unlock()
	for window := range ids {
		if _, ok := w.reports[window]; !ok {
			return false
		}
	}
	return true
}

// checkIDs: an id that was acknowledged is in a window (P1, P6), none is in
// one that was refused (P2), and a window's number is that of its ids (P5).
func (w *world) checkIDs() {
	arrived := w.arrived()
	there := make(map[counting.ID]bool)
	for window, ids := range arrived {
		for id := range ids {
			there[id] = true
			if _, ok := w.sent[id]; !ok {
				w.violate("P2: id %d was refused and is in window %d", id, window)
			}
		}
		if count, ok := w.reports[window]; w.plan.closes && (!ok || count != int64(len(ids))) {
			w.violate("P5: window %d has %d ids and was published with %d (%t)", window, len(ids), count, ok)
		}
	}
	for id := range w.acked {
		if !there[id] {
			w.violate("P1: id %d was acknowledged and is in no window", id)
		}
	}
}
