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
	// Share is how many prefixes one client may have followed; 0 is no bound.
	Share int
	// Refused is called when a prefix is refused, because a client has its share or not.
	Refused func(share bool)
	// Scanned is called after each scan, with the time that it took. It may have failed.
	Scanned func(took time.Duration, err error)
	Log     *slog.Logger
}

// Service knows the numbers of pages by prefix. Its methods are safe for concurrent use.
type Service struct {
	Options
	ctx   context.Context
	stop  context.CancelFunc
	loops sync.WaitGroup

	mu       sync.Mutex
	rests    map[counting.NodeID]time.Time // when each server may be asked again
	scanning bool
	took     time.Duration // by the last scan that did not fail
	prefixes map[string]*followed
}

// followed is a prefix that callers ask for.
type followed struct {
	prefix string
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
	s := &Service{Options: o, rests: make(map[counting.NodeID]time.Time), prefixes: make(map[string]*followed)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.follow("", netip.Prefix{}) // it has its place always
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

// Stats are the numbers of the pages whose names begin with a prefix; the empty prefix is
// that of all pages. They are of a scan that ended at most Fresh ago or, while the next one
// runs and takes long, of the one before. Stats waits up to Wait for the first scan.
// client is the one that asks; the zero one has no share. Errors:
//   - counting.ErrScanning: the scan goes on, and the numbers are not known yet;
//   - counting.ErrPrefixShare, counting.ErrPrefixes: other prefixes have to be forgotten first,
//     which takes Fresh from the last call for one of them;
//   - sharding.ErrBusy: pages are moving between nodes;
//   - counting.Corrupt, counting.Missing, counting.ErrUnavailable: a page can't be read, so
//     that no number would be right.
func (s *Service) Stats(ctx context.Context, client netip.Prefix, prefix string) (counting.PageStats, error) {
	ctx, cancel := context.WithTimeout(ctx, Wait)
	defer cancel()
	for {
		stats, next, err := s.look(client, prefix)
		if next == nil {
			return stats, err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return counting.PageStats{}, counting.ErrScanning
		case <-s.ctx.Done():
			return counting.PageStats{}, counting.ErrUnavailable
		}
	}
}

// look returns what is known of a prefix, or what to wait for.
func (s *Service) look(client netip.Prefix, prefix string) (stats counting.PageStats, next <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return stats, nil, counting.ErrUnavailable
	}
	f := s.prefixes[prefix]
	if f == nil {
		if f, err = s.admit(client, prefix); err != nil {
			return stats, nil, err
		}
	}
	now := time.Now()
	age, idle := now.Sub(f.known), now.Sub(f.asked)
	f.asked = now
	if age < Fresh {
		return f.stats, nil, f.err
	}
	f.wanted = true
	switch {
	case !s.scanning: // a failure is of a scan long ago
		s.scanning = true
		for _, f := range s.prefixes {
			f.failed = nil
		}
		s.loops.Go(s.run)
	case f.failed != nil:
		return stats, nil, f.failed
	}
	if !f.known.IsZero() && idle < forgotten && s.took > quick {
		return f.stats, nil, f.err
	}
	return stats, f.next, nil
}

// admit follows one more prefix. It forgets another one if there are too many. Callers
// that change their prefix all the time take the places of each other, not those of
// clients that ask for the same ones. The caller holds the mutex.
func (s *Service) admit(client netip.Prefix, prefix string) (*followed, error) {
	own := 0
	for _, f := range s.prefixes {
		if client.IsValid() && f.client == client {
			own++
		}
	}
	share := s.Share > 0 && own >= s.Share
	if share || len(s.prefixes) > counting.MaxPrefixes {
		var oldest *followed
		for _, f := range s.prefixes {
			if share && f.client != client || f.wanted || f.prefix == "" || time.Since(f.asked) < Fresh {
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
		delete(s.prefixes, oldest.prefix)
	}
	return s.follow(prefix, client), nil
}

func (s *Service) follow(prefix string, client netip.Prefix) *followed {
	f := &followed{prefix: prefix, client: client, next: make(chan struct{})}
	s.prefixes[prefix] = f
	return f
}
