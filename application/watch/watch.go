// Package watch sends watchers the changes of pages, windows and nodes. It reads what
// all of them watch together, and only while there are watchers.
package watch

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/watching"
)

const (
	// PageInterval is the time between two readings of the watched pages,
	// unless there are many watchers.
	PageInterval = 100 * time.Millisecond
	// BoardInterval is the time between two readings of windows and nodes.
	BoardInterval = time.Second
	// Heartbeat is the longest time between two calls of a watcher.
	Heartbeat = 15 * time.Second
	// VisitedPages is how many watched pages that have visits one reading takes. More take
	// turns.
	VisitedPages = 1000
	// OtherPages is the same for pages without visits, and those that were not read yet: names
	// that are invented delay only each other.
	OtherPages = 200
	// Windows is the number of newest windows that watchers receive.
	Windows = 60

	// errorInterval is the pause after windows could not be read.
	errorInterval = 5 * time.Second
	// perWatcher times the number of watchers is the shortest time between two
	// readings: notifying all watchers must leave time to count.
	perWatcher = 50 * time.Microsecond
)

// Options are the sources that a Service reads.
type Options struct {
	Read    func(context.Context, []counting.Page) []counting.Reading
	Windows func(ctx context.Context, limit int) ([]publishing.Summary, error)
	Nodes   func(context.Context) []watching.Node
}

// Service notifies watchers of changes. Its methods are safe for concurrent use.
type Service struct {
	Options
	name  string // unique for this start of the instance; part of the ids of news
	ctx   context.Context
	stop  context.CancelFunc
	loops sync.WaitGroup

	mu         sync.Mutex
	stopLoops  context.CancelFunc // nil without watchers
	watchers   map[*watcher]struct{}
	version    uint64 // grows by 1 with every change
	turn       uint64 // grows by 1 with every reading of pages
	pages      map[counting.Page]*page
	windows    map[string]versioned[publishing.Summary] // by id
	windowsErr versioned[error]                         // of the last reading, nil if it did not fail
	nodes      versioned[[]watching.Node]
}

// versioned is a value with the version in which it changed last; 0 until it was read.
type versioned[T any] struct {
	value   T
	version uint64
}

// page is a watched page with its watchers.
type page struct {
	versioned[counting.Reading]
	name     counting.Page
	visited  bool   // it had visits when it was read
	turn     uint64 // of the reading that took it last; of the last one before it was watched
	watchers map[*watcher]struct{}
}

// watcher is one call of Watch. It has no queue: when it is ready, everything with a
// version that it has not seen is sent.
type watcher struct {
	pages []counting.Page
	seen  uint64        // version up to which everything was sent
	wake  chan struct{} // capacity 1
}

// New makes a service.
func New(o Options) *Service {
	s := &Service{Options: o, name: rand.Text()[:8], watchers: map[*watcher]struct{}{}, pages: map[counting.Page]*page{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Stop ends all calls of Watch, and returns when all readings have ended.
func (s *Service) Stop(context.Context) error {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.loops.Wait()
	return nil
}

// Watch calls show with the state of the pages, the windows and the nodes, and then with
// every change. It returns when ctx ends, the service stops, or show returns an error,
// which it returns. The first call is immediate. At least one call follows per
// Heartbeat, with empty news if nothing changed. Changes during a call add up to one.
//
// since is empty or the ID of the last news of the same pages: what has not changed
// since then is left out, if this service still knows it. The error before the first call
// is counting.ErrUnavailable, the service is stopped. The caller bounds the calls.
func (s *Service) Watch(ctx context.Context, pages []counting.Page, since string, show func(watching.News) error) error {
	w := &watcher{pages: pages, wake: make(chan struct{}, 1)}
	if err := s.enter(w, since); err != nil {
		return err
	}
	defer s.leave(w)
	beat := time.NewTicker(Heartbeat)
	defer beat.Stop()
	for due := true; ; {
		if news := s.newsFor(w); due || !news.Empty() {
			if err := show(news); err != nil {
				return err
			}
			beat.Reset(Heartbeat)
		}
		select {
		case <-w.wake:
			due = false
		case <-beat.C:
			due = true
		case <-ctx.Done():
			return nil
		case <-s.ctx.Done():
			return nil
		}
	}
}

func (s *Service) enter(w *watcher, since string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return counting.ErrUnavailable
	}
	if name, version, ok := strings.Cut(since, "-"); ok && name == s.name {
		if n, err := strconv.ParseUint(version, 10, 64); err == nil && n <= s.version {
			w.seen = n
		}
	}
	for _, name := range w.pages {
		p := s.pages[name]
		if p == nil {
			p = &page{name: name, turn: s.turn, watchers: map[*watcher]struct{}{}}
			s.pages[name] = p
		}
		p.watchers[w] = struct{}{}
	}
	s.watchers[w] = struct{}{}
	if s.stopLoops == nil {
		var ctx context.Context
		ctx, s.stopLoops = context.WithCancel(s.ctx)
		s.loops.Go(func() { s.watchPages(ctx) })
		s.loops.Go(func() { s.watchBoard(ctx) })
	}
	return nil
}

// leave forgets what has no watcher any more: it is not read, so it would be outdated.
func (s *Service) leave(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
	for _, name := range w.pages {
		if p := s.pages[name]; p != nil {
			delete(p.watchers, w)
			if len(p.watchers) == 0 {
				delete(s.pages, name)
			}
		}
	}
	if len(s.watchers) == 0 {
		s.stopLoops()
		s.stopLoops, s.windows = nil, nil
		s.windowsErr, s.nodes = versioned[error]{}, versioned[[]watching.Node]{}
	}
}
