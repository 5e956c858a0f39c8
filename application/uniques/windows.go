package uniques

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// Windows returns the newest windows, as List does.
func (s *Service) Windows(ctx context.Context, limit int) ([]publishing.Summary, error) {
	newest, _, err := s.List(ctx, publishing.Span{}, limit)
	return newest, err
}

// List returns the windows of a span, newest first, at most limit: those of the ledgers,
// and those that wait or are current, with their present count. more reports whether there
// are others, which are older: a list of the span that ends where the last window starts
// has them, whatever the ring is by then. The error is counting.ErrUnavailable if a node is
// away, since the list would be incomplete.
func (s *Service) List(ctx context.Context, span publishing.Span, limit int) (newest []publishing.Summary, more bool, err error) {
	v := s.Cluster.View()
	first, end := windowsOf(v.Length(), span)
	// First the waiting ones, then the ledgers: a window that is finished in
	// between is in both, rather than in neither.
	waiting, current, err := heartbeat(ctx, v)
	if len(waiting) >= counting.MaxWaiting { // nodes may have listed the oldest alone
		all, allErr := cluster.Gather(ctx, v.Present(), func(ctx context.Context, m *cluster.Member) ([]counting.Window, error) {
			return m.Waiting(ctx, end, limit+1)
		})
		waiting, err = slices.Concat(append(all, waiting)...), cmp.Or(err, allErr)
	}
	entries := make(map[counting.Window]counting.Entry)
	add := func(e counting.Entry) {
		if kept, ok := entries[e.Window]; e.Window >= first && e.Window < end && (!ok || e.Supersedes(kept)) {
			entries[e.Window] = e
		}
	}
	ledgers, listErr := cluster.Gather(ctx, v.Present(), func(ctx context.Context, m *cluster.Member) ([]counting.Entry, error) {
		return m.Entries(ctx, end, limit+1)
	})
	if err = cmp.Or(err, listErr); err != nil {
		s.Log.Warn("list windows failed", "error", err)
		return nil, false, counting.ErrUnavailable
	}
	for _, e := range slices.Concat(ledgers...) {
		add(e)
	}
	// A ledger has a window only after its first claim.
	for _, w := range append(waiting, current...) {
		add(counting.Entry{Window: w, State: counting.Open})
	}
	all := slices.SortedFunc(maps.Values(entries), func(a, b counting.Entry) int { return cmp.Compare(b.Window, a.Window) })
	listed := min(max(limit, 0), len(all))
	newest = make([]publishing.Summary, 0, listed)
	for _, e := range all[:listed] {
		summary, err := s.summarize(ctx, v, e)
		if err != nil {
			s.Log.Warn("list windows failed", "error", err)
			return nil, false, counting.ErrUnavailable
		}
		newest = append(newest, summary)
	}
	return newest, len(all) > listed, nil
}

// windowsOf are the first window of a span, and the first one after it.
func windowsOf(l counting.WindowLength, span publishing.Span) (first, end counting.Window) {
	// from is the first window that starts at a time or later.
	from := func(t time.Time) counting.Window {
		w := l.At(t)
		if l.Start(w).Before(t) {
			w++
		}
		return w
	}
	first, end = math.MinInt64, math.MaxInt64
	if !span.From.IsZero() {
		first = from(span.From)
	}
	if !span.To.IsZero() {
		end = from(span.To)
	}
	return first, end
}

// Deliveries returns one window, by its id, with the state of each endpoint. Errors:
// counting.ErrBadWindow, also for an unknown window; counting.ErrUnavailable.
func (s *Service) Deliveries(ctx context.Context, id string) (publishing.Summary, map[string]counting.Delivery, error) {
	v := s.Cluster.View()
	w, err := v.ParseWindowID(id)
	if err != nil {
		return publishing.Summary{}, nil, err
	}
	// As in Windows, first the waiting ones: a window that is finished in between
	// has an entry.
	waiting, current, heartbeatErr := heartbeat(ctx, v)
	summary, calls, err := s.show(ctx, v, w)
	switch {
	case errors.Is(err, counting.Corrupt):
		return damaged(v, counting.Entry{Window: w}), nil, nil
	case err != nil:
		return publishing.Summary{}, nil, counting.Mark(err, counting.ErrUnavailable)
	case summary.State != counting.Open, slices.Contains(waiting, w), slices.Contains(current, w):
	case heartbeatErr != nil:
		return publishing.Summary{}, nil, counting.Mark(heartbeatErr, counting.ErrUnavailable)
	case summary.Count == 0, w < slices.Min(current) && len(waiting) < counting.MaxWaiting:
		// Also a window whose entry was on an abandoned node.
		return publishing.Summary{}, nil, fmt.Errorf("%w: nothing is known of %s", counting.ErrBadWindow, id)
	}
	return summary, calls, nil
}

// show asks the nodes for one window and its endpoints.
func (s *Service) show(ctx context.Context, v *cluster.View, w counting.Window) (publishing.Summary, map[string]counting.Delivery, error) {
	entry, known, err := find(ctx, v, w)
	if err != nil {
		return publishing.Summary{}, nil, err
	}
	summary, err := s.summarize(ctx, v, entry)
	if err != nil {
		return publishing.Summary{}, nil, err
	}
	// Deliveries are stored for longer than the endpoints.
	endpoints, err := endpointsOf(ctx, v, w)
	calls := make(map[string]counting.Delivery, len(known)+len(endpoints))
	for _, e := range endpoints {
		calls[e] = counting.Delivery{}
	}
	maps.Copy(calls, known)
	return summary, calls, err
}

// find returns the entry of a window with its deliveries. It asks all nodes, since the
// ring may have changed after the window was done.
func find(ctx context.Context, v *cluster.View, w counting.Window) (counting.Entry, map[string]counting.Delivery, error) {
	answers, err := cluster.Gather(ctx, v.Present(), func(ctx context.Context, m *cluster.Member) (counting.FullEntry, error) {
		e, deliveries, err := m.Entry(ctx, w)
		if errors.Is(err, counting.Corrupt) {
			e, err = counting.Entry{Window: w, State: counting.Damaged}, nil
		}
		return counting.FullEntry{Entry: e, ByEndpoint: deliveries}, err
	})
	found := counting.FullEntry{Entry: counting.Entry{Window: w, State: counting.Open}}
	for _, e := range answers {
		if e.Supersedes(found.Entry) {
			found = e
		}
	}
	if err == nil && found.State == counting.Damaged {
		err = counting.Corrupt
	}
	return found.Entry, found.ByEndpoint, err
}

// summarize makes the summary of an entry; it asks the nodes for what the entry lacks. A
// window with a corrupt part is damaged, without a count.
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

// ask asks for the count of an open window, and for the deliveries of a window that is
// not done.
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
		calls, err := v.Home(e.Window).Deliveries(ctx, e.Window)
		if err != nil {
			return sum, err
		}
		sum.Deliveries = totals(len(endpoints), calls)
	}
	sum.Report = reportOf(v, e)
	return sum, nil
}
