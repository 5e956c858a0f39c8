package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"footfall/domain/counting"
)

// listPages is the most that one List returns.
const listPages = 64

// List implements counting.Counts. The cursor is the last page that was
// returned, with its arc.
func (n *Node) List(ctx context.Context, epoch counting.Epoch, cursor string) (pages []counting.Visit, next string, err error) {
	if err := n.lockMember(ctx); err != nil {
		return nil, "", fmt.Errorf("list pages of %s: %w", n.id, err)
	}
	defer n.mu.Unlock()
	if err := n.state.standing.Serves(epoch); err != nil {
		return nil, "", fmt.Errorf("list pages of %s: %w", n.id, err)
	}
	if len(n.state.coming) > 0 {
		return nil, "", fmt.Errorf("list pages of %s: %w", n.id, counting.Moving)
	}
	last, page := -1, ""
	if cursor != "" {
		_, _ = fmt.Sscanf(cursor, "%d", &last)
		page = cursor[len(fmt.Sprint(last))+1:]
	}
	for _, arc := range slices.Sorted(maps.Keys(n.state.counts)) {
		if int(arc) < last {
			continue
		}
		for _, p := range slices.Sorted(maps.Keys(n.state.counts[arc])) {
			if int(arc) == last && string(p) <= page {
				continue
			}
			if len(pages) == listPages {
				final := pages[len(pages)-1]
				return pages, fmt.Sprint(final.Arc, " ", final.Page), nil
			}
			pages = append(pages, counting.Visit{Arc: arc, Page: p, Count: max(n.state.counts[arc][p], -1)})
		}
	}
	return pages, "", nil
}
