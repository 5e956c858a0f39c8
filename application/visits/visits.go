// Package visits records and reads the visits of pages. It routes each page by the
// ring to the node that owns it.
package visits

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// Service records and reads visits. Its methods are safe for concurrent use.
type Service struct {
	cluster *cluster.Cluster
}

// New makes a service on a cluster. The cluster must be started before any method
// is called.
func New(c *cluster.Cluster) *Service { return &Service{cluster: c} }

// Record counts n visits of a page, n at least 1, and returns when they are
// applied. Errors:
//   - counting.ErrUnavailable: they are not counted and never will be;
//   - counting.ErrInDoubt: they may be counted;
//   - counting.Overflow, counting.Corrupt: the node refused this page.
func (s *Service) Record(ctx context.Context, page counting.Page, n int64) error {
	return s.cluster.Send(ctx, func(_ context.Context, v *cluster.View) error { return v.SendVisit(page, n).Wait() })
}

// RecordAll records many visits, whose arcs need not be set. It returns an error
// for each, as Record does.
func (s *Service) RecordAll(ctx context.Context, visits []counting.Visit) []error {
	return s.cluster.SendAll(ctx, len(visits), func(v *cluster.View, i int) groupcommit.Ticket {
		return v.SendVisit(visits[i].Page, visits[i].Count)
	})
}

// SetAll sets or deletes the counts of pages; the arcs need not be set. It returns
// an error for each, as Record does, or counting.Moving: nothing was changed,
// because the page is moving between two nodes. counting.NoHistory: the page comes with one, and its node keeps none. An ErrUnavailable says which node it is,
// and why.
func (s *Service) SetAll(ctx context.Context, counts []counting.SetCount) []error {
	errs := s.cluster.SendAll(ctx, len(counts), func(v *cluster.View, i int) groupcommit.Ticket {
		return v.SendSetCount(counts[i], time.Time{})
	})
	v := s.cluster.View()
	for i, err := range errs {
		if errors.Is(err, counting.ErrUnavailable) {
			errs[i] = v.Nodes[v.Owner(v.Arc(counts[i].Page))].Unavailable()
		}
	}
	return errs
}

// Read returns the count of each page, in order. A reading whose Err is set has no
// count. Err is counting.ErrUnavailable or counting.Corrupt.
func (s *Service) Read(ctx context.Context, pages []counting.Page) []counting.Reading {
	if len(pages) == 1 {
		if reading, ok := readOne(s.cluster.View(), pages[0]); ok {
			return []counting.Reading{reading}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	readings := make([]counting.Reading, len(pages))
	for _, i := range s.cluster.RetryEach(ctx, len(pages), func(v *cluster.View, indexes []int) []int {
		return readFrom(ctx, v, pages, readings, indexes)
	}) {
		readings[i].Err = counting.ErrUnavailable
	}
	return readings
}

// readOne is the fast path of Read: one page, which is not moving, of a node that
// serves the view's epoch. ok is false for any other case.
func readOne(v *cluster.View, page counting.Page) (counting.Reading, bool) {
	arc := v.Arc(page)
	if v.Source(arc) != nil {
		return counting.Reading{}, false
	}
	node := v.Nodes[v.Owner(arc)]
	tally, err := node.Reads.Read(v.Epoch(), counting.Located{Arc: arc, Page: page})
	if errors.Is(err, counting.ErrStale) || errors.Is(err, counting.ErrAhead) {
		return counting.Reading{}, false
	}
	if err != nil {
		tally = counting.Tally{Err: counting.ErrUnavailable}
	}
	return counting.Reading{Tally: tally, Via: node.Via()}, true
}

// group names the nodes of some pages: their owner and, while their arcs are
// moving, the source, which is nil otherwise.
type group struct {
	source *cluster.Member
	owner  int
}

// readFrom reads pages by one view, from all their nodes concurrently. It returns
// the indexes of the pages whose node refused the view as stale.
func readFrom(ctx context.Context, v *cluster.View, pages []counting.Page, readings []counting.Reading, indexes []int) (over []int) {
	groups := make(map[group][]int)
	located := make(map[group][]counting.Located)
	for _, i := range indexes {
		arc := v.Arc(pages[i])
		g := group{v.Source(arc), v.Owner(arc)}
		groups[g] = append(groups[g], i)
		located[g] = append(located[g], counting.Located{Arc: arc, Page: pages[i]})
	}
	answers := cluster.Ask(ctx, cluster.CallTimeout, slices.Collect(maps.Keys(groups)), func(ctx context.Context, g group) ([]counting.Tally, error) {
		if g.source != nil {
			return readMoving(ctx, v, g, located[g])
		}
		owner := v.Nodes[g.owner]
		return cluster.ReadFrom(ctx, v, owner, func(e counting.Expected) ([]counting.Tally, error) { return owner.Read(ctx, e, located[g]) })
	})
	for _, a := range answers {
		if errors.Is(a.Err, counting.ErrStale) {
			over = append(over, groups[a.From]...)
			continue
		}
		for k, i := range groups[a.From] {
			readings[i] = counting.Reading{Tally: counting.Tally{Err: counting.ErrUnavailable}, Via: v.Nodes[a.From.owner].Via()}
			if a.Err == nil {
				readings[i].Tally = a.Value[k]
			}
		}
		if a.Err != nil {
			v.Nodes[a.From.owner].NoteRefused(len(groups[a.From]))
		}
	}
	return over
}
