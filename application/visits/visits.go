// Package visits records and reads the visits of pages: it routes each page by
// the ring to the node that has it.
package visits

import (
	"context"
	"errors"

	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// Service records and reads. Its methods are safe for concurrent use.
type Service struct {
	cluster *cluster.Cluster
}

// New makes a service on a cluster, which must have been started when the
// methods are called.
func New(c *cluster.Cluster) *Service { return &Service{cluster: c} }

// Record counts n visits of a page, n at least 1, and returns when they are
// applied. Errors: counting.ErrUnavailable, they are not counted and never
// will be; counting.ErrInDoubt; counting.Overflow and counting.Corrupt, this
// page was refused.
func (s *Service) Record(ctx context.Context, page counting.Page, n int64) error {
	v := s.cluster.View()
	ticket, err := send(v, page, n)
	if err == nil {
		err = ticket.Wait()
	}
	if errors.Is(err, groupcommit.ErrMoved) {
		return s.recordMoved(ctx, v.Epoch(), counting.Visit{Page: page, Count: n})
	}
	return err
}

// send adds visits to the next batch of the node that has the page by a view.
func send(v *cluster.View, page counting.Page, n int64) (groupcommit.Ticket, error) {
	arc := v.Arc(page)
	return v.Nodes[v.Owner(arc)].Visit(v.Epoch(), arc, page, n)
}

// RecordAll records many visits, whose arcs need not be set, and returns an
// error for each as Record does.
func (s *Service) RecordAll(ctx context.Context, visits []counting.Visit) []error {
	v := s.cluster.View()
	errs := make([]error, len(visits))
	tickets := make([]groupcommit.Ticket, len(visits))
	for i, visit := range visits {
		tickets[i], errs[i] = send(v, visit.Page, visit.Count)
	}
	for i := range visits {
		if errs[i] == nil {
			errs[i] = tickets[i].Wait()
		}
		if errors.Is(errs[i], groupcommit.ErrMoved) {
			errs[i] = s.recordMoved(ctx, v.Epoch(), visits[i])
		}
	}
	return errs
}

// SetAll gives pages counts, or forgets them, whatever they had; the arcs need
// not be set. It returns an error for each as Record does, or counting.Moving:
// nothing was changed, since the page is on its way between two nodes.
func (s *Service) SetAll(ctx context.Context, settings []counting.SetCount) []error {
	v := s.cluster.View()
	errs := make([]error, len(settings))
	tickets := make([]groupcommit.Ticket, len(settings))
	for i, to := range settings {
		tickets[i], errs[i] = sendSetting(v, to)
	}
	for i := range settings {
		if errs[i] == nil {
			errs[i] = tickets[i].Wait()
		}
		if errors.Is(errs[i], groupcommit.ErrMoved) {
			errs[i] = s.sendMoved(ctx, v.Epoch(), func(v *cluster.View) (groupcommit.Ticket, error) { return sendSetting(v, settings[i]) })
		}
	}
	return errs
}

func sendSetting(v *cluster.View, to counting.SetCount) (groupcommit.Ticket, error) {
	to.Arc = v.Arc(to.Page)
	return v.Nodes[v.Owner(to.Arc)].Set(v.Epoch(), to)
}

func (s *Service) recordMoved(ctx context.Context, epoch counting.Epoch, visit counting.Visit) error {
	return s.sendMoved(ctx, epoch, func(v *cluster.View) (groupcommit.Ticket, error) { return send(v, visit.Page, visit.Count) })
}

// sendMoved sends what was routed by a ring that is over, once the next one is
// known.
func (s *Service) sendMoved(ctx context.Context, epoch counting.Epoch, send func(*cluster.View) (groupcommit.Ticket, error)) error {
	ctx, cancel := context.WithTimeout(ctx, groupcommit.Deadline)
	defer cancel()
	for {
		if s.cluster.Follow(ctx, epoch) != nil {
			return counting.ErrUnavailable
		}
		v := s.cluster.View()
		ticket, err := send(v)
		if err == nil {
			err = ticket.Wait()
		}
		if !errors.Is(err, groupcommit.ErrMoved) {
			return err
		}
		epoch = v.Epoch()
	}
}

// Read returns what is counted for each page, in order. A reading whose Err
// is set has no number: counting.ErrUnavailable or counting.Corrupt.
func (s *Service) Read(ctx context.Context, pages []counting.Page) []counting.Reading {
	if len(pages) == 1 {
		if reading, ok := readOne(s.cluster.View(), pages[0]); ok {
			return []counting.Reading{reading}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	readings := make([]counting.Reading, len(pages))
	left := make([]int, len(pages)) // indexes of the pages to be read
	for i := range pages {
		left[i] = i
	}
	for len(left) > 0 {
		v := s.cluster.View()
		left = s.readFrom(ctx, v, pages, readings, left)
		if len(left) > 0 && s.cluster.Follow(ctx, v.Epoch()) != nil {
			for _, i := range left {
				readings[i].Err = counting.ErrUnavailable
			}
			return readings
		}
	}
	return readings
}

// readOne is the common case of Read: one page, which isn't moving, of a node
// that agrees with the view. It is false for any other.
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
	return counting.Reading{Tally: tally, Via: node.ID()}, true
}

// readFrom reads pages by one view, from all their nodes at once, and returns
// the indexes of those whose node says that the view is over.
func (s *Service) readFrom(ctx context.Context, v *cluster.View, pages []counting.Page, readings []counting.Reading, indexes []int) (over []int) {
	groups := make(map[group][]int)
	for _, i := range indexes {
		arc := v.Arc(pages[i])
		g := group{v.Source(arc), v.Owner(arc)}
		groups[g] = append(groups[g], i)
	}
	type answer struct {
		indexes []int
		ok      bool
	}
	answers := make(chan answer, len(groups))
	for g, indexes := range groups {
		go func() { answers <- answer{indexes, readGroup(ctx, v, g, pages, readings, indexes)} }()
	}
	for range groups {
		if a := <-answers; !a.ok {
			over = append(over, a.indexes...)
		}
	}
	return over
}

// group is where pages are: at their owner and, while their arcs are moving,
// at the node that had them before; nil otherwise.
type group struct {
	source *cluster.Member
	owner  int
}

// readGroup reads pages of one group, and tells whether their nodes agree with
// the view.
func readGroup(ctx context.Context, v *cluster.View, g group, pages []counting.Page, readings []counting.Reading, indexes []int) bool {
	if g.source != nil {
		return readMoving(ctx, v, g, pages, readings, indexes)
	}
	return readNode(ctx, v, g.owner, pages, readings, indexes)
}

// readNode reads pages from the node that has them, and tells whether that
// node agrees with the view.
func readNode(ctx context.Context, v *cluster.View, owner int, pages []counting.Page, readings []counting.Reading, indexes []int) bool {
	node := v.Nodes[owner]
	located := locate(v, pages, indexes)
	tallies, err := cluster.UntilOpen(ctx, func() ([]counting.Tally, error) { return node.Read(ctx, v.Epoch(), located) })
	if errors.Is(err, counting.ErrStale) {
		return false
	}
	for k, i := range indexes {
		readings[i].Via = node.ID()
		if err != nil {
			readings[i].Err = counting.ErrUnavailable
			continue
		}
		readings[i].Tally = tallies[k]
	}
	return true
}

func locate(v *cluster.View, pages []counting.Page, indexes []int) []counting.Located {
	located := make([]counting.Located, len(indexes))
	for k, i := range indexes {
		located[k] = counting.Located{Arc: v.Arc(pages[i]), Page: pages[i]}
	}
	return located
}
