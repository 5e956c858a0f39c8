package watch_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footfall/application/watch"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/watching"
	"footfall/test/check"
)

// world is a deployment that can be looked at.
type world struct {
	mu         sync.Mutex
	counts     map[counting.Page]int64
	errs       map[counting.Page]error
	windows    []publishing.Summary
	windowsErr error
	nodes      []watching.Node
	reads      [][]counting.Page
	looks      int
}

// scenario runs a test of a world and a service in virtual time. It ends the service,
// which has no watchers then.
func scenario(t *testing.T, test func(t *testing.T, w *world, s *watch.Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			counts: map[counting.Page]int64{}, errs: map[counting.Page]error{},
			windows: []publishing.Summary{windowOf(2, 7), windowOf(1, 5)},
			nodes:   []watching.Node{{ID: "a", Share: 0.5, Answers: true}, {ID: "b", Share: 0.5, Answers: true}},
		}
		s := w.service()
		test(t, w, s)
		check.Equal(t, watch.Watchers(s), 0, "watchers after all have left")
		check.OK(t, s.Stop(t.Context()))
	})
}

func windowOf(minute int, count int64) publishing.Summary {
	start := time.Date(2026, 11, 22, 10, minute, 0, 0, time.UTC)
	return publishing.Summary{Report: publishing.Report{ID: fmt.Sprint("w", minute), Start: start, Count: count}, State: counting.Open}
}

func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) service() *watch.Service {
	return watch.New(watch.Options{
		Read: func(_ context.Context, pages []counting.Page) []counting.Reading {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reads = append(w.reads, slices.Sorted(slices.Values(pages)))
			readings := make([]counting.Reading, len(pages))
			for i, p := range pages {
				readings[i] = counting.Reading{Tally: counting.Tally{Visits: w.counts[p], Err: w.errs[p]}, Via: "a"}
			}
			return readings
		},
		Windows: func(context.Context, int) ([]publishing.Summary, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.looks++
			return slices.Clone(w.windows), w.windowsErr
		},
		Nodes: func(context.Context) []watching.Node {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.nodes)
		},
	})
}

// viewer is a watcher and what it sees.
type viewer struct {
	mu      sync.Mutex
	calls   int
	visits  map[counting.Page]int64
	errs    map[counting.Page]error
	windows map[string]int64
	trouble error
	nodes   []watching.Node
	id      string
	hold    time.Duration // how long it takes to look at news
	cancel  context.CancelFunc
	done    chan error
}

func enter(s *watch.Service, since string, hold time.Duration, pages ...counting.Page) *viewer {
	v := &viewer{
		visits: map[counting.Page]int64{}, errs: map[counting.Page]error{}, windows: map[string]int64{},
		hold: hold, done: make(chan error, 1),
	}
	var ctx context.Context
	ctx, v.cancel = context.WithCancel(context.Background())
	go func() { v.done <- s.Watch(ctx, pages, since, v.show) }()
	return v
}

func (v *viewer) show(n watching.News) error {
	v.mu.Lock()
	v.calls++
	v.id = n.ID
	for _, p := range n.Pages {
		v.visits[p.Page], v.errs[p.Page] = p.Visits, p.Err
	}
	for _, w := range n.Windows {
		v.windows[w.ID] = w.Count
		v.trouble = nil
	}
	if n.WindowsErr != nil {
		v.trouble = n.WindowsErr
	}
	if n.Nodes != nil {
		v.nodes = n.Nodes
	}
	v.mu.Unlock()
	time.Sleep(v.hold)
	return nil
}

// seen is what the viewer saw until now, and the calls that notified it.
func (v *viewer) seen() (visits map[counting.Page]int64, calls int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.visits), v.calls
}

// after lets time pass, and all that is due then happen.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// leave lets viewers leave and waits until they have.
func leave(t *testing.T, viewers ...*viewer) {
	t.Helper()
	for _, v := range viewers {
		v.cancel()
		check.OK(t, <-v.done)
	}
}
