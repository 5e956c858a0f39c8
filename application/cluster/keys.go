package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// CheckKeys asks the nodes from which arcs are on their way whether they have
// the keys of items, whose arcs are set (protocols: keys). It returns an error
// for each: nil, the item is to be sent to the owner, by this view;
// counting.ErrKeyApplied, it is counted; counting.KeyReused and counting.Corrupt, it
// is refused; groupcommit.ErrMoved, the view is over; counting.ErrUnavailable.
func (v *View) CheckKeys(ctx context.Context, items []counting.KeyedVisit) []error {
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

// checkAt asks one source about some of the items.
func (v *View) checkAt(ctx context.Context, source *Member, items []counting.KeyedVisit, indexes []int, errs []error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	keys := make([]counting.LocatedKey, len(indexes))
	for k, i := range indexes {
		keys[k] = counting.LocatedKey{Arc: items[i].Arc, Key: items[i].Key}
	}
	found, err := UntilOpen(ctx, func() ([]counting.KeyLookup, error) { return source.FindKeys(ctx, v.Epoch(), keys) })
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

// UntilOpen repeats a read of a node that is a moment behind the others.
func UntilOpen[T any](ctx context.Context, read func() ([]T, error)) ([]T, error) {
	all, err := read()
	for errors.Is(err, counting.ErrAhead) && ctx.Err() == nil {
		time.Sleep(time.Millisecond + rand.N(4*time.Millisecond))
		all, err = read()
	}
	return all, err
}
