// Package pagestats finds the most visited pages, and sums of pages, by scans of all nodes
// in the background. All callers of an instance share a scan, which costs a node little,
// and its results. Nothing is scanned unless a caller asks.
package pagestats

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

const (
	// Fresh is how long after a scan its results are answered without another one.
	Fresh = time.Minute
	// Wait is how long a caller waits for a scan.
	Wait = 5 * time.Second
	// quick is the longest scan for which callers wait although there are older results.
	quick = time.Second
	// forgotten is how long after the last call for a prefix its results are out of use.
	forgotten = 5 * time.Minute
)

// Options of a Service.
type Options struct {
	Cluster *cluster.Cluster
	// Share is how many queries one client may have followed; 0 is no bound.
	Share int
	// Refused is called when a query is refused, because a client has its share or not.
	Refused func(share bool)
	// Scanned is called after each scan, with the time that it took. It may have failed.
	Scanned func(took time.Duration, err error)
	Log     *slog.Logger
}

// Service knows the numbers of pages by query. Its methods are safe for concurrent use.
type Service struct {
	Options
	ctx   context.Context
	stop  context.CancelFunc
	loops sync.WaitGroup

	mu       sync.Mutex
	rests    map[counting.NodeID]time.Time // when each server may be asked again
	scanning bool
	began    time.Time     // the last scan
	took     time.Duration // by the last scan that did not fail
	queries  map[counting.PageQuery]*followed
}

// followed is a query that callers make.
type followed struct {
	query  counting.PageQuery
	client netip.Prefix  // the first that asked
	asked  time.Time     // the last time
	wanted bool          // a caller asks for newer numbers than there are
	failed error         // of the last scan, which callers wanted
	next   chan struct{} // closed when the next scan for it has ended
	// known is when a scan has found stats, or that a page is corrupt: err. Zero before.
	known time.Time
	stats counting.PageStats
	err   error
}

// New makes a service; Stop ends it.
func New(o Options) *Service {
	s := &Service{Options: o, rests: make(map[counting.NodeID]time.Time), queries: make(map[counting.PageQuery]*followed)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.follow(counting.PageQuery{}, netip.Prefix{}) // it has its place always
	return s
}

// Stop ends the scan, and returns when it has ended.
func (s *Service) Stop(context.Context) error {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.loops.Wait()
	return nil
}

// Stats are the numbers of the pages of a query. They are of a scan that ended at most Fresh ago or, while the next one
// runs and takes long, of the one before. Stats waits up to Wait for the first scan, and for a later one as long as a
// quick one takes.
// client is the one that asks; the zero one has no share. Errors:
//   - counting.ErrScanning: the scan goes on, and the numbers are not known yet;
//   - counting.ErrPrefixShare, counting.ErrPrefixes: other prefixes, or periods of them, have to be
//     forgotten first, which takes Fresh from the last call for one of them;
//   - timeline.ErrNoHistory, timeline.ErrResolution: of a period;
//   - sharding.ErrBusy: pages are moving between nodes;
//   - counting.Corrupt, counting.Missing, counting.ErrUnavailable: a page can't be read, so
//     that no number would be right.
func (s *Service) Stats(ctx context.Context, client netip.Prefix, q counting.PageQuery) (counting.PageStats, error) {
	ctx, cancel := context.WithTimeout(ctx, Wait)
	defer cancel()
	slow, waited := time.After(quick), false
	for {
		stats, next, err := s.look(client, q, waited)
		if next == nil {
			return stats, err
		}
		select {
		case <-next:
		case <-slow:
			waited = true
		case <-ctx.Done():
			return counting.PageStats{}, counting.ErrScanning
		case <-s.ctx.Done():
			return counting.PageStats{}, counting.ErrUnavailable
		}
	}
}

// look returns what is known of a query, or what to wait for. Older numbers will do for a caller that has waited.
func (s *Service) look(client netip.Prefix, q counting.PageQuery, waited bool) (stats counting.PageStats, next <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return stats, nil, counting.ErrUnavailable
	}
	f := s.queries[q]
	if f == nil {
		if f, err = s.admit(client, q); err != nil {
			return stats, nil, err
		}
	}
	now := time.Now()
	age, idle := now.Sub(f.known), now.Sub(f.asked)
	f.asked = now
	if idle > forgotten {
		f.known = time.Time{}
	} else if age < Fresh {
		return f.stats, nil, f.err
	}
	f.wanted = true
	switch {
	case !s.scanning: // a failure is of a scan long ago
		s.scanning, s.began = true, now
		for _, f := range s.queries {
			f.failed = nil
		}
		s.loops.Go(s.run)
	case f.failed != nil:
		return stats, nil, f.failed
	}
	if !f.known.IsZero() && (waited || max(s.took, now.Sub(s.began)) > quick) {
		return f.stats, nil, f.err
	}
	return stats, f.next, nil
}

// admit follows one more query. It forgets another one if there are too many. Callers
// that change their query all the time take the places of each other, not those of
// clients that ask for the same ones. The caller holds the mutex.
func (s *Service) admit(client netip.Prefix, q counting.PageQuery) (*followed, error) {
	own := 0
	for _, f := range s.queries {
		if client.IsValid() && f.client == client {
			own++
		}
	}
	share := s.Share > 0 && own >= s.Share
	if share || len(s.queries) > counting.MaxPrefixes {
		var oldest *followed
		for _, f := range s.queries {
			if share && f.client != client || f.wanted || f.query == (counting.PageQuery{}) || time.Since(f.asked) < Fresh {
				continue
			}
			if oldest == nil || f.asked.Before(oldest.asked) {
				oldest = f
			}
		}
		if oldest == nil {
			s.Refused(share)
			if share {
				return nil, counting.ErrPrefixShare
			}
			return nil, counting.ErrPrefixes
		}
		delete(s.queries, oldest.query)
	}
	return s.follow(q, client), nil
}

func (s *Service) follow(q counting.PageQuery, client netip.Prefix) *followed {
	f := &followed{query: q, client: client, next: make(chan struct{})}
	s.queries[q] = f
	return f
}
