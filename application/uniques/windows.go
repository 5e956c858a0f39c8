package uniques

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// Windows returns the newest windows, newest first, at most limit: those of
// the ledger, and those that wait to be closed or are current, with their live
// count. It is counting.ErrUnavailable when a node is away: the list would lack
// something.
func (s *Service) Windows(ctx context.Context, limit int) ([]publishing.Summary, error) {
	v := s.Cluster.View()
	// First those that wait, then the ledger: one that is finished in between
	// is in both, rather than in neither.
	waiting, current, err := attend(ctx, v)
	var mu sync.Mutex
	entries := make(map[counting.Window]counting.Entry)
	add := func(e counting.Entry) {
		if kept, ok := entries[e.Window]; !ok || e.Supersedes(kept) {
			entries[e.Window] = e
		}
	}
	listErr := v.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error {
		some, err := m.Entries(ctx, math.MaxInt64, limit)
		mu.Lock()
		defer mu.Unlock()
		for _, e := range some {
			add(e)
		}
		return err
	})
	if err = cmp.Or(err, listErr); err != nil {
		s.Log.Warn("can't list the windows", "error", err)
		return nil, counting.ErrUnavailable
	}
	// The ledger has a window from its first claim on.
	for _, w := range append(waiting, current...) {
		add(counting.Entry{Window: w, State: counting.Open})
	}
	newest := slices.SortedFunc(maps.Values(entries), func(a, b counting.Entry) int { return cmp.Compare(b.Window, a.Window) })
	newest = newest[:min(max(limit, 0), len(newest))]
	summaries := make([]publishing.Summary, 0, len(newest))
	for _, e := range newest {
		summary, err := s.summarize(ctx, v, e)
		if err != nil {
			s.Log.Warn("can't list the windows", "error", err)
			return nil, counting.ErrUnavailable
		}
		summaries = append(summaries, summary)
	}
	return summaries, nil
}

// Calls returns one window, by its id, with what is known of each endpoint.
// Errors: counting.ErrBadWindow, also for a window of which nothing is known;
// counting.ErrUnavailable.
func (s *Service) Deliveries(ctx context.Context, id string) (publishing.Summary, map[string]counting.Delivery, error) {
	v := s.Cluster.View()
	w, err := v.Length().Parse(id)
	if err != nil {
		return publishing.Summary{}, nil, err
	}
	// As in Windows, first those that wait: one that is finished in between has
	// an entry.
	waiting, current, attendErr := attend(ctx, v)
	summary, calls, err := s.show(ctx, v, w)
	switch {
	case errors.Is(err, counting.Corrupt):
		return damaged(v, counting.Entry{Window: w}), nil, nil
	case err != nil:
		s.Log.Warn("can't show the window", "window", id, "error", err)
		return publishing.Summary{}, nil, counting.ErrUnavailable
	case summary.State != counting.Open, slices.Contains(waiting, w), slices.Contains(current, w):
	case attendErr != nil:
		s.Log.Warn("can't show the window", "window", id, "error", attendErr)
		return publishing.Summary{}, nil, counting.ErrUnavailable
	case summary.Count == 0, w < slices.Min(current) && len(waiting) < counting.MaxWaiting:
		// Also one that is over, whose entry a node had that was given up.
		return publishing.Summary{}, nil, fmt.Errorf("%w: nothing is known of %s", counting.ErrBadWindow, id)
	}
	return summary, calls, nil
}

// show asks the nodes for one window with its endpoints.
func (s *Service) show(ctx context.Context, v *cluster.View, w counting.Window) (publishing.Summary, map[string]counting.Delivery, error) {
	entry, known, err := find(ctx, v, w)
	if err != nil {
		return publishing.Summary{}, nil, err
	}
	summary, err := s.summarize(ctx, v, entry)
	if err != nil {
		return publishing.Summary{}, nil, err
	}
	// Calls are kept for longer than the endpoints they were made to.
	endpoints, err := endpointsOf(ctx, v, w)
	calls := make(map[string]counting.Delivery, len(known)+len(endpoints))
	for _, e := range endpoints {
		calls[string(e)] = counting.Delivery{}
	}
	maps.Copy(calls, known)
	return summary, calls, err
}

// find returns the entry of a window, whichever node has it, with its calls: the
// ring may have changed since the window was done, so that its home was another.
func find(ctx context.Context, v *cluster.View, w counting.Window) (counting.Entry, map[string]counting.Delivery, error) {
	var mu sync.Mutex
	found := counting.FullEntry{Entry: counting.Entry{Window: w, State: counting.Open}}
	err := v.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error {
		e, calls, err := m.Entry(ctx, w)
		if errors.Is(err, counting.Corrupt) {
			e, err = counting.Entry{Window: w, State: counting.Damaged}, nil
		}
		mu.Lock()
		defer mu.Unlock()
		if err == nil && e.Supersedes(found.Entry) {
			found = counting.FullEntry{Entry: e, ByEndpoint: calls}
		}
		return err
	})
	if err == nil && found.State == counting.Damaged {
		err = counting.Corrupt
	}
	return found.Entry, found.ByEndpoint, err
}

// callsOf are the calls of a window that is being closed, from its home.
func callsOf(ctx context.Context, home *cluster.Member, w counting.Window) (map[string]counting.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	_, calls, err := home.Entry(ctx, w)
	return calls, err
}

// summarize adds to an entry what is only known by asking the nodes. A window
// of which something can't be read is shown as damaged, without a number.
func (s *Service) summarize(ctx context.Context, v *cluster.View, e counting.Entry) (publishing.Summary, error) {
	sum, err := s.ask(ctx, v, e)
	if errors.Is(err, counting.Corrupt) {
		return damaged(v, e), nil
	}
	return sum, err
}

func damaged(v *cluster.View, e counting.Entry) publishing.Summary {
	e.Count = 0
	return publishing.Summary{Report: reportOf(v, e), State: counting.Damaged, Sink: e.Sink}
}

// ask finds the count of a window that is open, and the calls of one that may
// have more of them.
func (s *Service) ask(ctx context.Context, v *cluster.View, e counting.Entry) (publishing.Summary, error) {
	sum := publishing.Summary{State: e.State, Sink: e.Sink, Deliveries: e.Deliveries}
	if e.State == counting.Open {
		var count atomic.Int64
		err := v.Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error {
			n, err := m.Distinct(ctx, e.Window)
			count.Add(n)
			return err
		})
		if err != nil {
			return sum, err
		}
		e.Count = count.Load()
	}
	switch e.State {
	case counting.Open, counting.Sealed, counting.Published:
		endpoints, err := endpointsOf(ctx, v, e.Window)
		if err != nil {
			return sum, err
		}
		calls, err := callsOf(ctx, v.Home(e.Window), e.Window)
		if err != nil {
			return sum, err
		}
		sum.Deliveries = totals(len(endpoints), calls)
	}
	sum.Report = reportOf(v, e)
	return sum, nil
}
