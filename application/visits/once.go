package visits

import (
	"context"
	"errors"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// onceTime is how long the ring may go on changing under a request with a key.
const onceTime = 2 * groupcommit.Deadline

// RecordOnce is RecordAll for a request that may come again, to any instance:
// within a day at least, each of its visits is counted once, and those that
// were not are counted by a repetition. The second result is about all of them,
// of which none was counted then: counting.KeyReused, the key came with another
// payload; counting.KeyLimit, no more keys can be kept now;
// counting.ErrUnavailable.
func (s *Service) RecordOnce(ctx context.Context, once counting.RequestKey, visits []counting.Visit) ([]error, error) {
	// The key itself is kept in an arc of its own, so that it is known
	// whatever pages the payload names.
	request := counting.KeyedVisit{Visit: counting.Visit{Page: counting.Page(once.Key[:])}, RequestKey: once}
	err := s.recordKeyed(ctx, []counting.KeyedVisit{request})[0]
	if errors.Is(err, counting.ErrInDoubt) {
		err = counting.ErrUnavailable // no visit was sent
	}
	if err != nil {
		return nil, err
	}
	items := make([]counting.KeyedVisit, len(visits))
	for i, v := range visits {
		items[i] = counting.KeyedVisit{Visit: v, RequestKey: counting.RequestKey{Key: once.Key.Item(i), Print: once.Print}}
	}
	return s.recordKeyed(ctx, items), nil
}

// recordKeyed records items, by the next ring where the one that is known is
// over, and returns an error for each as Record does.
func (s *Service) recordKeyed(ctx context.Context, items []counting.KeyedVisit) []error {
	ctx, cancel := context.WithTimeout(ctx, onceTime)
	defer cancel()
	errs := make([]error, len(items))
	left := make([]int, len(items)) // indexes of the items to be sent
	for i := range items {
		left[i] = i
	}
	for len(left) > 0 {
		epoch := s.sendKeyed(ctx, items, left, errs)
		moved := left[:0]
		for _, i := range left {
			if errors.Is(errs[i], groupcommit.ErrMoved) {
				moved = append(moved, i)
			}
		}
		if left = moved; len(left) > 0 && s.cluster.Follow(ctx, epoch) != nil {
			for _, i := range left {
				errs[i] = counting.ErrUnavailable
			}
			return errs
		}
	}
	return errs
}

// sendKeyed sends some items by the view that is known, and returns its epoch.
func (s *Service) sendKeyed(ctx context.Context, items []counting.KeyedVisit, indexes []int, errs []error) counting.Epoch {
	v := s.cluster.View()
	some := make([]counting.KeyedVisit, len(indexes))
	for k, i := range indexes {
		some[k] = items[i]
		some[k].Arc = v.Arc(items[i].Page)
	}
	checked := v.CheckKeys(ctx, some)
	tickets := make([]groupcommit.Ticket, len(indexes))
	for k := range some {
		if checked[k] == nil {
			tickets[k], checked[k] = v.Nodes[v.Owner(some[k].Arc)].Once(v.Epoch(), some[k])
		}
	}
	for k, i := range indexes {
		errs[i] = checked[k]
		if errs[i] == nil {
			errs[i] = tickets[k].Wait()
		}
		if errors.Is(errs[i], counting.ErrKeyApplied) {
			errs[i] = nil
		}
	}
	return v.Epoch()
}
