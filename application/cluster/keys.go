package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
)

// KeysFree is when the node of a page has room for keys again, after it has refused one.
func (v *View) KeysFree(page counting.Page) time.Time {
	oldest := counting.DayOf(time.Now())
	if known := v.Nodes[v.Owner(v.Arc(page))].summary.Load(); known != nil && oldest.Keeps(known.Oldest) {
		oldest = known.Oldest
	}
	return oldest.KeysFree()
}

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
	answers := Ask(ctx, CallTimeout, slices.Collect(maps.Keys(groups)), func(ctx context.Context, source *Member) ([]counting.KeyLookup, error) {
		return v.findKeys(ctx, source, items, groups[source])
	})
	for _, a := range answers {
		for k, i := range groups[a.From] {
			switch {
			case errors.Is(a.Err, counting.ErrStale):
				errs[i] = groupcommit.ErrMoved
			case a.Err != nil:
				errs[i] = counting.ErrUnavailable
			default:
				errs[i] = a.Value[k].Match(items[i].Print)
			}
		}
	}
	return errs
}

// findKeys looks up some of the items at one source.
func (v *View) findKeys(ctx context.Context, source *Member, items []counting.KeyedVisit, indexes []int) ([]counting.KeyLookup, error) {
	keys := make([]counting.LocatedKey, len(indexes))
	for k, i := range indexes {
		keys[k] = counting.LocatedKey{Arc: items[i].Arc, Key: items[i].Key}
	}
	return UntilOpen(ctx, func() ([]counting.KeyLookup, error) { return source.FindKeys(ctx, v.Epoch(), keys) })
}
