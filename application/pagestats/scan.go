package pagestats

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

const (
	// restFactor times as long as a call took, its server is not asked again: so scans take
	// 5 % of its time at most.
	restFactor = 19
	// retryPause is the least pause after a scan that failed.
	retryPause = time.Second
)

// errChanged ends a scan over which the ring has changed, or a node its server: what was
// read before may be elsewhere now.
var errChanged = errors.New("the ring has changed during the scan")

// run scans as long as callers want newer numbers than there are.
func (s *Service) run() {
	failing := false
	for {
		summaries := s.begin()
		if summaries == nil {
			return
		}
		began := time.Now()
		err := s.scan(summaries)
		if s.ctx.Err() != nil {
			continue // begin ends it
		}
		s.Scanned(time.Since(began), err)
		if !errors.Is(err, errChanged) {
			if err != nil && !failing {
				s.Log.Warn("scan of all pages failed, and is repeated while it is asked for", "error", err)
			}
			failing = err != nil
			s.deliver(began, summaries, err)
		}
		if err != nil {
			cluster.Pause(s.ctx, retryPause)
		}
	}
}

// begin returns empty summaries for the prefixes that are followed, or nil if no caller
// wants newer numbers: then the scans have ended. It forgets prefixes that are out of use, and
// servers that may be asked again.
func (s *Service) begin() map[string]*counting.PageSummary {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := false
	for prefix, f := range s.prefixes {
		idle := time.Since(f.asked)
		f.wanted = f.wanted && idle < Fresh
		wanted = wanted || f.wanted
		if prefix != "" && idle > forgotten {
			delete(s.prefixes, prefix)
		}
	}
	if !wanted || s.ctx.Err() != nil {
		s.scanning = false
		return nil
	}
	maps.DeleteFunc(s.rests, func(_ counting.NodeID, until time.Time) bool { return time.Since(until) > 0 })
	summaries := make(map[string]*counting.PageSummary)
	for prefix := range s.prefixes {
		summaries[prefix] = counting.NewPageSummary(prefix)
	}
	return summaries
}

// deliver stores the results of a scan, which began at a time, and wakes its callers.
func (s *Service) deliver(began time.Time, summaries map[string]*counting.PageSummary, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.took = time.Since(began)
	}
	for prefix, summary := range summaries {
		f := s.prefixes[prefix]
		if f == nil {
			continue
		}
		if err == nil {
			f.stats, f.err = summary.Stats(began.UTC().Truncate(time.Millisecond))
			f.known, f.wanted, f.failed = time.Now(), false, nil
		} else if f.wanted {
			f.failed = err
		}
		close(f.next)
		f.next = make(chan struct{})
	}
	if n, first := summaries[""].Corrupted(); n > 0 && err == nil {
		s.Log.Error("counts of pages are no numbers, so top and total can't be known: set or delete these pages", "pages", n, "first", first)
	}
}

// scan adds all pages to the summaries: each once, and none while it moves.
func (s *Service) scan(summaries map[string]*counting.PageSummary) error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	v := s.Cluster.View()
	servers := make(map[counting.NodeID][]int) // partitions of one server share its time
	for member, node := range v.Nodes {
		if !v.Away(member) { // its pages are on another node, or lost
			servers[node.Via()] = append(servers[node.Via()], member)
		}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for server, members := range servers {
		all.Go(func() {
			for _, member := range members {
				n := nodeScan{Service: s, table: v.Table(), member: member, server: server, take: func(pages []counting.Visit) {
					mu.Lock()
					defer mu.Unlock()
					for _, p := range pages {
						for _, summary := range summaries {
							summary.Add(p)
						}
					}
				}}
				if err := n.run(ctx); err != nil {
					cancel(err) // the first error stays
					return
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
