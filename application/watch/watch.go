// Package watch shows a deployment to those who look on while it counts. What
// all of them watch is read together, and only while somebody watches.
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
	// BoardInterval is the time between two looks at windows and nodes.
	BoardInterval = time.Second
	// Heartbeat is the longest time without a word to a watcher.
	Heartbeat = 15 * time.Second
	// MaxWatchers is how many may watch at once.
	MaxWatchers = 16384
	// MaxPages is how many distinct pages are watched at once.
	MaxPages = 1000
	// Windows is how many of the newest windows are shown.
	Windows = 60

	// troubleInterval is the time until windows that could not be read are
	// read again.
	troubleInterval = 5 * time.Second
	// perWatcher is added up to the least time between two readings: telling
	// all watchers of every one must leave time to count.
	perWatcher = 50 * time.Microsecond
)

// Options are where a Service looks.
type Options struct {
	Read    func(context.Context, []counting.Page) []counting.Reading
	Windows func(ctx context.Context, limit int) ([]publishing.Summary, error)
	Nodes   func(context.Context) []watching.Node
}

// Service tells watchers what changes. Its methods are safe for concurrent
// use.
type Service struct {
	Options
	name  string // of this life of this instance, in the ids of news
	ctx   context.Context
	stop  context.CancelFunc
	loops sync.WaitGroup

	mu       sync.Mutex
	quit     context.CancelFunc // ends the loops; nil when nobody watches
	watchers map[*watcher]struct{}
	version  uint64 // grows by 1 with every change
	pages    map[counting.Page]*page
	windows  map[string]window // by id
	trouble  trouble
	nodes    []watching.Node
	nodesAt  uint64 // version of nodes
}

// page is one that is watched. Its version is 0 until it was read.
type page struct {
	reading  counting.Reading
	version  uint64
	watchers map[*watcher]struct{}
}

type window struct {
	publishing.Summary
	version uint64
}

// trouble is why the windows can't be read, if they can't.
type trouble struct {
	err     error
	version uint64
}

// watcher is one who watches. There is no queue of news for him: what he has
// not seen is found by its version when he is ready to see it.
type watcher struct {
	pages []counting.Page
	seen  uint64        // version up to which he knows everything
	wake  chan struct{} // capacity 1
}

// New makes a service.
func New(o Options) *Service {
	s := &Service{Options: o, name: rand.Text()[:8], watchers: map[*watcher]struct{}{}, pages: map[counting.Page]*page{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Stop ends all watching, and returns when nothing is read any more.
func (s *Service) Stop(context.Context) error {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.loops.Wait()
	return nil
}

// Watch calls show with what there is to see of the pages, of the windows and
// of the nodes, and then with every change, until ctx ends, the service stops
// or show returns an error, which is returned. The first call comes at once,
// and at least one every Heartbeat, with empty news if need be. While show is at
// work, changes add up to one call. since, unless it is empty, is the ID of news
// that were seen of the same pages: what didn't change since then isn't shown,
// where that is still known. Errors before the first call: watching.ErrFull, and
// counting.ErrUnavailable once the service is stopped.
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

// Watchers is how many watch now.
func (s *Service) Watchers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watchers)
}

func (s *Service) enter(w *watcher, since string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return counting.ErrUnavailable
	}
	added := 0
	for _, name := range w.pages {
		if s.pages[name] == nil {
			added++
		}
	}
	if len(s.watchers) >= MaxWatchers || len(s.pages)+added > MaxPages {
		return watching.ErrFull
	}
	if name, version, ok := strings.Cut(since, "-"); ok && name == s.name {
		if n, err := strconv.ParseUint(version, 10, 64); err == nil && n <= s.version {
			w.seen = n
		}
	}
	for _, name := range w.pages {
		p := s.pages[name]
		if p == nil {
			p = &page{watchers: map[*watcher]struct{}{}}
			s.pages[name] = p
		}
		p.watchers[w] = struct{}{}
	}
	s.watchers[w] = struct{}{}
	if s.quit == nil {
		var ctx context.Context
		ctx, s.quit = context.WithCancel(s.ctx)
		s.loops.Go(func() { s.watchPages(ctx) })
		s.loops.Go(func() { s.watchBoard(ctx) })
	}
	return nil
}

// leave forgets what nobody watches any more: it isn't read, so it gets old.
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
		s.quit()
		s.quit, s.windows, s.nodes, s.trouble = nil, nil, nil, trouble{}
	}
}
