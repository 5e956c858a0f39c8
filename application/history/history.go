// Package history shows when the visits of pages came, and has the nodes keep that (design:
// history).
package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/timeline"
)

// Options of a Service. The functions may be nil.
type Options struct {
	Cluster *cluster.Cluster
	// Setting is that of a deployment whose nodes have none. The zero setting begins no history.
	Setting counting.HistorySetting
	Log     *slog.Logger
	// Compacted is called after every call that compacts a part of a node.
	Compacted func(node counting.NodeID, took time.Duration, err error)
	// Dropped is called when a node without room has dropped its oldest history.
	Dropped func(node counting.NodeID)
}

// Service shows history, and tends that of the nodes in the background. Its methods are safe
// for concurrent use.
type Service struct {
	Options

	ctx    context.Context // of the background work; ends with Stop
	cancel context.CancelFunc
	work   sync.WaitGroup

	off chan struct{} // receives when history is turned off

	mu     sync.Mutex
	states map[counting.NodeID]counting.HistoryState // as of the last round
	logged string                                    // the setting in the last line about another one
}

// New makes a service on a cluster. The cluster must be started before any other method is
// called.
func New(o Options) *Service {
	if o.Compacted == nil {
		o.Compacted = func(counting.NodeID, time.Duration, error) {}
	}
	if o.Dropped == nil {
		o.Dropped = func(counting.NodeID) {}
	}
	s := &Service{Options: o, off: make(chan struct{}, 1), states: make(map[counting.NodeID]counting.HistoryState)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Timelines are the histories of pages over a range, each at one moment. Errors of pages:
//   - timeline.ErrNoHistory, timeline.ErrResolution;
//   - counting.Corrupt, counting.Missing;
//   - counting.ErrUnavailable, also if the clocks of the node and of this instance disagree: it is not known what has
//     expired, and what the last hours are.
func (s *Service) Timelines(ctx context.Context, pages []counting.Page, r timeline.Range) []timeline.Timeline {
	all := make([]timeline.Timeline, len(pages))
	s.each(ctx, pages, func(ctx context.Context, i int) {
		h, _, err := s.read(ctx, pages[i])
		if err == nil {
			all[i], err = r.Count(h, time.Now())
		}
		all[i].Err = err
	})
	return all
}

// Rolling reads pages, each at one moment, with their visits of the last time of some
// length. Their errors are those of Timelines.
func (s *Service) Rolling(ctx context.Context, pages []counting.Page, length time.Duration) []timeline.Rolled {
	all := make([]timeline.Rolled, len(pages))
	s.each(ctx, pages, func(ctx context.Context, i int) {
		h, via, err := s.read(ctx, pages[i])
		all[i].Via, all[i].Visits = via, h.Visits
		var kept timeline.Kept
		if err == nil {
			kept, err = timeline.Read(h, time.Now())
		}
		if err == nil {
			all[i].Period, err = kept.Rolling(length)
		}
		all[i].Err = err
	})
	return all
}

const (
	// atOnce bounds the pages of one call that are read concurrently from a node.
	atOnce = 16
	// longest bounds the time of all pages of a call.
	longest = 2 * cluster.CallTimeout
)

// each calls do with the index of each page; the context of the last ones may have ended. The pages of a node that does
// not answer hold up no others.
func (s *Service) each(ctx context.Context, pages []counting.Page, do func(ctx context.Context, i int)) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	v := s.Cluster.View()
	owned := make([][]int, len(v.Nodes)) // indexes
	for i, p := range pages {
		owner := v.Owner(v.Arc(p))
		owned[owner] = append(owned[owner], i)
	}
	var doing sync.WaitGroup
	for _, indexes := range owned {
		next := make(chan int, len(indexes))
		for _, i := range indexes {
			next <- i
		}
		close(next)
		for range min(atOnce, len(indexes)) {
			doing.Go(func() {
				for i := range next {
					do(ctx, i)
				}
			})
		}
	}
	doing.Wait()
}

// read reads the history of a page, by newer rings where a view is over. via is what has
// the page.
func (s *Service) read(ctx context.Context, page counting.Page) (h counting.PageHistory, via counting.NodeID, err error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	err = s.Cluster.Retry(ctx, 0, func(v *cluster.View) (err error) {
		owner := v.Nodes[v.Owner(v.Arc(page))]
		via = owner.Via()
		h, err = readFrom(ctx, v, owner, page)
		switch {
		case err == nil || errors.Is(err, counting.ErrStale) || errors.Is(err, timeline.ErrNoHistory):
		case errors.Is(err, counting.Missing) || errors.Is(err, counting.Corrupt):
		default:
			owner.NoteRefused(1)
			err = counting.Mark(cluster.Named(owner.ID(), err), counting.ErrUnavailable)
		}
		return err
	})
	if err == nil {
		err = h.Err
	}
	return h, via, err
}

// readFrom reads a page by one view. While its arc moves, that is from the source first and the
// destination second (counting.JoinHistory).
func readFrom(ctx context.Context, v *cluster.View, owner *cluster.Member, page counting.Page) (h counting.PageHistory, err error) {
	located := counting.Located{Arc: v.Arc(page), Page: page}
	read := func(m *cluster.Member) (counting.PageHistory, error) {
		if m.Histories == nil {
			return counting.PageHistory{}, fmt.Errorf("%w by node %s", timeline.ErrNoHistory, m.ID())
		}
		if err := m.CheckClock(); err != nil {
			return counting.PageHistory{}, err
		}
		return cluster.ReadFrom(ctx, v, m, func(e counting.Expected) (counting.PageHistory, error) { return m.ReadHistory(ctx, e, located) })
	}
	source := v.Source(located.Arc)
	if source == nil {
		return read(owner)
	}
	there, err := read(source)
	var gap *counting.GapError
	if errors.As(err, &gap) { // what the destination has is read there alone
		there, err = counting.PageHistory{Part: counting.Part{Err: counting.ErrUnavailable}}, nil
	}
	if err != nil {
		return h, err
	}
	here, err := read(owner)
	if err != nil {
		return h, err
	}
	if here.Closed {
		v.Arrived(located.Arc)
	}
	return counting.JoinHistory(there, here), nil
}
