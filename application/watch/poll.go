package watch

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/watching"
)

// watchPages reads the watched pages periodically until ctx ends.
func (s *Service) watchPages(ctx context.Context) {
	for {
		began := time.Now()
		pages, pause := s.due()
		if len(pages) > 0 {
			s.updatePages(ctx, pages, s.Read(ctx, pages))
		}
		select {
		case <-time.After(pause - time.Since(began)):
		case <-ctx.Done():
			return
		}
	}
}

// due are the pages to read, and the time between two readings.
func (s *Service) due() ([]counting.Page, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var visited, other []*page
	for _, p := range s.pages {
		if p.visited {
			visited = append(visited, p)
		} else {
			other = append(other, p)
		}
	}
	s.turn++
	var names []counting.Page
	for _, p := range slices.Concat(longestUnread(visited, VisitedPages), longestUnread(other, OtherPages)) {
		p.turn = s.turn
		names = append(names, p.name)
	}
	return names, max(PageInterval, perWatcher*time.Duration(len(s.watchers)))
}

// longestUnread are those pages that were not read for the longest time, at most so many.
func longestUnread(pages []*page, most int) []*page {
	if len(pages) <= most {
		return pages
	}
	slices.SortFunc(pages, func(a, b *page) int { return cmp.Compare(a.turn, b.turn) })
	return pages[:most]
}

// updatePages stores readings and wakes the watchers of changed ones.
func (s *Service) updatePages(ctx context.Context, pages []counting.Page, readings []counting.Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return // stopped; other watchers may have started new loops
	}
	for i, reading := range readings {
		p := s.pages[pages[i]]
		if p == nil {
			continue
		}
		if reading.Err == nil {
			p.visited = reading.Visits > 0
		}
		if p.version > 0 && same(p.value, reading) {
			continue
		}
		s.version++
		p.versioned = versioned[counting.Reading]{reading, s.version}
		for w := range p.watchers {
			w.wakeUp()
		}
	}
}

// same tells whether two readings have the same value or error.
func same(a, b counting.Reading) bool {
	if a.Err != nil && b.Err != nil {
		return a.Err.Error() == b.Err.Error()
	}
	return a == b
}

// wakeUp wakes a watcher. A busy one checks again when it is ready.
func (w *watcher) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// watchBoard reads nodes and windows periodically until ctx ends.
func (s *Service) watchBoard(ctx context.Context) {
	for {
		s.updateNodes(ctx, s.Nodes(ctx))
		pause := BoardInterval
		windows, err := s.Windows(ctx, Windows)
		if err != nil {
			pause = errorInterval
		}
		s.updateWindows(ctx, windows, err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) updateNodes(ctx context.Context, nodes []watching.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || slices.Equal(s.nodes.value, nodes) {
		return
	}
	s.version++
	s.nodes = versioned[[]watching.Node]{nodes, s.version}
	s.wakeAll()
}

func (s *Service) updateWindows(ctx context.Context, list []publishing.Summary, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	before := s.version
	if err != nil {
		if s.windowsErr.value == nil {
			s.version++
			s.windowsErr = versioned[error]{err, s.version}
		}
		s.windows = nil // all are sent again when they are readable
	} else {
		kept := make(map[string]versioned[publishing.Summary], len(list))
		for _, sum := range list {
			w := s.windows[sum.ID]
			if w.value != sum {
				s.version++
				w = versioned[publishing.Summary]{sum, s.version}
			}
			kept[sum.ID] = w
		}
		s.windows, s.windowsErr = kept, versioned[error]{}
	}
	if s.version != before {
		s.wakeAll()
	}
}

func (s *Service) wakeAll() {
	for w := range s.watchers {
		w.wakeUp()
	}
}

// newsFor is what a watcher has not seen, and marks it as seen.
func (s *Service) newsFor(w *watcher) watching.News {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := watching.News{ID: s.name + "-" + strconv.FormatUint(s.version, 10)}
	for _, name := range w.pages {
		if p := s.pages[name]; p.version > w.seen {
			news.Pages = append(news.Pages, watching.Page{Page: name, Reading: p.value})
		}
	}
	for _, known := range s.windows {
		if known.version > w.seen {
			news.Windows = append(news.Windows, known.value)
		}
	}
	slices.SortFunc(news.Windows, func(a, b publishing.Summary) int { return b.Start.Compare(a.Start) })
	if s.windowsErr.version > w.seen {
		news.WindowsErr = s.windowsErr.value
	}
	if s.nodes.version > w.seen {
		news.Nodes = s.nodes.value
	}
	w.seen = s.version
	return news
}
