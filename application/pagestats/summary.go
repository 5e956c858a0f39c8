package pagestats

import (
	"cmp"
	"sync"
	"time"

	"footfall/domain/counting"
	"footfall/domain/timeline"
)

// summary is that of a query. Nodes add to it concurrently.
type summary struct {
	mu sync.Mutex
	*counting.PageSummary
	err   error     // for which a period can't be known
	since time.Time // as in counting.PageStats
}

// add adds pages of a node to summaries. Periods end at a time.
func add(at time.Time, summaries map[counting.PageQuery]*summary, l counting.HistoryList) {
	found := make(map[time.Duration]*ranked)
	for q := range summaries {
		found[q.Period] = &ranked{}
	}
	rank(at, found, l)
	for q, s := range summaries {
		f := found[q.Period]
		s.mu.Lock()
		s.err = cmp.Or(s.err, f.err)
		if f.since.After(s.since) {
			s.since = f.since
		}
		for _, v := range f.visits {
			s.Add(v)
		}
		s.mu.Unlock()
	}
}

// ranked are pages with their visits in a period, those without one left out. The number is -1 if that can't be
// known. err is timeline.ErrNoHistory or timeline.ErrResolution.
type ranked struct {
	visits []counting.Visit
	since  time.Time
	err    error
}

// rank finds the pages of a list by each period until some time, 0 being all time. A history is read once for all.
func rank(at time.Time, periods map[time.Duration]*ranked, l counting.HistoryList) {
	none, err := timeline.Read(counting.PageHistory{State: l.State}, at)
	rolling := false
	for length, r := range periods {
		switch {
		case length == 0:
			r.visits = l.Pages
		case err != nil:
			r.err = err
		default:
			var p timeline.Period
			p, r.err = none.Rolling(length)
			r.since = p.Since
			rolling = rolling || r.err == nil
		}
	}
	if !rolling {
		return
	}
	for i, page := range l.Pages {
		kept, err := timeline.Read(l.Of(i), at)
		for length, r := range periods {
			if length == 0 || r.err != nil {
				continue
			}
			n := int64(-1)
			if err == nil {
				p, _ := kept.Rolling(length) // it is kept for long enough: see none
				n = p.Visits
			}
			if n != 0 {
				r.visits = append(r.visits, counting.Visit{Arc: page.Arc, Page: page.Page, Count: n})
			}
		}
	}
}

// stats are the numbers of a scan that began at a time.
func (s *summary) stats(began time.Time) (counting.PageStats, error) {
	if s.err != nil {
		return counting.PageStats{}, s.err
	}
	stats, err := s.Stats(began.UTC().Truncate(time.Millisecond))
	stats.Since = s.since
	return stats, err
}
