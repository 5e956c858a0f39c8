package visits

import (
	"context"
	"errors"
	"time"

	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// RecordOnce is RecordAll for a request that the client may repeat, at any
// instance. For at least a day each of its visits is counted once, and a repetition
// counts those that were not counted before. The second result is an error of the
// whole request; no visit was counted then:
//   - counting.KeyReused: the key came with another payload before;
//   - *counting.KeyLimitError: no more keys can be stored now;
//   - counting.ErrUnavailable.
func (s *Service) RecordOnce(ctx context.Context, once counting.RequestKey, visits []counting.Visit) ([]error, error) {
	// The key itself is stored in an arc of its own, so that it is found
	// whatever pages the payload names.
	request := counting.KeyedVisit{Visit: counting.Visit{Page: counting.Page(once.Key[:])}, RequestKey: once}
	err := s.recordKeyed(ctx, []counting.KeyedVisit{request})[0]
	if errors.Is(err, counting.ErrInDoubt) {
		err = counting.ErrUnavailable // no visit was sent
	}
	if errors.Is(err, counting.KeyLimit) {
		err = &counting.KeyLimitError{After: time.Until(s.cluster.View().KeysFree(request.Page))}
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

// recordKeyed records items, by newer rings where a view is over. It returns an
// error for each, as Record does.
func (s *Service) recordKeyed(ctx context.Context, items []counting.KeyedVisit) []error {
	ctx, cancel := context.WithTimeout(ctx, cluster.KeyedTime)
	defer cancel()
	errs := make([]error, len(items))
	left := s.cluster.RetryEach(ctx, len(items), func(v *cluster.View, indexes []int) (moved []int) {
		some := make([]counting.KeyedVisit, len(indexes))
		for k, i := range indexes {
			some[k] = items[i]
		}
		for k, err := range v.SendKeyed(ctx, some) {
			i := indexes[k]
			if errs[i] = err; errors.Is(err, groupcommit.ErrMoved) {
				moved = append(moved, i)
			}
		}
		return moved
	})
	for _, i := range left {
		errs[i] = counting.ErrUnavailable
	}
	return errs
}
