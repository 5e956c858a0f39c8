package model_test

import (
	"maps"
	"slices"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/chaos"
)

// tried names one attempt at one endpoint.
type tried struct {
	window   counting.Window
	endpoint string
	number   int
}

// books are what left the service, and what was promised of ids.
type books struct {
	mu      sync.Mutex
	acked   map[counting.ID]int // how often
	doubted map[counting.ID]int
	// The numbers that publications, and callbacks, said.
	reports map[counting.Window][]int64
	calls   map[tried][]int64
	saves   map[tried]int // known to be saved by who called
	// steps counts claims and saves; claims has the step of the latest claim
	// that an instance knows of, newest the claim of a window that was asked for
	// last, and kept the latest result known to be saved.
	steps  int
	claims map[claimant]int
	newest map[counting.Window]claim
	kept   map[claimant]keeping
}

// claim is one that was granted; began is the step before it was asked for.
type claim struct {
	by    string
	began int
}

// claimant is an instance, or an endpoint, in one window.
type claimant struct {
	window counting.Window
	name   string
}

// keeping is the result of an endpoint that was saved at a step.
type keeping struct {
	counting.Delivery
	step int
	by   string
}

func newBooks() *books {
	return &books{
		acked: make(map[counting.ID]int), doubted: make(map[counting.ID]int),
		reports: make(map[counting.Window][]int64), calls: make(map[tried][]int64), saves: make(map[tried]int),
		claims: make(map[claimant]int), newest: make(map[counting.Window]claim), kept: make(map[claimant]keeping),
	}
}

func (w *world) accepted(id counting.ID, e publishing.Endpoint, o chaos.Outcome) {
	if e == forbidden && o == chaos.Acknowledged {
		w.Violate("P8: id %d was taken with an endpoint that is forbidden", id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch o {
	case chaos.Acknowledged:
		w.acked[id]++
	case chaos.Unknown:
		w.doubted[id]++
	}
}

func (b *books) step() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.steps++
	return b.steps
}

func (b *books) claimed(w counting.Window, instance string, began int) {
	step := b.step()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claims[claimant{w, instance}] = step
	if began > b.newest[w].began {
		b.newest[w] = claim{instance, began}
	}
}

// checkNotSuperseded returns the instance that has the window now, when it is
// another one, which asked for it after this instance had it.
func (b *books) checkNotSuperseded(w counting.Window, instance string) (by string, yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	newest := b.newest[w]
	return newest.by, newest.by != instance && newest.began > b.claims[claimant{w, instance}]
}

func (b *books) saved(w counting.Window, endpoint, instance string, c counting.Delivery) {
	step := b.step()
	b.mu.Lock()
	defer b.mu.Unlock()
	name := claimant{w, endpoint}
	if before, ok := b.kept[name]; !ok || !c.Final || before.Attempts < c.Attempts {
		b.saves[tried{w, endpoint, c.Attempts}]++ // or it was abandoned after that attempt
	}
	b.kept[name] = keeping{c, step, instance}
}

func (w *world) published(r publishing.Report) {
	window := w.windowOf(r)
	for _, s := range w.servers {
		if due := w.length.End(window).Add(w.plan.grace); !s.hasClosed(window, due) {
			w.Violate("P5: %s was published before %s had sealed it", r.ID, s.ID())
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.reports[window]) > 0 {
		w.Counted.Add(publishedTwice)
	}
	if r.Count == 0 {
		w.Counted.Add(publishedNothing)
	}
	w.reports[window] = append(w.reports[window], r.Count)
}

// called notes an attempt. An instance that saved a result, or has claimed the
// window since, knows it: it makes no attempt after a final result, and repeats
// none. A ledger that was rolled back forgets what was saved.
func (w *world) called(r publishing.Report, e publishing.Endpoint, number int, instance string) {
	t := tried{w.windowOf(r), string(e), number}
	w.mu.Lock()
	kept, ok := w.kept[claimant{t.window, t.endpoint}]
	knows := ok && (kept.by == instance || w.claims[claimant{t.window, instance}] > kept.step)
	w.mu.Unlock()
	if number < 1 || number > publishing.MaxAttempts || knows && (kept.Final || number <= kept.Attempts) && !w.plan.rollBacks {
		w.Violate("P7: attempt %d at %s about %s was made by %s though %+v was kept by %s", number, e, r.ID, instance, kept.Delivery, kept.by)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if number > 1 {
		w.Counted.Add(calledAgain)
	}
	w.calls[t] = append(w.calls[t], r.Count)
}

// windowOf reads a report as its reader does.
func (w *world) windowOf(r publishing.Report) counting.Window {
	window, err := w.length.Parse(counting.DefaultName, r.ID)
	if err != nil || !r.Start.Equal(w.length.Start(window)) || !r.End.Equal(w.length.End(window)) {
		w.Violate("P5: the report %+v is of no window: %v", r, err)
	}
	return window
}

// truth is what all nodes accepted: those in memory by what they answered, Redis
// servers by their files.
func (w *world) truth() seen {
	if w.plan.real {
		return w.arrived()
	}
	all := newSeen()
	for _, s := range w.servers {
		more := s.(*memoryServer).snapshot().seen
		maps.Copy(all.ids, more.ids)
		maps.Copy(all.endpoints, more.endpoints)
		maps.Copy(all.current, more.current)
	}
	return all
}

// isSettled tells whether a window must have been published by now: one that ended some
// time ago, or one that is ahead of all clocks and takes no ids.
func (w *world) isSettled(window counting.Window) bool {
	if w.plan.real || window <= w.length.At(time.Now().Add(-settled)) {
		return true
	}
	takes := func(s server) bool { return s.(*memoryServer).current(s.(*memoryServer).clock.now()) == window }
	return w.length.Start(window).After(time.Now().Add(maxSkew)) && !slices.ContainsFunc(w.servers, takes)
}

// windows are those in which an instance lived or an id came, in order, with the number
// of ids in each.
func (s *seen) windows() (all []counting.Window, ids map[counting.Window]int64) {
	ids = make(map[counting.Window]int64)
	for w := range s.current {
		ids[w] = 0
	}
	for at := range s.ids {
		ids[at.window]++
	}
	return slices.Sorted(maps.Keys(ids)), ids
}
