package cluster

import (
	"context"
	"errors"
	"sync"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// checkKeys looks up the keys of items at the sources of moving arcs (design:
// batches, "idempotency keys"). The items' arcs are set. It returns an error for each:
//   - nil: send the item to the owner, by this view;
//   - counting.ErrKeyApplied: the item is counted;
//   - counting.KeyReused, counting.Corrupt: the item is refused;
//   - groupcommit.ErrMoved: the view is over;
//   - counting.ErrUnavailable: the source does not answer.
func (v *View) checkKeys(ctx context.Context, items []counting.KeyedVisit) []error {
	errs := make([]error, len(items))
	groups := make(map[*Member][]int)
	for i := range items {
		if source := v.Source(items[i].Arc); source != nil {
			groups[source] = append(groups[source], i)
		}
	}
	var asking sync.WaitGroup
	for source, indexes := range groups {
		asking.Go(func() { v.checkAt(ctx, source, items, indexes, errs) })
	}
	asking.Wait()
	return errs
}

// checkAt looks up some of the items at one source.
func (v *View) checkAt(ctx context.Context, source *Member, items []counting.KeyedVisit, indexes []int, errs []error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	keys := make([]counting.LocatedKey, len(indexes))
	for k, i := range indexes {
		keys[k] = counting.LocatedKey{Arc: items[i].Arc, Key: items[i].Key}
	}
	found, err := UntilOpen(ctx, func() ([]counting.KeyLookup, error) {
		movable, err := source.Movable()
		if err != nil {
			return nil, err
		}
		return movable.FindKeys(ctx, v.Epoch(), keys)
	})
	for k, i := range indexes {
		switch {
		case errors.Is(err, counting.ErrStale):
			errs[i] = groupcommit.ErrMoved
		case err != nil:
			errs[i] = counting.ErrUnavailable
		default:
			errs[i] = found[k].Match(items[i].Print)
		}
	}
}
