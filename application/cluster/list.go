package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// List returns some of the pages that a member owns, from cursor on, which is empty at
// first; next is empty after the last. A page may come twice, but not after pages of
// another arc. A corrupt count is -1. Errors:
//   - counting.ErrStale: there is a newer ring;
//   - sharding.ErrBusy: arcs are moving to the member;
//   - counting.Corrupt, counting.Missing, counting.ErrUnavailable with the node.
func (v *View) List(ctx context.Context, member int, cursor string) (pages []counting.Visit, next string, err error) {
	pages, err = ReadFrom(ctx, v, v.Nodes[member], func(e counting.Expected) (found []counting.Visit, err error) {
		found, next, err = v.Nodes[member].List(ctx, e, cursor)
		return found, err
	})
	switch {
	case errors.Is(err, counting.ErrStale):
		return nil, "", err
	case errors.Is(err, counting.Moving):
		return nil, "", fmt.Errorf("%w: pages are moving between nodes", sharding.ErrBusy)
	case errors.Is(err, counting.Corrupt):
		return nil, "", counting.Corrupt
	case err != nil:
		return nil, "", counting.Mark(Named(v.Nodes[member].ID(), err), counting.ErrUnavailable)
	}
	return slices.DeleteFunc(pages, func(p counting.Visit) bool { return v.Owner(p.Arc) != member }), next, nil
}
