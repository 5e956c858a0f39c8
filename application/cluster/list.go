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
	if err != nil {
		return nil, "", v.listError(member, err)
	}
	return slices.DeleteFunc(pages, func(p counting.Visit) bool { return v.Owner(p.Arc) != member }), next, nil
}

// ListHistories is List with the histories of the pages. The member keeps histories.
func (v *View) ListHistories(ctx context.Context, member int, cursor string) (l counting.HistoryList, next string, err error) {
	l, err = ReadFrom(ctx, v, v.Nodes[member], func(e counting.Expected) (found counting.HistoryList, err error) {
		found, next, err = v.Nodes[member].Histories.ListHistories(ctx, e, cursor)
		return found, err
	})
	if err != nil {
		return counting.HistoryList{}, "", v.listError(member, err)
	}
	return l.Keep(func(p counting.Visit) bool { return v.Owner(p.Arc) == member }), next, nil
}

// listError is the error of a list for that of its member.
func (v *View) listError(member int, err error) error {
	switch {
	case errors.Is(err, counting.ErrStale):
		return err
	case errors.Is(err, counting.Moving):
		return fmt.Errorf("%w: pages are moving between nodes", sharding.ErrBusy)
	case errors.Is(err, counting.Corrupt):
		return counting.Corrupt
	}
	return counting.Mark(Named(v.Nodes[member].ID(), err), counting.ErrUnavailable)
}
