package pagestats

import (
	"cmp"
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
		err := s.scan(began, summaries)
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

// begin returns empty summaries for the queries that are followed, or nil if no caller
// wants newer numbers: then the scans have ended. It leaves out periods if no caller wants one: histories
// take longer to read. It forgets queries that are out of use, and servers that may be asked again.
func (s *Service) begin() map[counting.PageQuery]*summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted, histories := false, false
	for q, f := range s.queries {
		idle := time.Since(f.asked)
		f.wanted = f.wanted && idle < Fresh
		wanted, histories = wanted || f.wanted, histories || f.wanted && q.Period > 0
		if q != (counting.PageQuery{}) && idle > forgotten {
			delete(s.queries, q)
		}
	}
	if !wanted || s.ctx.Err() != nil {
		s.scanning = false
		return nil
	}
	s.began = time.Now()
	maps.DeleteFunc(s.rests, func(_ counting.NodeID, until time.Time) bool { return time.Since(until) > 0 })
	summaries := make(map[counting.PageQuery]*summary)
	for q := range s.queries {
		if q.Period == 0 || histories {
			summaries[q] = &summary{PageSummary: counting.NewPageSummary(q.Prefix)}
		}
	}
	return summaries
}

// deliver stores the results of a scan, which began at a time, and wakes its callers.
func (s *Service) deliver(began time.Time, summaries map[counting.PageQuery]*summary, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.took = time.Since(began)
	}
	for q, summary := range summaries {
		f := s.queries[q]
		if f == nil {
			continue
		}
		if err == nil {
			f.stats, f.err = summary.stats(began)
			f.known, f.wanted, f.failed = time.Now(), false, nil
		} else if f.wanted {
			f.failed = err
		}
		close(f.next)
		f.next = make(chan struct{})
	}
	if err == nil {
		s.logCorrupt(summaries)
	}
}

// logCorrupt logs pages that make numbers unknown.
func (s *Service) logCorrupt(summaries map[counting.PageQuery]*summary) {
	if n, first := summaries[counting.PageQuery{}].Corrupted(); n > 0 {
		s.Log.Error("counts of pages are no numbers, so top and total can't be known: set or delete these pages", "pages", n, "first", first)
		return
	}
	for q, summary := range summaries {
		if n, first := summary.Corrupted(); n > 0 {
			s.Log.Error("histories of pages can't be read, so the top of a period can't be known: set or delete these pages", "prefix", q.Prefix, "pages", n, "first", first)
			return
		}
	}
}

// scan adds all pages to the summaries: each once, and none while it moves. Periods end when it began, and are not
// known where clocks disagree about that.
func (s *Service) scan(began time.Time, summaries map[counting.PageQuery]*summary) error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	var clocks error
	v := s.Cluster.View()
	servers := make(map[counting.NodeID][]int) // partitions of one server share its time
	for member, node := range v.Nodes {
		if !v.Away(member) { // its pages are on another node, or lost
			servers[node.Via()] = append(servers[node.Via()], member)
			clocks = cmp.Or(clocks, node.CheckClock())
		}
	}
	histories := false
	for q, summary := range summaries {
		if q.Period > 0 {
			histories, summary.err = true, clocks
		}
	}
	var all sync.WaitGroup
	for server, members := range servers {
		all.Go(func() {
			for _, member := range members {
				n := nodeScan{
					Service: s, table: v.Table(), member: member, server: server,
					histories: histories, take: func(l counting.HistoryList) { add(began, summaries, l) },
				}
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
